package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

func TestNewListsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := api.New(nil, nil, &api.Options{TestWait: -1, Prefix: "api"})
	for _, part := range []string{"service is nil", "authenticate is nil", "TestWait", "prefix"} {
		require.ErrorContains(t, err, part)
	}
	svc, _ := harness.NewService(t, nil)
	for _, prefix := range []string{"api/", "//", "/a//b", "/a?b", "/a#b"} {
		_, err = api.New(svc, bearer, &api.Options{Prefix: prefix})
		require.Error(t, err, prefix)
	}
	_, err = api.New(svc, bearer, nil)
	require.NoError(t, err)
}

func TestMounting(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	const path = "/merchants/" + harness.Merchant + "/webhooks"
	for name, c := range map[string]struct {
		prefix string
		mount  func(http.Handler) http.Handler
		url    string
		want   int
	}{
		"root":                  {url: path, want: 200},
		"any prefix":            {url: "/v1/hooks" + path, want: 200},
		"merchant's name":       {url: "/merchants/merchants/webhooks", want: 403},
		"StripPrefix":           {mount: stripped("/v1"), url: "/v1" + path, want: 200},
		"StripPrefix and slash": {mount: stripped("/v1/"), url: "/v1" + path, want: 200},
		"Prefix":                {prefix: "/v1/hooks", url: "/v1/hooks" + path, want: 200},
		"Prefix and slash":      {prefix: "/v1/hooks/", url: "/v1/hooks" + path, want: 200},
		"Prefix of none":        {prefix: "/", url: path, want: 200},
		"Prefix of merchants":   {prefix: "/merchants/v1", url: "/merchants/v1" + path, want: 200},
		"another Prefix":        {prefix: "/v1", url: "/v2" + path, want: 404},
		"longer Prefix":         {prefix: "/v1", url: "/v1/x" + path, want: 404},
		"none but any":          {prefix: "/", url: "/v1" + path, want: 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler, err := api.New(svc, bearer, &api.Options{Prefix: c.prefix})
			require.NoError(t, err)
			var h http.Handler = handler
			if c.mount != nil {
				h = c.mount(h)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.url, nil)
			r.Header.Set("Authorization", "Bearer "+harness.Merchant)
			serve(t, h, r).is(c.want)
		})
	}
}

