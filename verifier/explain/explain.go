package explain

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Explain says whether a request that has just arrived verifies with the first of
// the secrets, and if not, why. It does not keep or change what it is given.
func Explain(header http.Header, body []byte, secrets ...string) Report {
	return At(time.Now(), header, body, secrets...)
}

// At is Explain for a request that arrived at another time.
func At(now time.Time, header http.Header, body []byte, secrets ...string) Report {
	return With(&verifier.Options{Now: func() time.Time { return now }}, header, body, secrets...)
}

// With is Explain for a receiver with other options than the default. The secrets and
// keys of o are accepted beside the first of the secrets. A nil o is the default.
func With(o *verifier.Options, header http.Header, body []byte, secrets ...string) Report {
	return explain(o, &Capture{Header: header, Body: body}, secrets)
}

func explain(o *verifier.Options, c *Capture, secrets []string) Report {
	x := &explanation{method: cmp.Or(c.Method, http.MethodPost), header: c.Header, body: c.Body, lost: c.Lost, bodies: variants(c.Body)}
	if o != nil {
		x.opts = *o
	}
	x.opts.OnReject = nil // It may be what asks.
	x.opts.Wire = x.opts.Wire.WithDefaults()
	x.known = known(x.opts.Wire)
	if x.opts.Secrets != nil {
		texts, _ := x.opts.Secrets() // Without any, the report says so.
		x.opts.Secrets, x.opts.OtherSecrets = nil, texts
	}
	if x.opts.Now == nil {
		x.opts.Now = time.Now
	}
	if x.opts.Tolerance == 0 {
		x.opts.Tolerance = verifier.DefaultTolerance
	}
	x.now, x.ring = x.opts.Now(), newKeyring(slices.Concat(secrets, x.opts.OtherSecrets, x.opts.PublicKeys))
	err := x.verify()
	x.report.Verified = x.report.Status == http.StatusOK
	x.refused()
	untimed, standard := x.untimed(), x.standard()
	x.verdict(err, untimed, standard)
	x.observe(standard.right || untimed.right && !x.standardDecides())
	rename := phrases(x.opts.Wire)
	for i, f := range x.report.Findings {
		x.report.Findings[i].Text, x.report.Findings[i].Advice = rename.Replace(f.Text), rename.Replace(f.Advice)
	}
	slices.SortStableFunc(x.report.Findings, func(a, b Finding) int { return b.rank() - a.rank() })
	return x.report
}

// explanation is the work on one report.
type explanation struct {
	opts   verifier.Options // Wire has its defaults
	method string
	lost   string          // see Capture
	known  map[string]bool // see known
	now    time.Time
	header http.Header
	body   []byte
	ring   *keyring
	bodies []variant
	report Report

	signed bool   // Check passes
	answer string // of the middleware
}

// add adds findings, each code and text once.
func (x *explanation) add(cause bool, findings ...Finding) {
	list := &x.report.Findings
	for _, f := range findings {
		f.Cause = cause
		i := slices.IndexFunc(*list, func(other Finding) bool { return other.Code == f.Code && other.Text == f.Text })
		switch {
		case i < 0:
			*list = append(*list, f)
		case cause:
			(*list)[i].Cause = true
		}
	}
}

// rank is 1 for a cause and 0 for an observation.
func (f Finding) rank() int {
	if f.Cause {
		return 1
	}
	return 0
}

// result is what came of one of the two schemes.
type result struct {
	present  bool      // there was something to look at
	readable bool      // there was a signature in it, in some form
	right    bool      // it matches when causes are undone
	causes   []Finding // why it does not match as it is
	forms    []Finding // what is wrong with the form of the header
	untimed  bool      // of the untimed one: one signature, so its form alone may be the cause
}

// once returns the value of a header that may come once, and notes what is wrong
// with it.
func (r *result) once(f field, name string) string {
	if len(f.values) == 0 {
		return ""
	}
	if f.mistake.Code != "" {
		r.causes = append(r.causes, f.mistake)
	}
	if len(f.values) > 1 {
		r.causes = append(r.causes, Finding{
			HeaderRepeated, true, fmt.Sprintf("%s comes %d times.", name, len(f.values)),
			"Something on the way has added one. A header that comes twice counts as wrong, since nobody can know which is meant.",
		})
	}
	return strings.Trim(f.values[0], " \t")
}

