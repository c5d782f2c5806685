package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/signer"
)

// TestFleet is what compose.yaml describes: two API and two dispatch processes on
// one Redis, behind a proxy. All of them work, and any of them may stop. So it is on one
// PostgreSQL.
func TestFleet(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(t *testing.T) string{
		"Redis":      func(t *testing.T) string { t.Helper(); return "redis://" + redistest.Start(t, "appendonly yes").Addr },
		"PostgreSQL": database,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testFleet(t, append(lasting(), "-migrate", "-store", store(t)))
		})
	}
}

func testFleet(t *testing.T, flags []string) {
	t.Helper()
	process := func(role string) (string, func() error) {
		return start(t, append([]string{"-role", role}, flags...)...)
	}
	api1, stopAPI := process("api")
	api2, _ := process("api")
	dispatch, stopDispatch := process("dispatch")
	_, _ = process("dispatch")

	status, _ := call(t, http.MethodGet, api1+"/api/merchants/m/webhooks", token(t, secret, "m", time.Hour), "")
	require.Equal(t, http.StatusOK, status)
	resp, err := http.Get(dispatch + "/api/merchants/m/webhooks")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "a process that dispatches has no API")

	var turn, only atomic.Int64
	backends := []*url.URL{parsed(t, api1), parsed(t, api2)}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(backends[max(turn.Add(1)%2, only.Load())])
	}})
	defer proxy.Close()
	got := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get(signer.HeaderStandardID)
	}))
	defer receiver.Close()

	bearer := token(t, secret, "m", time.Hour)
	status, out := call(t, http.MethodPost, proxy.URL+"/api/merchants/m/webhooks", bearer,
		`{"url":"`+receiver.URL+`","events":["document.created"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	publish := func(from, to int) {
		t.Helper()
		want := map[string]bool{}
		for i := from; i < to; i++ {
			id := fmt.Sprintf("evt_%d", i)
			want[id] = true
			status, out := call(t, http.MethodPost, proxy.URL+"/api/merchants/m/events", bearer,
				`{"type":"document.created","id":"`+id+`","data":{}}`)
			require.Equal(t, http.StatusAccepted, status, out)
		}
		for len(want) > 0 {
			id := <-got
			require.True(t, want[id], "%s arrives once", id)
			delete(want, id)
		}
	}
	publish(0, 30)
	only.Store(1) // The first one ends, so a proxy uses the second.
	require.NoError(t, stopAPI())
	require.NoError(t, stopDispatch())
	publish(30, 60)
}

func parsed(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}
