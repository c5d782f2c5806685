package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// replayed reports whether an answer is that of an earlier request.
func (a answered) replayed() bool { return a.header.Get("Idempotency-Replayed") == "true" }

func TestRepeatedRegistration(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s := newSite(t, st, nil)
		create := func(body string, header ...string) answered {
			return s.do(http.MethodPost, hooks, body, append([]string{"Idempotency-Key", "k1"}, header...)...)
		}
		a := create(goodBody).is(http.StatusCreated)
		require.False(t, a.replayed())
		first := a.object()
		require.Contains(t, first, "secret")

		b := create(goodBody, "X-Request-ID", "req_another").is(http.StatusCreated)
		require.True(t, b.replayed())
		require.Equal(t, "req_another", b.header.Get("X-Request-ID"))
		require.Equal(t, a.header.Get("ETag"), b.header.Get("ETag"))
		again := b.object()
		require.NotContains(t, again, "secret")
		require.Contains(t, again["warning"], "rotate")
		for _, shared := range []string{"webhookId", "url", "events"} {
			require.Equal(t, first[shared], again[shared])
		}
		require.NotContains(t, b.body, first["secret"])

		other := strings.Replace(goodBody, "hook", "other", 1)
		require.Equal(t, "idempotency_conflict", create(other).is(http.StatusConflict).refusal().Code)
		page, err := s.svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
		require.NoError(t, err)
		require.Equal(t, 1, page.Total)

		// A key is its merchant's, and stands for one request.
		c := s.do(http.MethodPost, "/api/merchants/other/webhooks", goodBody, "Authorization", "Bearer other", "Idempotency-Key", "k1")
		require.False(t, c.is(http.StatusCreated).replayed())
		one := hooks + "/" + s.hook(harness.Merchant)
		rotate := s.do(http.MethodPost, one+"/secret/rotate", "", "Idempotency-Key", "k1")
		require.Equal(t, "idempotency_conflict", rotate.is(http.StatusConflict).refusal().Code)
	})
}

func TestRepeatedRequestsOfEveryKind(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	delivery := s.published(harness.Merchant).Deliveries[0].ID
	s.settle(store.Result{Outcome: store.Failed})
	for _, c := range []struct{ path, body string }{
		{one + "/test", ""},
		{one + "/replay", `{"status":"failed"}`},
		{one + "/deliveries/" + delivery + "/redeliver", ""},
		{one + "/secret/rotate", `{"graceSeconds":60}`},
		{"/api/merchants/" + harness.Merchant + "/events", `{"type":"document.created","data":{}}`},
	} {
		before := s.total(one)
		a := s.do(http.MethodPost, c.path, c.body, "Idempotency-Key", c.path)
		require.Equal(t, 2, a.status/100, a.body)
		after := s.total(one)
		b := s.do(http.MethodPost, c.path, c.body, "Idempotency-Key", c.path).is(a.status)
		require.True(t, b.replayed(), c.path)
		require.Equal(t, after, s.total(one), "%s is served once", c.path)
		require.NotContains(t, b.body, "whsec_")
		if !strings.HasSuffix(c.path, "rotate") {
			require.Equal(t, a.object(), b.object())
			require.Greater(t, after, before)
		}
	}
	// What may be repeated anyway takes no notice of a key.
	for range 2 {
		s.do(http.MethodPut, one, `{"status":"active"}`, "Idempotency-Key", "put").is(http.StatusOK)
		require.False(t, s.do(http.MethodGet, one, "", "Idempotency-Key", "put").is(http.StatusOK).replayed())
	}
}

// total is the number of deliveries in a webhook's log.
func (s *site) total(one string) float64 {
	s.t.Helper()
	pagination, ok := s.do(http.MethodGet, one+"/deliveries", "").is(http.StatusOK).object()["pagination"].(map[string]any)
	require.True(s.t, ok)
	n, ok := pagination["total"].(float64)
	require.True(s.t, ok)
	return n
}

func TestRepeatedAtTheSameTime(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s := newSite(t, st, nil)
		var created, replayed, busy atomic.Int64
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hooks, strings.NewReader(goodBody))
				r.Header.Set("Authorization", "Bearer "+harness.Merchant)
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Idempotency-Key", "k1")
				w := httptest.NewRecorder()
				s.mux.ServeHTTP(w, r)
				switch {
				case w.Code == http.StatusConflict:
					if strings.Contains(w.Body.String(), "idempotency_in_progress") && w.Header().Get("Retry-After") == "1" {
						busy.Add(1)
					}
				case w.Header().Get("Idempotency-Replayed") == "true":
					replayed.Add(1)
				case w.Code == http.StatusCreated:
					created.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, created.Load())
		require.EqualValues(t, 49, replayed.Load()+busy.Load())
		page, err := s.svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
		require.NoError(t, err)
		require.Equal(t, 1, page.Total)
	})
}

// failsOnce fails the first registration, in the way of fault.
type failsOnce struct {
	store.Store

	fault  func()
	failed atomic.Bool
}

func (f *failsOnce) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	if f.failed.CompareAndSwap(false, true) {
		f.fault()
		return store.Webhook{}, errors.New("no")
	}
	return f.Store.CreateWebhook(ctx, merchantID, w, limit)
}

