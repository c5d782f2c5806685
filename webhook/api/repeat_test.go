package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
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
	"github.com/rag-assistant/webhooks/webhook/api"
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
			require.True(t, after > before || strings.HasSuffix(c.path, "/replay"), "a replay makes its deliveries later")
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
					if strings.Contains(w.Body.String(), "idempotency_in_progress") && w.Header().Get("Retry-After") != "" {
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
		seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
		require.NoError(t, err)
		require.InDelta(t, 40, seconds, 2, "what is left of the holder's lease")
	}
}

// dies is a store whose process dies once, with what is on the way to it.
type dies struct {
	store.Store

	dead atomic.Bool
}

func (d *dies) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	if d.dead.Load() && strings.HasPrefix(scope, "once|") {
		return store.ErrUnavailable
	}
	return d.Store.CommitSeen(ctx, scope, id, holder, value, ttl)
}

// Whoever sends a request again whose process died gets it completed, and nothing is
// made a second time.
func TestACrashBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	now := noon()
	d := &dies{Store: memstore.New(&memstore.Options{Now: func() time.Time { return now }})}
	s := newSite(t, d, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	delivery := s.published(harness.Merchant).Deliveries[0].ID
	s.settle(store.Result{Outcome: store.Failed})
	for _, c := range []struct {
		path, body string
		made       float64 // deliveries
	}{
		{hooks, goodBody, 0},
		{one + "/test", "", 1},
		{one + "/replay", `{"status":"failed"}`, 0},
		{one + "/deliveries/" + delivery + "/redeliver", "", 1},
		{one + "/secret/rotate", `{"graceSeconds":60}`, 0},
		{"/api/merchants/" + harness.Merchant + "/events", `{"type":"document.created","data":{}}`, 1},
	} {
		before := s.total(one)
		send := func() answered { return s.do(http.MethodPost, c.path, c.body, "Idempotency-Key", c.path) }
		d.dead.Store(true)
		first := send()
		require.Equal(t, 2, first.status/100, "%s: %s", c.path, first.body)
		require.Equal(t, before+c.made, s.total(one), c.path)
		d.dead.Store(false)
		busy := send().is(http.StatusConflict)
		require.Equal(t, "idempotency_in_progress", busy.refusal().Code)
		seconds, err := strconv.Atoi(busy.header.Get("Retry-After"))
		require.NoError(t, err)
		require.LessOrEqual(t, seconds, 45)
		now = now.Add(time.Duration(seconds) * time.Second)

		again := send().is(first.status)
		require.False(t, again.replayed(), "nobody has had an answer")
		require.Equal(t, before+c.made, s.total(one), "%s made nothing twice", c.path)
		old, fresh := first.object(), again.object()
		if _, shown := old["secret"]; shown {
			require.Equal(t, old["webhookId"], fresh["webhookId"])
			require.NotEmpty(t, fresh["secret"], c.path)
			require.NotEqual(t, old["secret"], fresh["secret"])
			require.NotContains(t, fresh, "previousSecretUntil", "without a grace")
		}
		if id, ok := old["id"]; ok {
			require.Equal(t, id, fresh["id"])
		}
		require.True(t, send().is(first.status).replayed())
		require.Equal(t, before+c.made, s.total(one))
	}
	page, err := s.svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
	require.NoError(t, err)
	require.Equal(t, 2, page.Total)
}

// hangUp cancels the request when its effect is there.
type hangUp struct {
	store.Store

	cancel context.CancelFunc
	calls  atomic.Int64
}

func (h *hangUp) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	h.calls.Add(1)
	ids, err := h.Store.Enqueue(ctx, merchantID, webhookID, eventIDs, nonce, maxPending)
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
	s.settle(store.Result{Outcome: store.Failed}) // What is pending makes no new delivery.
	ctx, cancel := context.WithCancel(t.Context())
	st.cancel = cancel
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, nil)
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	r.Header.Set("Idempotency-Key", "k1")
	s.serve(r)
	require.True(t, s.do(http.MethodPost, path, "", "Idempotency-Key", "k1").is(http.StatusAccepted).replayed())
	require.EqualValues(t, 1, st.calls.Load())
}

