package verifier

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// What is wrong with a request. A body that verified but is no event fails with
// [event.ErrMalformed]. Log which; never answer with it.
var (
	// ErrMissingSignature is the error of a request without a signature, or
	// without the one that is required.
	ErrMissingSignature = errors.New("verifier: signature is missing")

	// ErrMismatch is the error of a signature that was made with another secret or
	// over another body, or that is not in the form of a signature.
	ErrMismatch = errors.New("verifier: signature does not match")

	// ErrStale is the error of a request that verified but is older or further
	// ahead than allowed. Either someone else has sent it again, or one of the two
	// clocks is wrong.
	ErrStale = errors.New("verifier: request is out of time")

	// ErrEventType is the error of a request that verified but whose event header,
	// X-Webhook-Event, names another type than the signed body.
	ErrEventType = errors.New("verifier: event type of the header is not the body's")
)

// ErrSecrets is the error of a request that cannot be judged, because
// [Options.Secrets] has failed.
var ErrSecrets = errors.New("verifier: the secrets are not available")

// The defaults of [Options].
const (
	DefaultTolerance   = 5 * time.Minute
	DefaultMaxBody     = 1 << 20
	DefaultBodyTimeout = 10 * time.Second
)

// Options are the optional settings of a [Verifier].
type Options struct {
	// OtherSecrets are accepted beside the secret, in no order. While the sender
	// changes secrets, list the old one or the new one here. Defaults to none.
	OtherSecrets []string

	// PublicKeys, "whpk_…", are accepted beside the secrets. They belong to a sender
	// that signs with the asymmetric scheme of Standard Webhooks (v1a). While it
	// changes keys, list both. Defaults to none.
	PublicKeys []string

	// Secrets is asked at each request for the secrets that are accepted, in place of
	// the secret and OtherSecrets, which are left empty. So secrets change without a
	// restart. If it fails, or a secret is malformed, the request is answered with 503.
	// [New] asks it once. Several goroutines may call it at once. Defaults to nil.
	Secrets func() ([]string, error)

	// AcceptUntimed also accepts a request that has the untimed signature and none of
	// the three Standard Webhooks headers. Such a request has no time in it: whoever
	// has captured one can send it again for ever. Set it only for a sender that does
	// not send those headers. Defaults to false.
	AcceptUntimed bool

	// Wire is what the sender calls its headers, and how it writes the untimed
	// signature. Where it does not send that one, no such header is ever accepted.
	// Defaults to X-Webhook-Signature and so on.
	Wire signer.Wire

	// Tolerance is how far webhook-timestamp may be from now, either way. Defaults
	// to [DefaultTolerance], as in every Standard Webhooks library.
	Tolerance time.Duration

	// MaxAge is how long ago the event may have been created, as its signed body
	// says. A retry or a replay is the same event, so MaxAge must be longer than the
	// sender goes on trying. If it is set, an event from further in the future than
	// Tolerance is refused too. Defaults to 0: any age.
	MaxAge time.Duration

	// MaxBody is the most bytes that the middleware reads of a body. Defaults to
	// [DefaultMaxBody].
	MaxBody int64

	// BodyTimeout is how long a body may take to arrive at the middleware. It needs
	// a ResponseWriter that supports read deadlines, as those of net/http's server
	// do. It does not extend a shorter ReadTimeout of the server. Defaults to
	// [DefaultBodyTimeout].
	BodyTimeout time.Duration

	// ContentTypes are the media types that the middleware lets in, in lower case
	// and without parameters. CloudEvents in structured mode come as
	// application/cloudevents+json. Defaults to application/json.
	ContentTypes []string

	// OnReject is called for each request that the middleware answers itself, before
	// the answer is sent. It gets the status of the answer and the reason, and r.Body
	// has what was read of the body, which may be nothing. Several goroutines may call
	// it at once. If it panics, the answer is sent all the same, and the panic goes to
	// the server's ErrorLog. Defaults to nothing.
	OnReject func(r *http.Request, status int, reason error)

	// Now is the clock that ages are measured by. Defaults to [time.Now].
	Now func() time.Time
}

// Format writes OtherSecrets as "whsec_***", whatever the verb.
func (o Options) Format(f fmt.State, verb rune) {
	type plain Options // without this method
	shown := plain(o)
	shown.OtherSecrets = slices.Repeat([]string{"whsec_***"}, len(o.OtherSecrets))
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown)
}