func TestOnlySuccessIsRepeated(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(){"error": func() {}, "panic": func() { panic("no") }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, &failsOnce{Store: memstore.New(nil), fault: fault}, nil)
			create := func() answered { return s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k1") }
			require.False(t, create().is(http.StatusInternalServerError).replayed())
			require.False(t, create().is(http.StatusCreated).replayed())
			require.True(t, create().is(http.StatusCreated).replayed())
		})
	}
	s := newSite(t, nil, nil)
	for range 2 {
		a := s.do(http.MethodPost, hooks, `{"url":"https://example.com/","events":[]}`, "Idempotency-Key", "k1")
		require.Equal(t, []string{"events"}, a.faults())
		require.False(t, a.replayed())
	}
	require.False(t, s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k1").is(http.StatusCreated).replayed())
}

func TestRepeatedWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	now := noon()
	s := newSite(t, memstore.New(&memstore.Options{Now: func() time.Time { return now }}), nil)
	create := func() answered {
		return s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k1").is(http.StatusCreated)
	}
	create()
	now = now.Add(24*time.Hour - time.Second)
	require.True(t, create().replayed())
	now = now.Add(time.Second)
	require.False(t, create().replayed())
}

func TestBadIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	send := func(keys ...string) answered {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hooks, strings.NewReader(goodBody))
		r.Header.Set("Authorization", "Bearer "+harness.Merchant)
		r.Header.Set("Content-Type", "application/json")
		r.Header["Idempotency-Key"] = keys
		return s.serve(r)
	}
	for _, keys := range [][]string{{""}, {" "}, {"a", "b"}, {"a", "a"}, {strings.Repeat("a", 256)}, {"é"}, {"a\x00b"}, {"a\tb"}, {"a b"}} {
		require.Equal(t, []string{"Idempotency-Key"}, send(keys...).faults(), "%q", keys)
	}
	for _, key := range []string{"a", `"8e03978e-40d5-43e8-bc93-6894a57f9324"`, strings.Repeat("a", 255)} {
		send(key).is(http.StatusCreated)
	}
	// What a body must be holds before the key is looked at.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hooks, strings.NewReader(goodBody))
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	r.Header.Set("Idempotency-Key", "k1")
	s.serve(r).is(http.StatusUnsupportedMediaType)
	s.do(http.MethodPost, hooks, `{"url":"`+strings.Repeat("a", 64<<10)+`"}`, "Idempotency-Key", "k1").is(http.StatusRequestEntityTooLarge)
}

// Every POST refuses a key of another request, and one whose request is in work.
func TestKeysInUse(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, allRoutes(t))
	one := s.hook(harness.Merchant)
	s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "used").is(http.StatusCreated)
	begun, end := make(chan struct{}), make(chan struct{})
	var work sync.WaitGroup
	defer work.Wait()
	defer close(end)
	work.Go(func() {
		_, _, _ = s.svc.Once(t.Context(), harness.Merchant, "api|in-work", nil, func(context.Context) (string, error) {
			close(begun)
			<-end
			return "", nil
		})
	})
	<-begun
	for _, o := range s.operations() {
		if o.method != http.MethodPost {
			continue
		}
		at := o.at(harness.Merchant, one, "whdel_1")
		body := o.body
		if strings.HasPrefix(o.path, "/webhooks") && !strings.Contains(o.path, "{") {
			body = strings.Replace(goodBody, "hook", "other", 1)
		}
		require.Equal(t, "idempotency_conflict", s.do(o.method, at, body, "Idempotency-Key", "used").is(http.StatusConflict).refusal().Code)
		a := s.do(o.method, at, body, "Idempotency-Key", "in-work").is(http.StatusConflict)
		require.Equal(t, "idempotency_in_progress", a.refusal().Code)
		require.Equal(t, "1", a.header.Get("Retry-After"))
	}
}

// hangUp cancels the request when its effect is there.
type hangUp struct {
	store.Store

	cancel context.CancelFunc
	calls  atomic.Int64
}

func (h *hangUp) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string) ([]store.Enqueued, error) {
	h.calls.Add(1)
	ids, err := h.Store.Enqueue(ctx, merchantID, webhookID, eventIDs, nonce)
	h.cancel()
	return ids, err
}

func (h *hangUp) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return store.Delivery{}, err
	}
	return h.Store.Delivery(ctx, merchantID, webhookID, deliveryID)
}

func TestCallerHangsUpInTheMiddle(t *testing.T) {
	t.Parallel()
	st := &hangUp{Store: memstore.New(nil)}
	s := newSite(t, st, nil)
	id := s.hook(harness.Merchant)
	path := hooks + "/" + id + "/deliveries/" + s.published(harness.Merchant).Deliveries[0].ID + "/redeliver"
	ctx, cancel := context.WithCancel(t.Context())
	st.cancel = cancel
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, nil)
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	r.Header.Set("Idempotency-Key", "k1")
	s.serve(r)
	require.True(t, s.do(http.MethodPost, path, "", "Idempotency-Key", "k1").is(http.StatusAccepted).replayed())
	require.EqualValues(t, 1, st.calls.Load())
}