func stripped(prefix string) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler { return http.StripPrefix(prefix, h) }
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	id := s.hook(harness.Merchant)
	h, err := api.New(s.svc, bearer, nil)
	require.NoError(t, err)
	for path, want := range map[string]int{
		hooks:                            200,
		hooks + "/":                      200,
		hooks + "/event-types":           200,
		hooks + "/" + id:                 200,
		hooks + "/" + id + "/deliveries": 200,
		hooks + "/whk%5F" + id[4:]:       200,
		"/api/%6Derchants/" + harness.Merchant + "/webhooks": 404,
		"/api/merchants/merchant%5F42/%77ebhooks":            200,
		"/api/merchants/merchant%255F42/webhooks":            403,

		hooks + "//":      404,
		hooks + "//" + id: 404,
		"/api//merchants/" + harness.Merchant + "/webhooks": 404,
		"/api/merchants//webhooks":                          404,
		"/api/merchants/" + harness.Merchant:                404,
		"/api/merchants/" + harness.Merchant + "/":          404,
		"/api/merchants/":                                   404,
		"/api/merchants":                                    404,
		"/api/":                                             404,
		"/":                                                 404,
		hooks + "/" + id + "/":                              404,
		hooks + "/event-types/":                             404,
		hooks + "/" + id + "/deliveries/":                   404,
		hooks + "/" + id + "/deliveries/x/":                 404,
		hooks + "/" + id + "/deliveries/x/y":                404,
		hooks + "/" + id + "/secret":                        404,
		hooks + "/" + id + "/deliveries/x/redeliver/y":      404,
		hooks + "%2F" + id:                                  404,
		hooks + "/" + id + "%2Fdeliveries":                  404,
		hooks + "/x%2F..%2F" + id:                           404,
		hooks + "/.":                                        404,
		hooks + "/..":                                       404,
		hooks + "/%2e%2e":                                   404,
		hooks + "/" + id + ";x=1":                           404,
		hooks + "/" + id + "%00":                            404,
		hooks + "/" + id + "%20":                            404,
		hooks + "/{webhookId}":                              404,
		"/api/Merchants/" + harness.Merchant + "/webhooks":  404,
		"/api/merchants/" + harness.Merchant + "/Webhooks":  404,
		"/api/merchants/" + harness.Merchant + "/events":    200, // whether or not publishing is on
		"/api/merchants/" + harness.Merchant + "/events/":   404,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+harness.Merchant)
		a := serve(t, h, r)
		require.Equal(t, want, a.status, "%s: %s", path, a.body)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	const one = "/webhooks/{webhookId}"
	for path, allow := range map[string]string{
		"/webhooks":                     "GET, HEAD, OPTIONS, POST",
		"/webhooks/":                    "GET, HEAD, OPTIONS, POST",
		"/webhooks/event-types":         "GET, HEAD, OPTIONS",
		one:                             "DELETE, GET, HEAD, OPTIONS, PUT",
		one + "/test":                   "OPTIONS, POST",
		one + "/replay":                 "OPTIONS, POST",
		one + "/replays":                "GET, HEAD, OPTIONS",
		one + "/replays/x":              "GET, HEAD, OPTIONS",
		one + "/replays/x/stop":         "OPTIONS, POST",
		one + "/secret/rotate":          "OPTIONS, POST",
		one + "/deliveries":             "GET, HEAD, OPTIONS",
		one + "/deliveries/x":           "GET, HEAD, OPTIONS",
		one + "/deliveries/x/redeliver": "OPTIONS, POST",
		one + "/cancel":                 "OPTIONS, POST",
		one + "/deliveries/x/cancel":    "OPTIONS, POST",
		one + "/changes":                "GET, HEAD, OPTIONS",
		"/events":                       "GET, HEAD, OPTIONS, POST",
		"/events/x":                     "GET, HEAD, OPTIONS",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "OPTIONS", "get"} {
			path := operation{path: path}.at(harness.Merchant, "whk_1", "whdel_1")
			a := s.do(method, path, "", "Authorization", "")
			switch {
			case method == "OPTIONS":
				a.is(http.StatusNoContent)
				require.Equal(t, allow, a.header.Get("Allow"))
			case strings.Contains(allow, method):
				a.is(http.StatusUnauthorized)
			default:
				a.is(http.StatusMethodNotAllowed)
				require.Equal(t, allow, a.header.Get("Allow"), path)
				if method != "HEAD" {
					require.Equal(t, "method_not_allowed", a.refusal().Code)
				}
			}
		}
	}
	for _, path := range []string{"/nothing", "/webhooks/a%2Fb", "/webhooks/a/deliveries/"} {
		s.do(http.MethodOptions, "/api/merchants/x"+path, "").is(http.StatusNotFound)
	}
}

