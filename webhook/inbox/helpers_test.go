package inbox_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errToken = errors.New("another token")

// vendor is a sender whose message id and token are in headers.
type vendor struct{}

func (vendor) Verify(h http.Header, body []byte) (event.Event, error) {
	if h.Get("X-Token") != "right" {
		return event.Event{}, errToken
	}
	e, err := event.ParseStandard(body, h.Get("X-Id"), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	e.Body, e.ContentType = body, h.Get("Content-Type")
	return e, err
}

// desk is an inbox with one source, "vendor", whose handler is handle.
type desk struct {
	store   store.Store
	in      *inbox.Inbox
	handler *receiver.Receiver
	log     *harness.LockedBuffer
	handle  receiver.HandlerFunc
	token   string

	mu  sync.Mutex
	ran []string // ids of the events for which the handler was called
}

// newDesk returns a desk in the bubble of a test.
func newDesk(tb testing.TB, st store.Store, o *inbox.Options) *desk {
	tb.Helper()
	if st == nil {
		st = memstore.New(nil)
	}
	d := &desk{store: st, token: "right", log: &harness.LockedBuffer{}, handle: func(context.Context, event.Event) error { return nil }}
	var opts inbox.Options
	if o != nil {
		opts = *o
	}
	opts.Receiver.Logger = slog.New(slog.NewTextHandler(d.log, nil))
	mux := receiver.NewMux()
	mux.Handle("*", func(ctx context.Context, e event.Event) error {
		d.mu.Lock()
		d.ran = append(d.ran, e.ID)
		d.mu.Unlock()
		return d.handle(ctx, e)
	})
	var err error
	d.in, err = inbox.New(st, mux, &opts)
	require.NoError(tb, err)
	d.handler, err = d.in.Handler("vendor", vendor{}, nil)
	require.NoError(tb, err)
	return d
}

// post sends an event and returns the answer.
func (d *desk) post(tb testing.TB, id, body string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Token", d.token)
	r.Header.Set("X-Id", id)
	r.Header.Set("Cookie", "session")
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w
}

// run has events handled until the func that it returns is called.
func (d *desk) run(tb testing.TB) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- d.in.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(tb, <-done)
	}
}

// handled returns the ids for which the handler was called until all goroutines wait.
func (d *desk) handled() []string {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ran
}
