package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// world is a service behind one router, and a receiver behind the same one.
type world struct {
	base     string // of the public address, with the prefix and no slash
	svc      *webhook.Service
	verifier atomic.Pointer[verifier.Verifier]
	received chan event.Event
}

func TestRouters(t *testing.T) {
	t.Parallel()
	for name, with := range routers() {
		for _, place := range []struct {
			name, prefix string
			proxied      bool
		}{
			{name: "at the root"},
			{name: "below a prefix", prefix: "/v1/hooks"},
			{name: "behind a proxy", proxied: true},
			{name: "behind a proxy, below a prefix", prefix: "/v1", proxied: true},
		} {
			t.Run(name+"/"+place.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, with, place.prefix, place.proxied)
				w.deliver(t)
				w.refuse(t)
				w.echo(t)
				w.panics(t)
				w.remember(t)
			})
		}
	}
}

// newWorld serves with a router and delivers.
func newWorld(t *testing.T, with mount, prefix string, proxied bool) *world {
	t.Helper()
	w := &world{received: make(chan event.Event, 8)}
	st := memstore.New(nil)
	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	var err error
	w.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Egress: out})
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Egress: out})
	require.NoError(t, err)
	h, err := api.New(w.svc, func(r *http.Request) (webhook.Principal, error) {
		if r.Header.Get("Authorization") == "Bearer panic" {
			panic("as told")
		}
		return authenticate(r)
	}, &api.Options{Prefix: prefix + "/api"})
	require.NoError(t, err)

	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := with(prefix, h, http.HandlerFunc(w.hooks))
	if std, ok := srv.(*http.Server); ok {
		std.ErrorLog = log.New(io.Discard, "", 0)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	ctx, cancel := context.WithCancel(t.Context())
	delivered := make(chan error, 1)
	go func() { delivered <- disp.Run(ctx) }()
	w.base = "http://" + ln.Addr().String() + prefix
	if proxied {
		w.base = proxy(t, ln.Addr().String()) + prefix
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-delivered)
		stopping, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, srv.Shutdown(stopping))
		if err := <-served; err != nil {
			require.ErrorIs(t, err, http.ErrServerClosed)
		}
	})
	return w
}

// proxy takes a prefix of its own off and passes the rest on.
func proxy(t *testing.T, addr string) string {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: addr}
	p := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		ErrorLog: log.New(io.Discard, "", 0),
	}
	front := httptest.NewServer(http.StripPrefix("/shop", p))
	t.Cleanup(front.Close)
	return front.URL + "/shop"
}

// hooks is the receiver. Its secret comes once the webhook is registered.
func (w *world) hooks(rw http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Test") == "panic" {
		panic("as told")
	}
	w.verifier.Load().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		e, _ := verifier.FromContext(r.Context())
		w.received <- e
	})).ServeHTTP(rw, r)
}

type envelope struct {
	status int
	header http.Header

	Success   bool
	Data      json.RawMessage
	Error     struct{ Code string }
	Timestamp time.Time
	RequestID string `json:"requestId"`
}

// call makes a request with a path behind /api and requires an envelope.
func (w *world) call(t *testing.T, method, path, token, body string, header ...string) envelope {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.base+"/api"+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var out envelope
	require.NoError(t, json.Unmarshal(raw, &out), "%s %s: %d %.300s", method, path, resp.StatusCode, raw)
	require.Equal(t, "application/json", strings.Split(resp.Header.Get("Content-Type"), ";")[0])
	require.Equal(t, out.RequestID, resp.Header.Get("X-Request-ID"))
	require.Equal(t, resp.StatusCode < 300, out.Success)
	require.False(t, out.Timestamp.IsZero())
	out.status, out.header = resp.StatusCode, resp.Header
	return out
}

const hooksOf42 = "/merchants/merchant_42/webhooks"

