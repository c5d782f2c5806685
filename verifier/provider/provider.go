package provider

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/internal/hidden"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Options are the optional settings of a [Verifier].
type Options struct {
	// OtherSecrets are accepted beside the secret, in no order. While the sender
	// changes secrets, list the old one or the new one here. Defaults to none.
	OtherSecrets []string

	// Secrets is asked at each request for the secrets that are accepted, in place of
	// the secret and OtherSecrets, which are left empty. So secrets change without a
	// restart. If it fails, or a secret is malformed, [Verifier.Verify] fails with
	// [verifier.ErrSecrets]. [New] asks it once. Several goroutines may call it at once.
	// Defaults to nil.
	Secrets func() ([]string, error)

	// Tolerance is how far the signature's time may be from now, either way. It must be
	// zero for a sender that signs no time. Defaults to [Scheme.Tolerance].
	Tolerance time.Duration

	// URL is the address as the sender calls it, with its query, for a sender that signs
	// it. Behind a proxy it is not the one that the receiver sees. Defaults to none.
	URL string

	// Now is the clock that ages are measured by. Defaults to [time.Now].
	Now func() time.Time
}

// Format hides OtherSecrets, and a password in URL, whatever the verb.
func (o Options) Format(f fmt.State, verb rune) {
	type plain Options // without this method
	shown := plain(o)
	shown.OtherSecrets = slices.Repeat([]string{"***"}, len(o.OtherSecrets))
	if u, err := url.Parse(o.URL); err == nil {
		shown.URL = u.Redacted()
	} else {
		shown.URL = "***"
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown)
}

// Verifier verifies the requests of one sender. It is safe for concurrent use. It is a
// [verifier.Checker] and a [verifier.Challenger].
type Verifier struct {
	scheme    Scheme
	signed    []part
	addresses hidden.Value[[]string] // which may have a password in them
	keys      func() ([]key, error)
	tolerance time.Duration
	now       func() time.Time
}

// New returns a Verifier for what is signed with secret as s says. It fails, naming all
// that is wrong, if a secret is empty or malformed, an option is out of range, or s is
// not whole.
func New(s Scheme, secret string, o *Options) (*Verifier, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	s.setDefaults()
	v := &Verifier{scheme: s, tolerance: opts.Tolerance, now: opts.Now}
	v.signed, _ = readSigned(s.Signed)
	if v.tolerance == 0 {
		v.tolerance = s.Tolerance
	}
	if v.tolerance == 0 {
		v.tolerance = verifier.DefaultTolerance
	}
	if v.now == nil {
		v.now = time.Now
	}
	bad := []error{s.validate(), v.readKeys(secret, opts)}
	if opts.Tolerance < 0 || opts.Tolerance > 0 && !v.signs("timestamp") {
		bad = append(bad, errors.New("tolerance is negative, or the sender signs no time"))
	}
	if v.signs("url") {
		list, err := addresses(opts.URL)
		v.addresses = hidden.Of("***", list)
		bad = append(bad, err)
	} else {
		v.addresses = hidden.Of("", []string{""})
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("provider: %s: %w", s.Name, err)
	}
	return v, nil
}

func (v *Verifier) signs(name string) bool { return slices.Contains(v.signed, part{name, true}) }

// addresses returns address as it is, and with a port if it has none, and without otherwise:
// see [Twilio]. A fragment is not sent.
func addresses(address string) ([]string, error) {
	address, _, _ = strings.Cut(address, "#")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, errors.New("the sender signs its address: Options.URL is not one that begins with https:// or http://")
	}
	before, after, _ := strings.Cut(address, "://")
	end := strings.IndexAny(after+"/", "/?")
	start := strings.LastIndex(after[:end], "@") + 1
	host := after[start:end]
	switch port := u.Port(); {
	case port != "":
		host = strings.TrimSuffix(host, ":"+port)
	case u.Scheme == "https":
		host += ":443"
	default:
		host += ":80"
	}
	return []string{address, before + "://" + after[:start] + host + after[end:]}, nil
}

// key is what a secret stands for.
type key struct {
	secret []byte           // of the HMAC; empty: it is a public key
	public signer.PublicKey // of Standard Webhooks
}

