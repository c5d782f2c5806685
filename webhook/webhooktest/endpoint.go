package webhooktest

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// The defaults of [Options].
const (
	DefaultWait          = 10 * time.Second
	DefaultWaitInProcess = time.Hour
)

// Options are the optional settings of an [Endpoint].
type Options struct {
	// InProcess makes an endpoint without a server, which only [Endpoint.Transport]
	// reaches. Use it in a [testing/synctest] bubble. Defaults to false: an HTTPS
	// server on loopback.
	InProcess bool

	// Secret verifies the requests. Set it if it is known before the webhook is
	// registered; otherwise see [Endpoint.SetSecret]. Defaults to none.
	Secret string

	// Wire is what the sender calls its headers, and how it signs. Defaults to that of
	// Verifier, and then to X-Webhook-Signature and so on.
	Wire signer.Wire

	// Verifier has the options for verifying, such as AcceptUntimed. Defaults to
	// those of package verifier.
	Verifier *verifier.Options

	// Wait is how long [Endpoint.Next] waits. Defaults to [DefaultWait]. With
	// InProcess it defaults to [DefaultWaitInProcess], since a bubble's time costs
	// nothing.
	Wait time.Duration
}

func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Verifier != nil {
		opts.Wire = cmp.Or(opts.Wire, opts.Verifier.Wire)
	}
	opts.Wire = opts.Wire.WithDefaults()
	if opts.Wait == 0 {
		opts.Wait = DefaultWait
		if opts.InProcess {
			opts.Wait = DefaultWaitInProcess
		}
	}
	return opts
}

// Received is one request that arrived. Its header and body are the caller's.
type Received struct {
	// At is when the whole request had arrived.
	At time.Time

	// Err is nil if the request verified. Otherwise it is an error of package
	// verifier, or it says that the endpoint knew no secret.
	Err error

	// Event is the verified event, and zero if Err is not nil.
	Event event.Event

	Method string
	URL    string // with scheme and host
	Header http.Header
	Body   []byte

	// WebhookID and DeliveryID are from the headers, which are not signed, and empty if
	// the wire has none.
	WebhookID  string
	DeliveryID string

	// Attempt counts the requests of a delivery that this endpoint has seen, from 1; of an
	// event, if the wire has no delivery's id.
	// While a secret is rotated, a sender may post up to three times in what it
	// counts as one attempt.
	Attempt int

	// Status is the status of the answer, and 0 if there is no answer.
	Status int
}

// Endpoint is a receiver for tests of a sender. All its methods are safe for
// concurrent use. Those that take a test may fail it, so call them from the test's own
// goroutine.
type Endpoint struct {
	opts   Options
	url    string
	server *httptest.Server // nil if in process
	faults *handshakes
	closed chan struct{}

	mu        sync.Mutex
	verifier  *verifier.Verifier // nil while no secret is known
	script    []Answer
	otherwise Answer
	received  []Received
	attempts  map[string]int // by id of the delivery or event
	taken     int            // how many Next has returned
	arrived   chan struct{}  // closed when the next request arrives
}

// NewEndpoint starts an endpoint that ends with the test. A nil o is the default.
func NewEndpoint(tb testing.TB, o *Options) *Endpoint {
	tb.Helper()
	ep := &Endpoint{
		opts: o.withDefaults(), otherwise: Status(http.StatusOK),
		closed: make(chan struct{}), arrived: make(chan struct{}), attempts: map[string]int{},
	}
	if ep.opts.Wait < 0 {
		tb.Fatal("webhooktest: new endpoint: Wait is negative")
	}
	if err := ep.opts.Wire.Validate(); err != nil {
		tb.Fatalf("webhooktest: new endpoint: %v", err)
	}
	if ep.opts.Secret != "" {
		v, err := ep.newVerifier(ep.opts.Secret)
		if err != nil {
			tb.Fatalf("webhooktest: new endpoint: %v", err)
		}
		ep.verifier = v
	}
	if ep.opts.InProcess {
		ep.url = newHost()
	} else if err := ep.listen(); err != nil {
		tb.Fatalf("webhooktest: new endpoint: %v", err)
	}
	tb.Cleanup(func() {
		close(ep.closed)
		if ep.server != nil {
			ep.server.Close()
		}
	})
	return ep
}