// deliver registers an endpoint, publishes, and finds what arrived in the log.
func (w *world) deliver(t *testing.T) {
	t.Helper()
	out := w.call(t, http.MethodPost, hooksOf42, "demo-merchant_42", `{"url":"`+w.base+`/webhooks","events":["document.created"]}`)
	require.Equal(t, http.StatusCreated, out.status, out.Error)
	var hook struct{ WebhookID, Secret string }
	require.NoError(t, json.Unmarshal(out.Data, &hook))
	v, err := verifier.New(hook.Secret, nil)
	require.NoError(t, err)
	w.verifier.Store(v)

	p, err := w.svc.Publish(t.Context(), "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "Café <b> & \u2028"}))
	require.NoError(t, err)
	require.Equal(t, p.EventID, w.receive(t).ID)
	out = w.call(t, http.MethodPost, hooksOf42+"/"+hook.WebhookID+"/test?wait=true", "demo-merchant_42", "")
	require.Equal(t, http.StatusOK, out.status)
	require.Equal(t, event.TypeWebhookTest, w.receive(t).Type)

	out = w.call(t, http.MethodGet, hooksOf42+"/"+hook.WebhookID+"/deliveries?limit=10", "demo-merchant_42", "")
	var list struct{ Deliveries []struct{ Status string } }
	require.NoError(t, json.Unmarshal(out.Data, &list))
	require.Len(t, list.Deliveries, 2)

	forged, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/webhooks", strings.NewReader(`{}`))
	require.NoError(t, err)
	forged.Header.Set("Content-Type", "application/json")
	require.Equal(t, http.StatusUnauthorized, status(t, forged))
}

func (w *world) receive(t *testing.T) event.Event {
	t.Helper()
	select {
	case e := <-w.received:
		return e
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing came for a minute")
		panic("not reached")
	}
}

func status(t *testing.T, r *http.Request) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// refuse requires the API's own answers where a router has some, too.
func (w *world) refuse(t *testing.T) {
	t.Helper()
	long := `{"url":"` + strings.Repeat("x", 100<<10) + `"}`
	for _, tt := range []struct {
		name, method, path, token, body string
		status                          int
		code                            string
	}{
		{"unknown path", http.MethodGet, hooksOf42 + "/whk_1/nowhere", "demo-merchant_42", "", 404, "no_such_path"},
		{"unknown path, no merchant", http.MethodGet, "/nowhere", "demo-merchant_42", "", 404, "no_such_path"},
		{"unknown id", http.MethodGet, hooksOf42 + "/whk_1", "demo-merchant_42", "", 404, "not_found"},
		{"slash in an id", http.MethodGet, hooksOf42 + "/a%2Fb", "demo-merchant_42", "", 404, "no_such_path"},
		{"slash at the end", http.MethodGet, hooksOf42 + "/whk_1/", "demo-merchant_42", "", 404, "no_such_path"},
		{"method of others", http.MethodPatch, hooksOf42, "demo-merchant_42", "{}", 405, "method_not_allowed"},
		{"no token", http.MethodGet, hooksOf42, "", "", 401, "unauthorized"},
		{"another's token", http.MethodGet, hooksOf42, "demo-merchant_43", "", 403, "forbidden"},
		{"long body", http.MethodPost, hooksOf42, "demo-merchant_42", long, 413, "payload_too_large"},
	} {
		out := w.call(t, tt.method, tt.path, tt.token, tt.body)
		require.Equal(t, tt.status, out.status, tt.name)
		require.Equal(t, tt.code, out.Error.Code, tt.name)
		require.Equal(t, tt.status == 405, out.header.Get("Allow") != "", tt.name)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, w.base+"/api"+hooksOf42, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, status(t, r))
	r.Method = http.MethodHead
	r.Header.Set("Authorization", "Bearer demo-merchant_42")
	require.Equal(t, http.StatusOK, status(t, r))
}

// echo requires the caller's request id, if it is well formed, and slashes at the
// end of a list's path.
func (w *world) echo(t *testing.T) {
	t.Helper()
	for given, back := range map[string]bool{"req-from-outside-1": true, "short": false, "bad id with spaces": false} {
		out := w.call(t, http.MethodGet, hooksOf42+"/", "demo-merchant_42", "", "X-Request-ID", given)
		require.Equal(t, back, out.RequestID == given, given)
		require.NotEmpty(t, out.RequestID)
	}
}

// panics requires that a panic costs its own request only.
func (w *world) panics(t *testing.T) {
	t.Helper()
	out := w.call(t, http.MethodGet, hooksOf42, "panic", "")
	require.Equal(t, http.StatusInternalServerError, out.status)
	require.Equal(t, "internal", out.Error.Code)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/webhooks", bytes.NewReader(nil))
	require.NoError(t, err)
	r.Header.Set("X-Test", "panic")
	if resp, err := http.DefaultClient.Do(r); err == nil { // net/http ends the connection instead.
		require.GreaterOrEqual(t, resp.StatusCode, 500)
		require.NoError(t, resp.Body.Close())
	}
	out = w.call(t, http.MethodGet, hooksOf42, "demo-merchant_42", "")
	require.Equal(t, http.StatusOK, out.status)
}

// remember requires that what the store keeps of a request stays as it was.
func (w *world) remember(t *testing.T) {
	t.Helper()
	for i := range 30 {
		merchant := fmt.Sprintf("merchant_%02d", i)
		out := w.call(t, http.MethodPost, "/merchants/"+merchant+"/webhooks", "demo-"+merchant,
			`{"url":"`+w.base+`/webhooks","events":["document.created"]}`)
		require.Equal(t, http.StatusCreated, out.status, out.Error)
	}
	for i := range 30 {
		page, err := w.svc.Webhooks(t.Context(), fmt.Sprintf("merchant_%02d", i), webhook.WebhookQuery{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Webhooks, 1, "merchant_%02d", i)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name := range routers() {
		require.NoError(t, run(ctx, []string{"-router", name, "-addr", "127.0.0.1:0"}), name)
	}
	require.ErrorContains(t, run(ctx, []string{"-router", "martini"}), "is none of chi, echo, fiber, gin, net/http")
}