func withDefaults(o *Options) Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Tolerance == 0 {
		opts.Tolerance = DefaultTolerance
	}
	if opts.MaxBody == 0 {
		opts.MaxBody = DefaultMaxBody
	}
	if opts.BodyTimeout == 0 {
		opts.BodyTimeout = DefaultBodyTimeout
	}
	if len(opts.ContentTypes) == 0 {
		opts.ContentTypes = []string{"application/json"}
	}
	opts.ContentTypes = slices.Clone(opts.ContentTypes)
	opts.Wire = opts.Wire.WithDefaults()
	if opts.OnReject == nil {
		opts.OnReject = func(*http.Request, int, error) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return opts
}

func (o Options) validate() error {
	var bad []error
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"tolerance", int64(o.Tolerance)},
		{"max age", int64(o.MaxAge)},
		{"max body", o.MaxBody},
		{"body timeout", int64(o.BodyTimeout)},
	} {
		if f.value < 0 {
			bad = append(bad, fmt.Errorf("%s is negative", f.name))
		}
	}
	for _, t := range o.ContentTypes {
		if parsed, params, err := mime.ParseMediaType(t); err != nil || parsed != t || len(params) > 0 {
			bad = append(bad, fmt.Errorf("content type %q is not a media type in lower case without parameters", t))
		}
	}
	return errors.Join(bad...)
}

// Verifier verifies webhook requests. It is safe for concurrent use.
type Verifier struct {
	keys  keys // the secrets' are empty if Options.Secrets is set
	names names
	opts  Options
	find  Finder // of MiddlewareForEach; nil: this one verifies
}

// New returns a Verifier that accepts what was signed with secret: "whsec_…", as it
// was shown when the webhook was created. A receiver that has only public keys
// leaves secret empty and sets [Options.PublicKeys]; then the untimed signature is
// never accepted. New fails, naming all that is wrong, if a secret or key is empty
// or malformed, or an option is out of range.
func New(secret string, opts *Options) (*Verifier, error) {
	o := withDefaults(opts)
	k, err := o.parseKeys(secret)
	o.OtherSecrets, o.PublicKeys = nil, nil // The signer keeps what it needs.
	n, wrong := o.readWire()
	if err := errors.Join(err, wrong, o.validate()); err != nil {
		return nil, fmt.Errorf("verifier: new: %w", err)
	}
	return &Verifier{keys: k, names: n, opts: o}, nil
}

// keys are what verifies: each secret's by itself, so that it can be told which did.
type keys struct {
	secrets []*signer.Signer
	public  []signer.PublicKey
}

// current returns the keys that are accepted now.
func (v *Verifier) current() (keys, error) {
	if v.opts.Secrets == nil {
		return v.keys, nil
	}
	texts, err := v.opts.Secrets()
	if err == nil && len(texts) == 0 {
		err = errors.New("there are none")
	}
	k := keys{public: v.keys.public}
	if err == nil {
		k.secrets, err = parseSecrets(texts)
	}
	if err != nil {
		return keys{}, fmt.Errorf("%w: %w", ErrSecrets, err)
	}
	return k, nil
}

// parseKeys reads secret, and the secrets and keys of the options.
func (o Options) parseKeys(secret string) (keys, error) {
	var bad []error
	k := keys{public: make([]signer.PublicKey, len(o.PublicKeys))}
	for i, text := range o.PublicKeys {
		var err error
		if k.public[i], err = signer.ParsePublicKey(text); err != nil {
			bad = append(bad, fmt.Errorf("public key %d: %w", i+1, err))
		}
	}
	none := secret == "" && len(o.OtherSecrets) == 0
	var err error
	switch {
	case o.Secrets != nil && !none:
		err = errors.New("there are secrets beside Options.Secrets")
	case o.Secrets != nil:
		_, err = (&Verifier{opts: o}).current()
	case !none || len(k.public) == 0:
		k.secrets, err = parseSecrets(append([]string{secret}, o.OtherSecrets...))
	}
	return k, errors.Join(append(bad, err)...)
}

// parseSecrets makes a signer of each secret, the first of which has no number.
func parseSecrets(texts []string) ([]*signer.Signer, error) {
	var bad []error
	out := make([]*signer.Signer, len(texts))
	for i, text := range texts {
		secret, err := signer.ParseSecret(text)
		if err == nil {
			out[i], err = signer.New(secret)
		}
		if err != nil && i > 0 {
			err = fmt.Errorf("other secret %d: %w", i, err)
		}
		bad = append(bad, err)
	}
	return out, errors.Join(bad...)
}

// VerifyKey is Verify, and tells which key matched: see [Message].
func (v *Verifier) VerifyKey(header http.Header, body []byte) (e event.Event, key int, err error) {
	if key, err = v.check(header, body); err != nil {
		return event.Event{}, 0, err
	}
	e, err = v.read(header, body)
	return e, key, err
}