// untimed looks at the untimed signature.
func (x *explanation) untimed() result {
	r, name := result{untimed: true}, x.opts.Wire.Signature
	if name == "" {
		return r
	}
	f := x.find(name)
	if f.mistake.Code != "" {
		f.mistake = moved(signer.HeaderSignature)
	}
	if r.once(f, signer.HeaderSignature) == "" { // Texts get the wire's names once, in the end.
		if _, other := x.vendor(); other {
			return r
		}
		return x.underAnyName()
	}
	r.present = true
	var claims []claim
	for _, value := range f.values {
		c, findings := readUntimed(value, x.opts.Wire.Untimed)
		claims = append(claims, c...)
		r.forms = append(r.forms, findings...)
	}
	r.readable = len(claims) > 0
	r.conclude(search(claims, x.untimedSchemes(), x.bodies))
	return r
}

func (x *explanation) untimedSchemes() []scheme {
	own := scheme{keys: x.untimedKeys(), messages: []message{{}}}
	if timestamp := x.value(signer.HeaderStandardTimestamp); timestamp != "" {
		own.messages = append(own.messages, message{timestamp + ".", signedOther("the time and the body")})
	}
	swapped := scheme{x.ring.standard, x.standardMessages()[:1], Finding{
		SchemeSwapped, true, "X-Webhook-Signature was made as Standard Webhooks says.",
		"X-Webhook-Signature is over the body alone, with the whole text of the secret as the key.",
	}}
	return []scheme{own, swapped}
}

// underAnyName looks in all headers for a value in the form of the untimed signature
// that matches.
func (x *explanation) underAnyName() (r result) {
	for _, key := range slices.Sorted(maps.Keys(x.header)) {
		for _, value := range x.header[key] {
			claims, _ := readUntimed(value, x.opts.Wire.Untimed)
			if len(claims) != 1 || claims[0].mistake.Code != "" {
				continue
			}
			if causes, right := search(claims, x.untimedSchemes()[:1], x.bodies); right {
				return result{present: true, readable: true, right: true, causes: append(causes, moved(signer.HeaderSignature))}
			}
		}
	}
	return r
}

func (r *result) conclude(causes []Finding, right bool) {
	r.right = right
	r.causes = append(r.causes, causes...)
}

func signedOther(what string) Finding {
	return Finding{
		SignedOther, true, "What was signed is " + what + ".",
		"X-Webhook-Signature is over the body alone; that of Standard Webhooks is over webhook-id, webhook-timestamp and the body, with a dot between them.",
	}
}

func (x *explanation) value(name string) string {
	if f := x.find(name, strings.Replace(name, "webhook-", "svix-", 1)); len(f.values) > 0 {
		return strings.Trim(f.values[0], " \t")
	}
	return ""
}

// verdict sorts the findings of both schemes into causes and observations. err is
// what package verifier said.
func (x *explanation) verdict(err error, untimed, standard result) {
	right, decides := untimed.right || standard.right, x.standardDecides()
	vendor, other := x.vendor()
	setup := errors.Is(err, errSetup) && !other
	x.add(setup, x.ring.first...)
	x.add(false, x.ring.others...)
	if setup && len(x.ring.first) == 0 {
		x.add(true, Finding{Setup, true, "The receiver does not start with these options.", "The error of verifier.New names what is wrong."})
	}
	for _, r := range []result{untimed, standard} {
		cause := err != nil && (r.right || !right)
		if decides { // Then the untimed signature rescues nothing.
			cause = err != nil && (!r.untimed || !standard.right)
		}
		x.add(cause, r.causes...)
		if !r.right {
			x.add(cause && (r.untimed || !r.readable), r.forms...)
		}
		if r.readable && !r.right {
			x.noMatch(cause)
		}
	}
	if untimed.present && !standard.present && !x.opts.AcceptUntimed {
		x.add(true, Finding{
			Untimed, true, "There is X-Webhook-Signature and none of the headers of Standard Webhooks, so the request has no time in it.",
			"If the sender never sends them, set Options.AcceptUntimed of package verifier. If it does, look whether something on the way drops them.",
		})
	}
	if x.lost != "" && !right && !x.report.Verified {
		x.add(true, Finding{CaptureLost, true, x.lost, ""})
	}
	switch {
	case errors.Is(err, verifier.ErrStale) && x.signed:
		x.add(true, Finding{
			Stale, true, "The event is older than Options.MaxAge allows, or from the future.", "A retry or a replay is the same event: MaxAge must be longer than the sender goes on trying.",
		})
	case errors.Is(err, verifier.ErrEventType):
		x.add(true, x.eventType())
	case errors.Is(err, event.ErrMalformed):
		x.add(true, Finding{
			EventMalformed, true, "The body is signed, but it is no event: one JSON object with a type.",
			"Verifier.Check accepts it; Verify and the middleware want an event. Without the headers of Standard Webhooks it needs id, created and data, too.",
		})
	case other:
		x.add(true, vendor)
	case !untimed.present && !standard.present:
		x.add(true, Finding{
			HeaderMissing, true, "There is no signature: neither X-Webhook-Signature nor the headers of Standard Webhooks.",
			"Look whether the request comes from the sender at all, and whether something on the way drops headers.",
		})
	}
}

