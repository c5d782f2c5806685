package verifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// Middleware returns the middleware of a new [Verifier]. Where [New] fails, it
// panics, as regexp.MustCompile does, so that a receiver does not start without its
// secret.
func Middleware(secret string, opts *Options) func(http.Handler) http.Handler {
	v, err := New(secret, opts)
	if err != nil {
		panic(err)
	}
	return v.Middleware
}

// Checker is anything that verifies requests, such as a [Verifier], or a scheme of
// another sender's. It must be safe for concurrent use.
type Checker interface {
	// Verify returns the event that header and body carry. Its error is answered with
	// 401, or with 400 if it wraps [event.ErrMalformed] or [ErrEventType].
	Verify(header http.Header, body []byte) (event.Event, error)
}

// Challenger is what a [Checker] is, too, if its sender first asks whether the receiver
// knows the secret. It is asked before Verify, and must itself verify what it answers.
type Challenger interface {
	// Challenge returns the answer to a request that asks, and false for any other. It is
	// sent with 200, as application/json if it begins with "{", and else as text/plain.
	Challenge(header http.Header, body []byte) (answer []byte, ok bool)
}

// What a [Checker] may be, too.
type (
	// keyChecker can tell which of several secrets matched.
	keyChecker interface {
		VerifyKey(header http.Header, body []byte) (e event.Event, key int, err error)
	}
	// contentTyper knows what its sender sends.
	contentTyper interface {
		ContentTypes() []string
	}
	// bodyLimiter knows how large they are.
	bodyLimiter interface {
		MaxBody() int64
	}
)

// MiddlewareFor returns the middleware that [Verifier.Middleware] is, for any way to
// verify. Of opts, the limits, ContentTypes and OnReject count. If ContentTypes is empty
// and c has a method ContentTypes() []string, those are let in; if MaxBody is 0 and it has
// a method MaxBody() int64 that returns more than 0, that is the limit. If c is a [Challenger],
// that is asked first. It fails if c is nil or an option is out of range.
func MiddlewareFor(c Checker, opts *Options) (func(http.Handler) http.Handler, error) {
	var given Options
	if opts != nil {
		given = *opts
	}
	if t, ok := c.(contentTyper); ok && len(given.ContentTypes) == 0 {
		given.ContentTypes = t.ContentTypes()
	}
	if l, ok := c.(bodyLimiter); ok && given.MaxBody == 0 {
		given.MaxBody = l.MaxBody() // Of 0 the default remains.
	}
	if c == nil {
		return middlewareOf(nil, &given)
	}
	return middlewareOf(func(*http.Request) (string, Checker, error) { return "", c, nil }, &given)
}

// Middleware returns a handler that calls next for requests that carry a verified
// event. next finds the event with [FromContext], all of the request with
// [MessageFromContext], and the body as it arrived in r.Body and r.GetBody. It never sees
// the other requests, which are answered with {"error":"…"}:
//
//	405  the method is not POST
//	415  Content-Type is not one of [Options.ContentTypes] in UTF-8, or there is a Content-Encoding
//	413  the body is longer than [Options.MaxBody]; if Content-Length says so, it is not read
//	408  the body takes longer than [Options.BodyTimeout]
//	400  the body ends early
//	500  another middleware has read the body before
//	503  Options.Secrets has failed
//	401  Check fails, whatever the reason
//	400  Check passes, but the body is no event, or of another type than X-Webhook-Event, or too old
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, refusal := v.receive(w, r)
		if refusal == nil {
			var c Checker
			if m.Tenant, c, refusal = v.checkerOf(r, m.Body); refusal == nil {
				if asked, ok := c.(Challenger); ok {
					if text, ok := asked.Challenge(m.Header, m.Body); ok {
						answerChallenge(w, text)
						return
					}
				}
				refusal = v.judge(c, &m, r.ContentLength)
			}
		}
		if refusal != nil {
			v.reject(r, m.Body, refusal)
			refusal.answer(w)
			return
		}
		body := m.Body
		verified := r.WithContext(WithMessage(r.Context(), m))
		verified.ContentLength, verified.TransferEncoding = int64(len(body)), nil
		verified.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		verified.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, verified)
	})
}