// Verify returns the event that header and body carry. It fails as [Verifier.Check]
// does. A request that passes Check still fails with [event.ErrMalformed] if the
// body is no event, with [ErrEventType] if the header names another type, and with
// [ErrStale] if the event is older than [Options.MaxAge].
func (v *Verifier) Verify(header http.Header, body []byte) (event.Event, error) {
	e, _, err := v.VerifyKey(header, body)
	return e, err
}

// Check reports whether body, the bytes that arrived, is signed. It fails with
// [ErrMissingSignature], [ErrMismatch] or [ErrStale], as the table in the package
// documentation says. The keys of header must be in canonical form, as net/http's
// server and [net/http.Header.Set] make them. A header that comes twice is a
// mismatch, except webhook-signature, whose values are joined again: adapters of
// AWS Lambda cut it at its commas or spaces.
func (v *Verifier) Check(header http.Header, body []byte) error {
	_, err := v.check(header, body)
	return err
}

// check is Check, and tells which key matched: see [Message].
func (v *Verifier) check(header http.Header, body []byte) (int, error) {
	k, err := v.current()
	if err != nil {
		return 0, err
	}
	if h := standardHeaders(header); h.present() {
		return v.checkStandard(k, h, body)
	}
	if len(header[v.names.signature]) > 0 && !v.opts.AcceptUntimed {
		return 0, v.names.alone
	}
	return v.checkUntimed(k, header, body)
}

func (v *Verifier) checkUntimed(k keys, header http.Header, body []byte) (int, error) {
	value, err := single(header[v.names.signature], v.names.signature)
	if err != nil {
		return 0, err
	}
	match := -1
	for i, s := range k.secrets {
		if s.VerifyUntimed(body, value, v.opts.Wire.Untimed) && match < 0 {
			match = i
		}
	}
	if match < 0 {
		return 0, ErrMismatch
	}
	return match, nil
}

func (v *Verifier) checkStandard(k keys, h standard, body []byte) (int, error) {
	if len(h.signature) == 0 {
		return 0, absent(keyStandardSignature)
	}
	signature := trim(h.signature[0])
	if len(h.signature) > 1 {
		signature = rejoin(h.signature)
	}
	id, err := single(h.id, keyStandardID)
	if err != nil {
		return 0, err
	}
	timestamp, err := single(h.timestamp, keyStandardTimestamp)
	if err != nil {
		return 0, err
	}
	at, ok := parseTimestamp(timestamp)
	if !ok {
		return 0, fmt.Errorf("%w: %s is not in whole seconds", ErrMismatch, keyStandardTimestamp)
	}
	match := -1
	for i, s := range k.secrets {
		if s.VerifyStandard(id, at, body, signature) && match < 0 {
			match = i
		}
	}
	for i, key := range k.public {
		if key.VerifyStandard(id, at, body, signature) && match < 0 {
			match = len(k.secrets) + i
		}
	}
	if match < 0 {
		return 0, ErrMismatch
	}
	if age := v.opts.Now().Sub(at); age > v.opts.Tolerance || age < -v.opts.Tolerance {
		return 0, fmt.Errorf("%w: it was sent %s ago", ErrStale, age.Round(time.Second))
	}
	return match, nil
}

// read returns the event in a body that passed Check.
func (v *Verifier) read(header http.Header, body []byte) (event.Event, error) {
	e, err := parse(header, body)
	if err != nil {
		return event.Event{}, fmt.Errorf("verifier: verify: %w", err)
	}
	e.Body, e.ContentType = body, header.Get("Content-Type")
	if v.names.event != "" {
		if given := header[v.names.event]; len(given) > 1 || len(given) == 1 && event.Type(trim(given[0])) != e.Type {
			return event.Event{}, fmt.Errorf("%w, %s", ErrEventType, e.Type)
		}
	}
	if v.opts.MaxAge > 0 {
		if age := v.opts.Now().Sub(e.Created); age > v.opts.MaxAge || age < -v.opts.Tolerance {
			return event.Event{}, fmt.Errorf("%w: its event was created %s ago", ErrStale, age.Round(time.Second))
		}
	}
	return e, nil
}

// parse reads the event of a request that passed Check.
func parse(header http.Header, body []byte) (event.Event, error) {
	h := standardHeaders(header)
	if !h.present() {
		return event.Parse(body)
	}
	sent, _ := parseTimestamp(trim(h.timestamp[0]))
	return event.ParseStandard(body, trim(h.id[0]), sent)
}