// standardDecides reports whether package verifier goes by the Standard Webhooks headers.
func (x *explanation) standardDecides() bool {
	names := x.standardNames()
	return slices.ContainsFunc(names[:], func(name string) bool {
		return len(x.header[textproto.CanonicalMIMEHeaderKey(name)]) > 0
	})
}

// event reads the body as package verifier does.
func (x *explanation) event() (event.Event, error) {
	if !x.standardDecides() {
		return event.Parse(x.body)
	}
	return event.ParseStandard(x.body, x.value(signer.HeaderStandardID), x.now)
}

// noMatch says that nothing made a signature match, unless that is no surprise.
func (x *explanation) noMatch(cause bool) {
	if x.lost != "" || len(x.body) == 0 || x.truncated() || isDump(x.body) || len(x.ring.texts) == 0 {
		return // The other findings say why.
	}
	x.add(cause, Finding{
		Unmatched, true, fmt.Sprintf("A signature is none of this body, in any of %d forms, with any secret that was given.", len(x.bodies)),
		"Either the secret is another webhook's or was rotated, or the body has changed in a way that cannot be undone: compare it with the sender's delivery log.",
	})
}

func (x *explanation) eventType() Finding {
	return Finding{
		EventType, true, "X-Webhook-Event is not the type of the event in the body.",
		"The header is not signed and the body is: something on the way has changed the header, or taken it from another request.",
	}
}

// observe notes what can be seen without any secret.
func (x *explanation) observe(right bool) {
	if e, err := x.event(); err == nil {
		if names := x.find(x.opts.Wire.Event).values; len(names) > 1 || len(names) == 1 && strings.Trim(names[0], " \t") != string(e.Type) {
			x.add(false, x.eventType())
		}
	}
	if right || x.lost != "" {
		return
	}
	if len(x.body) == 0 {
		x.add(!x.report.Verified, Finding{
			BodyEmpty, true, "The body is empty.",
			"Most often something else has read it before, such as a body parser or a logger: verify first, or put the bytes back.",
		})
		return
	}
	if x.truncated() && !x.report.Has(BodyTruncated) {
		x.add(!x.report.Verified, Finding{
			BodyTruncated, true, fmt.Sprintf("The body ends early: there are %d bytes of it.", len(x.body)),
			"Look for a limit on the size of bodies, and for a connection that broke off.",
		})
	}
	if isDump(x.body) {
		x.add(!x.report.Verified, Finding{
			BodyDump, true, "The body is what a program prints of the bytes or of an object, and not the bytes.", asItArrived,
		})
	}
	if bytes.ContainsRune(x.body, utf8.RuneError) || !utf8.Valid(x.body) {
		x.add(false, Finding{
			BodyCharset, false, "The body has characters that were lost in a conversion of character sets.",
			"They cannot be brought back. " + asItArrived,
		})
	}
}

// truncated reports whether the body is shorter than its header says, or JSON that
// has no end.
func (x *explanation) truncated() bool {
	if length, err := strconv.Atoi(x.header.Get("Content-Length")); err == nil && length > len(x.body) {
		return true
	}
	var v json.RawMessage
	err := json.Unmarshal(x.body, &v)
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) && strings.Contains(syntax.Error(), "unexpected end")
}