// What is kept is small, and an answer is built anew of what is there.
func TestRepeatedAnswersAreBuiltAnew(t *testing.T) {
	t.Parallel()
	kept := &keeps{Store: memstore.New(nil)}
	s := newSite(t, kept, nil)
	var metadata []string
	for i := range 20 {
		metadata = append(metadata, fmt.Sprintf(`"k%d":"%s"`, i, strings.Repeat("<", 512)))
	}
	body := strings.Replace(goodBody, "{", `{"metadata":{`+strings.Join(metadata, ",")+`},"description":"before",`, 1)
	create := func() answered { return s.do(http.MethodPost, hooks, body, "Idempotency-Key", "k1") }
	first := create().is(http.StatusCreated).object()
	one := hooks + "/" + first["webhookId"].(string) //nolint:forcetypeassert // the contract says so
	test := func() answered { return s.do(http.MethodPost, one+"/test", "", "Idempotency-Key", "k2") }
	made := test().is(http.StatusAccepted).object()
	s.settle(store.Result{Outcome: store.Succeeded})
	replay := func() answered { return s.do(http.MethodPost, one+"/replay", "", "Idempotency-Key", "k3") }
	begun := replay().is(http.StatusAccepted).object()
	require.Less(t, kept.longest, 256, "of 4 KiB")

	w := s.do(http.MethodPut, one, `{"description":"after"}`).is(http.StatusOK)
	again := create().is(http.StatusCreated)
	require.True(t, again.replayed())
	require.Equal(t, "after", again.object()["description"])
	require.Equal(t, first["metadata"], again.object()["metadata"])
	require.Equal(t, w.header.Get("ETag"), again.header.Get("ETag"))
	require.NotContains(t, again.object(), "secret")
	again = test().is(http.StatusAccepted)
	require.Equal(t, made["id"], again.object()["id"])
	require.Equal(t, "success", again.object()["status"])

	again = replay().is(http.StatusAccepted)
	require.True(t, again.replayed())
	require.Equal(t, begun, again.object())
	stop := func() answered {
		return s.do(http.MethodPost, fmt.Sprint(one, "/replays/", begun["id"], "/stop"), "", "Idempotency-Key", "k6")
	}
	require.Equal(t, "stopped", stop().is(http.StatusOK).object()["status"])

	delivery := s.published(harness.Merchant).Deliveries[0].ID
	resend := func() answered {
		return s.do(http.MethodPost, one+"/deliveries/"+delivery+"/redeliver", "", "Idempotency-Key", "k4")
	}
	resend().is(http.StatusAccepted)
	rotate := func() answered { return s.do(http.MethodPost, one+"/secret/rotate", "", "Idempotency-Key", "k5") }
	rotate().is(http.StatusOK)
	s.do(http.MethodDelete, one, "").is(http.StatusOK)
	for _, send := range []func() answered{create, test, replay, stop, resend, rotate} {
		again := send().is(http.StatusGone)
		require.True(t, again.replayed())
		require.Equal(t, "gone", again.refusal().Code)
	}
}

// keeps is a store that looks at what is committed.
type keeps struct {
	store.Store

	longest int
}

func (k *keeps) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	k.longest = max(k.longest, len(value))
	return k.Store.CommitSeen(ctx, scope, id, holder, value, ttl)
}

// One merchant's keys are bounded, and nobody else's suffer.
func TestTooManyKeys(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), &webhook.ServiceOptions{Limits: webhook.Limits{Keys: 3}})
	require.NoError(t, err)
	h, err := api.New(svc, bearer, nil)
	require.NoError(t, err)
	s := &site{t: t, svc: svc, mux: http.NewServeMux()}
	s.mux.Handle("/api/", h)
	send := func(merchant, key string) answered {
		return s.do(http.MethodPost, "/api/merchants/"+merchant+"/webhooks", goodBody, "Authorization", "Bearer "+merchant, "Idempotency-Key", key)
	}
	for i := range 3 {
		send("one", fmt.Sprint(i)).is(http.StatusCreated)
	}
	for range 2 {
		require.InDelta(t, 86_400, send("one", "more").waits(), 10)
	}
	require.True(t, send("one", "0").is(http.StatusCreated).replayed(), "a repeat is no new key")
	send("two", "more").is(http.StatusCreated)
	page, err := svc.Webhooks(t.Context(), "one", webhook.WebhookQuery{})
	require.NoError(t, err)
	require.Equal(t, 3, page.Total)
}

// loses is a store that loses an answer, or a call.
type loses struct {
	store.Store

	answer, call bool
}

func (l *loses) lost(do func() (store.Webhook, error)) (store.Webhook, error) {
	if l.call {
		l.call = false
		return store.Webhook{}, store.ErrUnavailable
	}
	w, err := do()
	if l.answer {
		l.answer = false
		return store.Webhook{}, store.ErrUnavailable
	}
	return w, err
}

func (l *loses) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	return l.lost(func() (store.Webhook, error) { return l.Store.CreateWebhook(ctx, merchantID, w, 1) })
}

func (l *loses) UpdateWebhook(ctx context.Context, merchantID, id string, u store.WebhookUpdate) (store.Webhook, error) {
	return l.lost(func() (store.Webhook, error) { return l.Store.UpdateWebhook(ctx, merchantID, id, u) })
}

// A request whose answer the store has lost is found again, at the limit of webhooks
// too; one that has never arrived is served as it was asked.
func TestALostAnswerOfTheStore(t *testing.T) {
	t.Parallel()
	st := &loses{Store: memstore.New(nil), answer: true}
	s := newSite(t, st, nil)
	create := func() answered { return s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k1") }
	create().is(http.StatusServiceUnavailable)
	made := create().is(http.StatusCreated).object()
	require.NotEmpty(t, made["secret"])
	page, err := s.svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
	require.NoError(t, err)
	require.Equal(t, 1, page.Total)

	one := hooks + "/" + page.Webhooks[0].ID
	rotate := func(key string) answered {
		return s.do(http.MethodPost, one+"/secret/rotate", `{"graceSeconds":60}`, "Idempotency-Key", key)
	}
	st.call = true
	rotate("k2").is(http.StatusServiceUnavailable)
	require.Contains(t, rotate("k2").is(http.StatusOK).object(), "previousSecretUntil", "with its grace")
	require.Equal(t, "conflict", rotate("k3").is(http.StatusConflict).refusal().Code, "another request still has to wait")
	s.do(http.MethodPost, one+"/secret/rotate", `{"graceSeconds":0}`).is(http.StatusOK)
	st.answer = true
	rotate("k4").is(http.StatusServiceUnavailable)
	a := rotate("k4").is(http.StatusOK).object()
	require.NotEmpty(t, a["secret"])
	require.NotContains(t, a, "previousSecretUntil", "nobody has seen the one before")
}
