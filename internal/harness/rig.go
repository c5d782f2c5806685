package harness

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

// Merchant is whose webhooks most tests are about, and Victim another.
const (
	Merchant = "merchant_42"
	Victim   = "merchant_43"
)

// Rig is a service, a dispatcher and an endpoint in one bubble of fake time.
type Rig struct {
	T        *testing.T
	Store    store.Store
	Svc      *webhook.Service
	Disp     *webhook.Dispatcher
	Endpoint *Endpoint
	Began    time.Time
	Stop     context.CancelFunc
	Stopped  chan error
}

// NewRig starts a dispatcher with the given options over st, which may be nil. The service
// has the same wire.
func NewRig(t *testing.T, st store.Store, o *webhook.DispatcherOptions) *Rig {
	t.Helper()
	r := &Rig{T: t, Store: st, Endpoint: &Endpoint{}, Began: time.Now(), Stopped: make(chan error, 1)}
	if r.Store == nil {
		r.Store = memstore.New(nil)
	}
	var opts webhook.DispatcherOptions
	if o != nil {
		opts = *o
	}
	if opts.Transport == nil {
		opts.Transport = r.Endpoint
	}
	var err error
	r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{Wire: opts.Wire})
	require.NoError(t, err)
	r.Disp, err = webhook.NewDispatcher(r.Store, &opts)
	require.NoError(t, err)
	var ctx context.Context
	ctx, r.Stop = context.WithCancel(t.Context())
	go func() { r.Stopped <- r.Disp.Run(ctx) }()
	synctest.Wait()
	return r
}

// Close stops the dispatcher and requires an orderly end.
func (r *Rig) Close() {
	r.T.Helper()
	r.Stop()
	require.NoError(r.T, <-r.Stopped)
}

// Another starts one more dispatcher on the store and the endpoint, and returns what
// stops it. If nobody does, it ends with the test.
func (r *Rig) Another(o webhook.DispatcherOptions) (stop func()) {
	r.T.Helper()
	o.Transport = r.Endpoint
	d, err := webhook.NewDispatcher(r.Store, &o)
	require.NoError(r.T, err)
	ctx, cancel := context.WithCancel(r.T.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	synctest.Wait()
	return func() {
		r.T.Helper()
		cancel()
		require.NoError(r.T, <-stopped)
	}
}

// Register registers a webhook for these event types.
func (r *Rig) Register(types ...event.Type) webhook.Registered {
	r.T.Helper()
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	reg, err := r.Svc.Register(r.T.Context(), Merchant, webhook.Registration{
		URL: "https://example.com/hook", Events: names,
	})
	require.NoError(r.T, err)
	return reg
}

// Publish publishes a document.created.
func (r *Rig) Publish() webhook.Publication {
	r.T.Helper()
	p, err := r.Svc.Publish(r.T.Context(), Merchant,
		event.New(event.DocumentCreated{DocumentID: "doc_1", Type: "product", Title: "Café <b>"}))
	require.NoError(r.T, err)
	return p
}

// Delivery reads one from the log.
func (r *Rig) Delivery(webhookID, deliveryID string) webhook.DeliveryDetail {
	r.T.Helper()
	d, err := r.Svc.Delivery(r.T.Context(), Merchant, webhookID, deliveryID)
	require.NoError(r.T, err)
	return d
}

// Webhook reads one.
func (r *Rig) Webhook(webhookID string) webhook.Webhook {
	r.T.Helper()
	w, err := r.Svc.Webhook(r.T.Context(), Merchant, webhookID)
	require.NoError(r.T, err)
	return w
}

// Since is how long after the rig's beginning a moment is, for exact comparison.
func (r *Rig) Since(at time.Time) time.Duration { return at.Sub(r.Began) }

// Pass lets fake time pass, and whatever is due by then happen.
func Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Receive takes a value from a channel and gives up after a minute. It is for
// tests without fake time.
func Receive[T any](tb testing.TB, from <-chan T) T {
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

// PublishFor publishes one event of a merchant other than the rig's, too.
func (r *Rig) PublishFor(merchantID string) webhook.Publication {
	r.T.Helper()
	p, err := r.Svc.Publish(r.T.Context(), merchantID, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(r.T, err)
	return p
}

// LockedBuffer collects log lines from many goroutines.
type LockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

// Write adds to the buffer.
func (b *LockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String is all that was written.
func (b *LockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