// FromContext returns the event that a [Verifier.Middleware] put into the context
// of a request.
func FromContext(ctx context.Context) (event.Event, bool) {
	m, ok := MessageFromContext(ctx)
	return m.Event, ok
}

// Message is a verified request as it arrived. Header and Body must not be changed.
type Message struct {
	Event  event.Event
	Header http.Header
	Body   []byte

	// Key tells which key matched: 0 is the secret, then come the other secrets, or
	// those of [Options.Secrets], and then the public keys. With [MiddlewareFor] it is
	// what the Checker's VerifyKey says, a Verify that returns the key, too, or else 0.
	Key int

	// Tenant is the one whose Checker verified the request, with [MiddlewareForEach].
	Tenant string
}

// MessageFromContext returns the message that a [Verifier.Middleware] put into the
// context of a request.
func MessageFromContext(ctx context.Context) (Message, bool) {
	if m, ok := ctx.Value(contextKey{}).(*Message); ok {
		return *m, true
	}
	return Message{}, false
}

// WithMessage returns a context in which [FromContext] and [MessageFromContext] find m.
// It is for what processes a message later than it arrived.
func WithMessage(ctx context.Context, m Message) context.Context {
	return context.WithValue(ctx, contextKey{}, &m)
}

type contextKey struct{}

// refusal is an answer to a request that next does not see.
type refusal struct {
	status int
	public string // for the sender
	reason error  // for the operator
}

// reject tells OnReject, with what was read of the body. If that panics, the sender still gets its answer, and the
// panic goes where net/http writes those of handlers.
func (v *Verifier) reject(r *http.Request, body []byte, f *refusal) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		printf := log.Printf
		if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ErrorLog != nil {
			printf = server.ErrorLog.Printf
		}
		printf("verifier: OnReject panicked: %v\n%s", p, debug.Stack())
	}()
	shown := r.WithContext(r.Context())
	shown.Body = io.NopCloser(bytes.NewReader(body))
	v.opts.OnReject(shown, f.status, f.reason)
}

func (f *refusal) answer(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if f.status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	w.WriteHeader(f.status)
	//nolint:gosec // G705: nothing of the request is in it, each text is a constant of this file or a media type, which has no quotes.
	_, _ = io.WriteString(w, `{"error":"`+f.public+`"}`)
}

// answerChallenge answers a sender that asks whether the receiver knows the secret.
func answerChallenge(w http.ResponseWriter, text []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if bytes.HasPrefix(text, []byte("{")) {
		h.Set("Content-Type", "application/json")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) //nolint:gosec // G705: it is no HTML, and the Challenger has verified it.
}

// receive reads a request. Of one that is refused, the message has what was
// read of the body.
func (v *Verifier) receive(w http.ResponseWriter, r *http.Request) (Message, *refusal) {
	// The deadline comes first: net/http may read the rest of a body that is refused.
	v.limitTime(w, r)
	if f := v.checkRequest(r); f != nil {
		return Message{}, f
	}
	body, f := v.readBody(w, r)
	return Message{Header: r.Header, Body: body}, f
}

