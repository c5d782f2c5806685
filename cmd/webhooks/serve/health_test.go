package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// deaf is a store that does not answer in time.
type deaf struct{ store.Store }

func (deaf) Backlog(ctx context.Context) (store.Backlog, error) {
	<-ctx.Done()
	return store.Backlog{}, errors.Join(store.ErrUnavailable, ctx.Err())
}

func TestReady(t *testing.T) {
	t.Parallel()
	ask := func(h *health, path string) int {
		mux := http.NewServeMux()
		h.routes(mux)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code
	}
	of := func(st store.Store) *health {
		svc, err := webhook.NewService(st, &webhook.ServiceOptions{InsecurePlaintextSecrets: true})
		require.NoError(t, err)
		return &health{of: svc.Health, log: slog.New(slog.DiscardHandler)}
	}
	h := of(memstore.New(nil))
	require.Equal(t, http.StatusOK, ask(h, "/readyz"))
	h.draining.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, ask(h, "/readyz"))
	require.Equal(t, http.StatusOK, ask(h, "/healthz"), "it lives")
	away := of(deaf{memstore.New(nil)})
	require.Equal(t, http.StatusServiceUnavailable, ask(away, "/readyz"))
	require.Equal(t, http.StatusOK, ask(away, "/healthz"))
}

// An image without a shell asks with the program itself.
func TestCheck(t *testing.T) {
	t.Parallel()
	base, stop := start(t, "-drain-delay", "2s")
	addr := strings.TrimPrefix(base, "http://")
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	ask := func(args ...string) error {
		return Run(t.Context(), append([]string{"-check"}, args...), io.Discard, io.Discard)
	}
	require.NoError(t, ask("-addr", addr))
	require.NoError(t, ask("-addr", ":"+port), "an address to listen on is one to ask")
	require.ErrorContains(t, ask("-addr", "127.0.0.1:1"), "connection refused")

	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.ErrorContains(c, ask("-addr", addr), "not ready: stopping")
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, <-stopped)
}

// TestCheckWaitsNotForEver asks a process that accepts connections and does not answer.
func TestCheckWaitsNotForEver(t *testing.T) {
	t.Parallel()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.ErrorIs(t, check(t.Context(), ln.Addr().String()), context.DeadlineExceeded)
}