func TestHeadIsGetWithoutItsBody(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	for _, path := range []string{hooks, hooks + "/" + s.hook(harness.Merchant), hooks + "/whk_unknown"} {
		get, head := s.do(http.MethodGet, path, ""), s.do(http.MethodHead, path, "")
		require.Equal(t, get.status, head.status)
		require.Equal(t, get.header, head.header)
		require.NotEmpty(t, head.header.Get("Content-Length"))
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	put := func(tag string) answered { return s.do(http.MethodPut, one, `{"status":"active"}`, "If-Match", tag) }
	for _, tag := range []string{`"2"`, `W/"1"`, `1`, `"01"`, `""`, `"x"`, `"2", "3"`, `garbage`, `"`} {
		require.Equal(t, "precondition_failed", put(tag).is(http.StatusPreconditionFailed).refusal().Code, tag)
		s.do(http.MethodDelete, one, "", "If-Match", tag).is(http.StatusPreconditionFailed)
	}
	require.Equal(t, `"2"`, put(`"1"`).is(http.StatusOK).header.Get("ETag"))
	put(`"1"`).is(http.StatusPreconditionFailed)
	put(`"1", "2"`).is(http.StatusOK)
	put(`*`).is(http.StatusOK)
	s.do(http.MethodDelete, one, "", "If-Match", `"4"`).is(http.StatusOK)
	put(`"4"`).is(http.StatusNotFound)
	put(`*`).is(http.StatusNotFound)
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	for _, good := range []string{"abcdefgh", "A-_b0123", strings.Repeat("a", 64)} {
		require.Equal(t, good, s.do(http.MethodGet, hooks, "", "X-Request-ID", good).header.Get("X-Request-ID"))
	}
	for _, bad := range []string{"", "short", strings.Repeat("a", 65), "with space", "<script>", "abcdefgh\x7f", "äöüäöüäöü", "a.b.c.d.e"} {
		require.Regexp(t, `^req_[0-9a-f]{32}$`, s.do(http.MethodGet, hooks, "", "X-Request-ID", bad).header.Get("X-Request-ID"), bad)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, hooks, nil)
	r.Header["X-Request-Id"] = []string{"abcdefgh", "abcdefgi"}
	require.Regexp(t, `^req_[0-9a-f]{32}$`, s.serve(r).header.Get("X-Request-ID"))
}

func TestLimitOfWebhooks(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	for range 50 {
		s.do(http.MethodPost, hooks, goodBody).is(http.StatusCreated)
	}
	require.Equal(t, "limit_reached", s.do(http.MethodPost, hooks, goodBody).is(http.StatusConflict).refusal().Code)
}

// broken fails, or panics, whenever a webhook is read.
type broken struct {
	webhook.ServiceStore
	fault any
}

func (b broken) Webhook(context.Context, string, string) (store.Webhook, error) {
	if err, ok := b.fault.(error); ok && !errors.Is(err, http.ErrAbortHandler) {
		return store.Webhook{}, err
	}
	panic(b.fault)
}

func TestFaultsOfOurs(t *testing.T) {
	t.Parallel()
	const inside = "redis://10.0.0.7:6379 said no"
	for name, c := range map[string]struct {
		fault  any
		status int
		code   string
		logged string
	}{
		"error":    {errors.New(inside), 500, "internal", inside},
		"damaged":  {store.ErrDamaged, 500, "damaged", "record is damaged"},
		"stale":    {store.ErrStale, 500, "internal", "no longer held"},
		"network":  {&net.OpError{Op: "dial", Err: errors.New(inside)}, 503, "unavailable", inside},
		"deadline": {context.DeadlineExceeded, 503, "unavailable", "deadline"},
		"panic":    {inside, 500, "internal", "api_test.go"}, // of the stack
		"nil map":  {map[string]int(nil), 500, "internal", "stack"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, broken{memstore.New(nil), c.fault}, nil)
			a := s.do(http.MethodGet, hooks+"/whk_1", "").is(c.status)
			require.Equal(t, c.code, a.refusal().Code)
			require.NotContains(t, a.body, "10.0.0.7")
			require.NotContains(t, a.body, "goroutine")
			require.Contains(t, s.log.String(), c.logged)
			require.Contains(t, s.log.String(), requestID)
		})
	}
	s := newSite(t, broken{memstore.New(nil), http.ErrAbortHandler}, nil)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { s.do(http.MethodGet, hooks+"/whk_1", "") })
}

func TestPanicInAuthenticate(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	h, err := api.New(svc, func(*http.Request) (webhook.Principal, error) { panic("no") }, nil)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, hooks, nil)
	serve(t, h, r).is(http.StatusInternalServerError)
}

func TestGoneCallersAreNoErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, broken{memstore.New(nil), context.Canceled}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, hooks+"/whk_1", nil)
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	s.serve(r).is(http.StatusServiceUnavailable)
	require.NotContains(t, s.log.String(), "ERROR")
}

func TestServerRoundTrip(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	srv := httptest.NewServer(s.mux)
	defer srv.Close()
	client := srv.Client()
	client.Timeout = 10 * time.Second
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+hooks, strings.NewReader(goodBody))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	var v struct{ Success bool }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&v))
	require.True(t, v.Success)
}

func BenchmarkDeliveries(b *testing.B) {
	st := thousand{sampled: sampled{memstore.New(nil)}}
	page, err := st.sampled.Deliveries(b.Context(), harness.Merchant, "whk_1", store.DeliveryQuery{})
	require.NoError(b, err)
	page.Deliveries = slices.Repeat(page.Deliveries, 500)
	st.page = page
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{InsecurePlaintextSecrets: true})
	require.NoError(b, err)
	h, err := api.New(svc, bearer, nil)
	require.NoError(b, err)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, hooks+"/whk_1/deliveries?limit=1000", nil)
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		b.SetBytes(int64(w.Body.Len()))
	}
}

// thousand has a full page.
type thousand struct {
	sampled

	page store.DeliveryPage
}

func (s thousand) Deliveries(context.Context, string, string, store.DeliveryQuery) (store.DeliveryPage, error) {
	return s.page, nil
}