// judge verifies a message that arrived whole. length is what its header says of it.
func (v *Verifier) judge(c Checker, m *Message, length int64) *refusal {
	var err error
	signed := true
	if c != nil {
		if k, ok := c.(keyChecker); ok {
			m.Event, m.Key, err = k.VerifyKey(m.Header, m.Body)
		} else {
			m.Event, err = c.Verify(m.Header, m.Body)
		}
		signed = errors.Is(err, event.ErrMalformed) || errors.Is(err, ErrEventType)
	} else if m.Key, err = v.check(m.Header, m.Body); err != nil {
		signed = false
	} else {
		m.Event, err = v.read(m.Header, m.Body)
	}
	switch {
	case err == nil:
		return nil
	case signed:
		return &refusal{http.StatusBadRequest, "invalid event", err}
	case errors.Is(err, ErrSecrets):
		return &refusal{http.StatusServiceUnavailable, "unavailable", err}
	case errors.Is(err, ErrMismatch) && len(m.Body) == 0 && length < 0 && m.Tenant == "": // It would tell which there are.
		return readBefore("the body was read before, or is empty")
	default:
		return &refusal{http.StatusUnauthorized, "invalid signature", err}
	}
}

// checkRequest judges what is known before the body is read. With the first read,
// net/http would ask a client for the body ("Expect: 100-continue").
func (v *Verifier) checkRequest(r *http.Request) *refusal {
	switch {
	case r.Method != http.MethodPost:
		return &refusal{http.StatusMethodNotAllowed, "method not allowed", errors.New("verifier: method is not POST")}
	case !v.contentTypeOK(r.Header["Content-Type"]):
		wanted := strings.Join(v.opts.ContentTypes, " or ")
		return &refusal{
			http.StatusUnsupportedMediaType, "unsupported media type: send " + wanted + " in UTF-8",
			errors.New("verifier: Content-Type is not " + wanted + " in UTF-8"),
		}
	case !contentEncodingOK(r.Header["Content-Encoding"]):
		return &refusal{http.StatusUnsupportedMediaType, "unsupported content encoding", errors.New("verifier: unsupported Content-Encoding")}
	case r.ContentLength > v.opts.MaxBody:
		return tooLarge(v.opts.MaxBody)
	}
	return nil
}

func (v *Verifier) contentTypeOK(values []string) bool {
	if len(values) != 1 {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(values[0])
	charset, given := params["charset"]
	return err == nil && slices.Contains(v.opts.ContentTypes, mediaType) &&
		(!given || strings.EqualFold(charset, "utf-8"))
}

func contentEncodingOK(values []string) bool {
	for _, value := range values {
		if value = trim(value); value != "" && !strings.EqualFold(value, "identity") {
			return false
		}
	}
	return true
}

// limitTime sets the deadline for reading the body, unless the server's own is
// sooner. The handler is not limited: net/http's server lifts the deadline when it
// has read the whole body.
func (v *Verifier) limitTime(w http.ResponseWriter, r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if ok && server.ReadTimeout > 0 && server.ReadTimeout <= v.opts.BodyTimeout {
		return
	}
	// This fails if w cannot set deadlines: see Options.BodyTimeout.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(v.opts.BodyTimeout))
}

// firstRead bounds the memory that is set aside because a Content-Length says so.
const firstRead = 64 << 10

func (v *Verifier) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if r.Body == nil { // Only in requests that no server has read.
		return nil, nil
	}
	var buf bytes.Buffer
	buf.Grow(int(min(max(r.ContentLength, 0), firstRead)) + bytes.MinRead)
	n, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, v.opts.MaxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return buf.Bytes(), tooLarge(over.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return buf.Bytes(), &refusal{http.StatusRequestTimeout, "body timed out", fmt.Errorf("verifier: body timed out: %w", err)}
	case errors.Is(err, http.ErrBodyReadAfterClose), err == nil && n < r.ContentLength:
		return buf.Bytes(), readBefore("the body is not as it arrived")
	case err != nil:
		return buf.Bytes(), &refusal{http.StatusBadRequest, "incomplete body", fmt.Errorf("verifier: incomplete body: %w", err)}
	}
	return buf.Bytes(), nil
}

func readBefore(what string) *refusal {
	return &refusal{
		http.StatusInternalServerError, "the receiver has read the body before its verifier",
		errors.New("verifier: " + what + ": verify before any middleware that reads or changes it"),
	}
}

func tooLarge(limit int64) *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, "body too large", fmt.Errorf("verifier: body over %d bytes", limit)}
}
