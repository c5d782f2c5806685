package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

// deaf is a store that answers nobody in time.
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
	h := &health{store: memstore.New(nil)}
	require.Equal(t, http.StatusOK, ask(h, "/readyz"))
	h.draining.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, ask(h, "/readyz"))
	require.Equal(t, http.StatusOK, ask(h, "/healthz"), "it lives")
	away := &health{store: deaf{memstore.New(nil)}}
	require.Equal(t, http.StatusServiceUnavailable, ask(away, "/readyz"))
	require.Equal(t, http.StatusOK, ask(away, "/healthz"))
}
