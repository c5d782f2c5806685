package webhook_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const merchant = "merchant_42"

// rig is a service, a dispatcher and an endpoint in one bubble of fake time.
type rig struct {
	t        *testing.T
	store    store.Store
	svc      *webhook.Service
	disp     *webhook.Dispatcher
	endpoint *endpoint
	began    time.Time
	stop     context.CancelFunc
	stopped  chan error
}

// newRig starts a dispatcher with the given options over st, which may be nil.
func newRig(t *testing.T, st store.Store, o *webhook.DispatcherOptions) *rig {
	t.Helper()
	r := &rig{t: t, store: st, endpoint: &endpoint{}, began: time.Now(), stopped: make(chan error, 1)}
	if r.store == nil {
		r.store = memstore.New(nil)
	}
	var opts webhook.DispatcherOptions
	if o != nil {
		opts = *o
	}
	if opts.Transport == nil {
		opts.Transport = r.endpoint
	}
	var err error
	r.svc, err = webhook.NewService(r.store, nil)
	require.NoError(t, err)
	r.disp, err = webhook.NewDispatcher(r.store, &opts)
	require.NoError(t, err)
	var ctx context.Context
	ctx, r.stop = context.WithCancel(t.Context())
	go func() { r.stopped <- r.disp.Run(ctx) }()
	synctest.Wait()
	return r
}

// close stops the dispatcher and requires an orderly end.
func (r *rig) close() {
	r.t.Helper()
	r.stop()
	require.NoError(r.t, <-r.stopped)
}

// another starts one more dispatcher on the store and the endpoint, and returns what
// stops it. If nobody does, it ends with the test.
func (r *rig) another(o webhook.DispatcherOptions) (stop func()) {
	r.t.Helper()
	o.Transport = r.endpoint
	d, err := webhook.NewDispatcher(r.store, &o)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	synctest.Wait()
	return func() {
		r.t.Helper()
		cancel()
		require.NoError(r.t, <-stopped)
	}
}

func (r *rig) register(types ...event.Type) webhook.Registered {
	r.t.Helper()
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	reg, err := r.svc.Register(r.t.Context(), merchant, webhook.Registration{
		URL: "https://example.com/hook", Events: names,
	})
	require.NoError(r.t, err)
	return reg
}

func (r *rig) publish() webhook.Publication {
	r.t.Helper()
	p, err := r.svc.Publish(r.t.Context(), merchant,
		event.New(event.DocumentCreated{DocumentID: "doc_1", Type: "product", Title: "Café <b>"}))
	require.NoError(r.t, err)
	return p
}

func (r *rig) delivery(webhookID, deliveryID string) webhook.DeliveryDetail {
	r.t.Helper()
	d, err := r.svc.Delivery(r.t.Context(), merchant, webhookID, deliveryID)
	require.NoError(r.t, err)
	return d
}

func (r *rig) webhook(webhookID string) webhook.Webhook {
	r.t.Helper()
	w, err := r.svc.Webhook(r.t.Context(), merchant, webhookID)
	require.NoError(r.t, err)
	return w
}

// endpoint is a receiver in this process. Its zero value answers 200.
type endpoint struct {
	mu     sync.Mutex
	calls  []call
	answer func(c call) (answer, error)
}

type call struct {
	at     time.Time
	header http.Header // canonical names, as after the wire
	url    string
	body   string
	ctx    context.Context //nolint:containedctx // a hanging answer waits for it
}

func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	c := call{at: time.Now(), header: http.Header{}, url: req.URL.String(), body: string(body), ctx: req.Context()}
	for k, v := range req.Header {
		for _, s := range v {
			c.header.Add(k, s)
		}
	}
	e.mu.Lock()
	e.calls = append(e.calls, c)
	f := e.answer
	e.mu.Unlock()
	a := reply(http.StatusOK, "OK")
	if f != nil {
		if a, err = f(c); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

func (e *endpoint) set(f func(c call) (answer, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = f
}

func (e *endpoint) seen() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]call(nil), e.calls...)
}

func (e *endpoint) count() int { return len(e.seen()) }

type answer struct {
	status int
	body   string
	header http.Header
}

func reply(status int, body string, header ...string) answer {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return answer{status: status, body: body, header: h}
}

func always(status int, header ...string) func(call) (answer, error) {
	return func(call) (answer, error) { return reply(status, http.StatusText(status), header...), nil }
}

// hang answers only when the sender gives up.
func hang(c call) (answer, error) {
	<-c.ctx.Done()
	return answer{}, c.ctx.Err()
}

// knows answers as a receiver of the guide that holds one secret.
func knows(t *testing.T, secret signer.Secret) func(call) (answer, error) {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	return func(c call) (answer, error) {
		if c.header.Get(signer.HeaderSignature) != string(s.AppendSignature(nil, []byte(c.body))) {
			return reply(http.StatusUnauthorized, "Invalid signature"), nil
		}
		return reply(http.StatusOK, "OK"), nil
	}
}

// verify requires that both signatures are right, each on its own.
func verify(t *testing.T, secret signer.Secret, c call, o *verifier.Options) event.Event {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	require.True(t, s.Verify([]byte(c.body), c.header.Get(signer.HeaderSignature)), "the guide's header")
	require.True(t, s.VerifyStandard(c.header.Get(signer.HeaderStandardID), c.at, []byte(c.body),
		c.header.Get(signer.HeaderStandardSignature)), "the Standard Webhooks header")
	v, err := verifier.New(secret.Reveal(), o)
	require.NoError(t, err)
	e, err := v.Verify(c.header, []byte(c.body))
	require.NoError(t, err)
	return e
}

// seconds is a time since the rig began, for exact comparison.
func (r *rig) since(at time.Time) time.Duration { return at.Sub(r.began) }

// pass lets fake time pass, and whatever is due by then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// receive takes a value from a channel and gives up after a minute. It is for
// tests without fake time.
func receive[T any](tb testing.TB, from <-chan T) T {
	tb.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	select {
	case v := <-from:
		return v
	case <-patience.C:
		require.FailNow(tb, "nothing came for a minute")
		panic("not reached")
	}
}