// readKeys sets v.keys. A function hides them from what prints a Verifier.
func (v *Verifier) readKeys(secret string, o Options) error {
	if o.Secrets == nil {
		keys, err := v.scheme.keys(append([]string{secret}, o.OtherSecrets...))
		v.keys = func() ([]key, error) { return keys, nil }
		return err
	}
	v.keys = func() ([]key, error) {
		texts, err := o.Secrets()
		if err == nil && len(texts) == 0 {
			err = errors.New("there are none")
		}
		var keys []key
		if err == nil {
			keys, err = v.scheme.keys(texts)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", verifier.ErrSecrets, err)
		}
		return keys, nil
	}
	if secret != "" || len(o.OtherSecrets) > 0 {
		return errors.New("there are secrets beside Options.Secrets")
	}
	_, err := v.keys()
	return err
}

// keys returns the keys of secrets, the first of which has no number.
func (s *Scheme) keys(secrets []string) ([]key, error) {
	var bad []error
	out := make([]key, len(secrets))
	for i, text := range secrets {
		var err error
		out[i], err = s.key(text)
		if err != nil && i > 0 {
			err = fmt.Errorf("other secret %d: %w", i, err)
		}
		bad = append(bad, err)
	}
	return out, errors.Join(bad...)
}

func (s *Scheme) key(text string) (k key, err error) {
	switch {
	case text == "":
		return k, errors.New("secret is empty")
	case strings.ContainsAny(text, "\r\n"): // No sender's page would show one.
		return k, errors.New("secret has a line break in it")
	case s.PublicKeys && strings.HasPrefix(text, "whpk_"):
		k.public, err = signer.ParsePublicKey(text)
		return k, err
	}
	k.secret, err = s.Key(text)
	if err == nil && len(k.secret) == 0 {
		err = errors.New("secret is empty")
	}
	return k, err
}

// Name returns the sender's name, such as "github".
func (v *Verifier) Name() string { return v.scheme.Name }

// ContentTypes returns the media types that the sender sends.
func (v *Verifier) ContentTypes() []string { return slices.Clone(v.scheme.ContentTypes) }

// Repeats returns for how long the sender may send an event again, as it documents: by
// itself, or when it is asked to. It is 0 if that is not known.
func (v *Verifier) Repeats() time.Duration { return v.scheme.Repeats }

// Verify returns the event that header and body carry. The keys of header must be in
// canonical form, as net/http's server makes them. It fails with
// [verifier.ErrMissingSignature], [verifier.ErrMismatch], [verifier.ErrStale] or
// [verifier.ErrSecrets], and with [event.ErrMalformed] if what verified is no event.
func (v *Verifier) Verify(header http.Header, body []byte) (event.Event, error) {
	e, _, err := v.VerifyKey(header, body)
	return e, err
}

// VerifyKey is [Verifier.Verify], and tells which secret matched: 0 is the secret, then
// come the other secrets, or the secrets are those of [Options.Secrets].
func (v *Verifier) VerifyKey(header http.Header, body []byte) (event.Event, int, error) {
	r, err := v.check(header, body)
	if err != nil {
		return event.Event{}, 0, fmt.Errorf("%w (%s)", err, v.scheme.Name)
	}
	e, err := v.read(r)
	if err != nil {
		return event.Event{}, 0, fmt.Errorf("%w (%s)", err, v.scheme.Name)
	}
	return e, r.match, nil
}

// Challenge returns the answer to a request with which the sender asks whether this is the
// right receiver: see [verifier.Challenger]. It answers only what verifies.
func (v *Verifier) Challenge(header http.Header, body []byte) ([]byte, bool) {
	if v.scheme.Challenge == nil {
		return nil, false
	}
	// Only what may ask is verified here, for all else is verified afterwards.
	check := sync.OnceValues(func() (*request, error) { return v.check(header, body) })
	answer := v.scheme.Challenge(header, body, func(text []byte) []byte {
		r, err := check()
		if err != nil {
			return nil
		}
		mac := hmac.New(v.scheme.Hash.New, r.key.secret)
		mac.Write(text)
		return mac.Sum(nil)
	})
	if answer == nil {
		return nil, false
	}
	if _, err := check(); err != nil {
		return nil, false
	}
	return answer, true
}

// MaxBody returns the most bytes of a body that the sender sends, or 0.
func (v *Verifier) MaxBody() int64 { return v.scheme.MaxBody }
