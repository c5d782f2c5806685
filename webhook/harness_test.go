package webhook_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
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

// publishFor publishes one event of a merchant other than the rig's, too.
func (r *rig) publishFor(merchantID string) webhook.Publication {
	r.t.Helper()
	p, err := r.svc.Publish(r.t.Context(), merchantID, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(r.t, err)
	return p
}

// lockedBuffer collects log lines from many goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

const victim = "merchant_43"