// URL is what to register: an https URL of this endpoint. Any other path on its
// host reaches it too.
func (ep *Endpoint) URL() string { return ep.url }

// SetSecret verifies the requests from now on with secret: "whsec_…", as the
// registration has returned it, or a public key, "whpk_…". It panics if secret is
// neither.
func (ep *Endpoint) SetSecret(secret string) {
	v, err := ep.newVerifier(secret)
	if err != nil {
		panic("webhooktest: set secret: " + err.Error())
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.verifier = v
}

func (ep *Endpoint) newVerifier(secret string) (*verifier.Verifier, error) {
	var opts verifier.Options
	if ep.opts.Verifier != nil {
		opts = *ep.opts.Verifier
	}
	opts.Wire = ep.opts.Wire
	if strings.HasPrefix(secret, "whpk_") {
		opts.PublicKeys = append(slices.Clone(opts.PublicKeys), secret)
		secret = ""
	}
	return verifier.New(secret, &opts)
}

// Answer sets how the next requests are answered, one answer for each. They come after
// the answers of earlier calls. Answer panics if a status is not 200 to 999.
func (ep *Endpoint) Answer(answers ...Answer) {
	for _, a := range answers {
		a.check()
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.script = append(ep.script, answers...)
}

// Fail answers the next n requests with 500.
func (ep *Endpoint) Fail(n int) {
	ep.Answer(slices.Repeat([]Answer{Status(http.StatusInternalServerError)}, n)...)
}

// Otherwise sets the answer to requests that come when no answer of [Endpoint.Answer]
// and [Endpoint.Fail] is left. It is 200 at first.
func (ep *Endpoint) Otherwise(a Answer) {
	a.check()
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.otherwise = a
}

// All returns all requests so far, oldest first, also those that Next has returned.
func (ep *Endpoint) All() []Received {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	out := make([]Received, len(ep.received))
	for i, r := range ep.received {
		out[i] = r.clone()
	}
	return out
}

func (r Received) clone() Received {
	r.Header, r.Body = r.Header.Clone(), slices.Clone(r.Body)
	return r
}

var errNoSecret = errors.New("webhooktest: the endpoint knew no secret when the request came: see SetSecret")

// record records a request and returns how it is to be answered.
func (ep *Endpoint) record(method, url string, header http.Header, body []byte) Answer {
	r := Received{
		At: time.Now(), Err: errNoSecret, Method: method, URL: url, Header: header, Body: body,
		WebhookID: header.Get(ep.opts.Wire.WebhookID), DeliveryID: header.Get(ep.opts.Wire.DeliveryID),
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.verifier != nil {
		r.Event, r.Err = ep.verifier.Verify(header, body)
	}
	counted := cmp.Or(r.DeliveryID, header.Get(signer.HeaderStandardID))
	ep.attempts[counted]++
	r.Attempt = ep.attempts[counted]
	var a Answer
	switch {
	case ep.verifier != nil && r.Err != nil:
		a = refusal(r.Err)
	case len(ep.script) > 0:
		a, ep.script = ep.script[0], ep.script[1:]
	default:
		a = ep.otherwise
	}
	r.Status = a.status
	ep.received = append(ep.received, r)
	close(ep.arrived)
	ep.arrived = make(chan struct{})
	return a
}

// refusal is how verifier.Middleware answers a request that fails with err.
func refusal(err error) Answer {
	for _, signature := range []error{verifier.ErrMissingSignature, verifier.ErrMismatch, verifier.ErrStale} {
		if errors.Is(err, signature) {
			return Status(http.StatusUnauthorized).Body("invalid signature")
		}
	}
	return Status(http.StatusBadRequest).Body("invalid event")
}

// pause waits for d. It reports false if the sender gives up first, or the test is
// over.
func (ep *Endpoint) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-ep.closed:
	}
	return false
}

// hang waits until the sender gives up, or the test is over.
func (ep *Endpoint) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-ep.closed:
	}
}
