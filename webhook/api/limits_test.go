package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

// waits requires that an answer asks to wait, and returns for how long.
func (a answered) waits() int {
	a.t.Helper()
	require.Equal(a.t, "rate_limited", a.is(http.StatusTooManyRequests).refusal().Code)
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(a.t, err)
	return seconds
}

func TestFiveTestsAMinute(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s, other := newSite(t, st, nil), newSite(t, st, nil)
		one := hooks + "/" + s.hook(harness.Merchant)
		for i := range 5 {
			at := []*site{s, other}[i%2] // The limit holds over all processes.
			at.do(http.MethodPost, one+"/test", "").is(http.StatusAccepted)
		}
		for range 2 {
			seconds := other.do(http.MethodPost, one+"/test", "").waits()
			require.LessOrEqual(t, seconds, 60)
			require.Positive(t, seconds)
		}
		require.EqualValues(t, 5, s.total(one))
		// Neither another webhook at this host nor a new one begins anew.
		s.do(http.MethodPost, hooks+"/"+s.hook(harness.Merchant)+"/test", "").waits()
		s.do(http.MethodDelete, one, "").is(http.StatusOK)
		s.do(http.MethodPost, s.hookAt("https://example.com:8443/other")+"/test", "").waits()
		s.do(http.MethodPost, s.hookAt("https://example.org/hook")+"/test", "").is(http.StatusAccepted)
		for range 10 {
			s.do(http.MethodPost, hooks+"/whk_unknown/test", "").is(http.StatusNotFound)
		}
	})
}

// hookAt registers a webhook with this URL and returns its path.
func (s *site) hookAt(url string) string {
	s.t.Helper()
	in := harness.Registration()
	in.URL = url
	reg, err := s.svc.Register(s.t.Context(), harness.Merchant, in)
	require.NoError(s.t, err)
	return hooks + "/" + reg.Webhook.ID
}

// A merchant with many host names gets so many tests, and so many redeliveries.
func TestAMerchantsTestsAMinute(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, &api.Options{TestsPerMinute: 20})
	for i := range 4 {
		one := s.hookAt(fmt.Sprintf("https://%d.example.com/", i))
		for range 20 {
			a := s.do(http.MethodPost, one+"/test", "")
			if i == 3 {
				a.waits()
				continue
			}
			a.is(http.StatusAccepted)
		}
	}
}

func TestThirtyRedeliveriesAMinute(t *testing.T) {
	t.Parallel()
	now := noon()
	s := newSite(t, memstore.New(&memstore.Options{Now: func() time.Time { return now }}), nil)
	one, other := s.hookAt("https://example.com/one"), s.hookAt("https://example.com/other")
	p := s.published(harness.Merchant)
	again := func(hook, key string) answered {
		i := slices.IndexFunc(p.Deliveries, func(d webhook.PublishedDelivery) bool { return hook == hooks+"/"+d.WebhookID })
		return s.do(http.MethodPost, hook+"/deliveries/"+p.Deliveries[i].ID+"/redeliver", "", "Idempotency-Key", key)
	}
	for i := range 15 {
		again(one, fmt.Sprint("one", i)).is(http.StatusAccepted)
		again(other, fmt.Sprint("other", i)).is(http.StatusAccepted)
	}
	again(one, "more").waits()
	again(other, "more2").waits()
	require.True(t, again(one, "one3").is(http.StatusAccepted).replayed(), "what is answered again sends nothing")
	now = now.Add(time.Minute)
	require.False(t, again(one, "more").is(http.StatusAccepted).replayed())
}

func TestTestsOfAnyMinute(t *testing.T) {
	t.Parallel()
	now := noon()
	st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
	s := newSite(t, st, &api.Options{TestsPerMinute: 2})
	one := hooks + "/" + s.hook(harness.Merchant)
	test := func() answered { return s.do(http.MethodPost, one+"/test", "") }
	test().is(http.StatusAccepted)
	now = now.Add(40 * time.Second)
	test().is(http.StatusAccepted)
	test().waits()
	now = now.Add(20 * time.Second) // The first one is a minute old.
	test().is(http.StatusAccepted)
	test().waits()
	now = now.Add(39 * time.Second)
	test().waits()
	now = now.Add(time.Second)
	test().is(http.StatusAccepted)
}

func TestRateLimitHook(t *testing.T) {
	t.Parallel()
	var asked []webhook.RateLimitRequest
	var wait time.Duration
	var fault error
	s := newSite(t, nil, &api.Options{RateLimit: func(_ context.Context, r webhook.RateLimitRequest) (time.Duration, error) {
		asked = append(asked, r)
		return wait, fault
	}})
	id := s.hook(harness.Merchant)
	s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k1").is(http.StatusCreated)
	s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k1").is(http.StatusCreated)
	s.do(http.MethodHead, hooks+"/"+id, "").is(http.StatusOK)
	s.do(http.MethodGet, "/api/merchants/other/webhooks", "").is(http.StatusForbidden)
	who := webhook.Principal{MerchantID: harness.Merchant}
	require.Equal(t, []webhook.RateLimitRequest{
		{Principal: who, MerchantID: harness.Merchant, Route: "POST webhooks"},
		{Principal: who, MerchantID: harness.Merchant, Route: "POST webhooks"}, // The repeat, too.
		{Principal: who, MerchantID: harness.Merchant, WebhookID: id, Route: "HEAD webhooks/{webhookId}"},
	}, asked)

	wait = 1200 * time.Millisecond
	require.Equal(t, 2, s.do(http.MethodGet, hooks, "").waits())
	require.Equal(t, 2, s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k2").waits())
	require.Equal(t, 2, s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k1").waits())
	s.do(http.MethodPost, hooks, strings.Repeat(" ", 1<<20), "Idempotency-Key", "k1").waits() // Before the body.
	wait = 0
	require.False(t, s.do(http.MethodPost, hooks, goodBody, "Idempotency-Key", "k2").is(http.StatusCreated).replayed(), "a refusal is not kept")
	fault = errors.New("a word from inside")
	require.NotContains(t, s.do(http.MethodGet, hooks, "").is(http.StatusInternalServerError).body, "inside")
	fault = webhook.ErrUnavailable
	s.do(http.MethodGet, hooks, "").is(http.StatusServiceUnavailable)
}

// Clients that ask and do not read are bounded, for each merchant by himself.
func TestReadersAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	id := s.hook(harness.Merchant)
	other := s.request(http.MethodGet, "/api/merchants/"+harness.Victim+"/webhooks", "")
	other.Header.Set("Authorization", "Bearer "+harness.Victim)
	harness.RequireReaders(t, s.api, func() *http.Request { return s.request(http.MethodGet, hooks, "") },
		other, s.request(http.MethodPost, hooks+"/"+id+"/test", ""))
}

func TestRetryAfterOfTests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil, &api.Options{TestsPerMinute: 2})
		one := hooks + "/" + s.hook(harness.Merchant)
		for range 2 {
			s.do(http.MethodPost, one+"/test", "").is(http.StatusAccepted)
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, 40, s.do(http.MethodPost, one+"/test", "").waits())
	})
}

func TestATestIsNotRedelivered(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	id, ok := s.do(http.MethodPost, one+"/test", "").is(http.StatusAccepted).object()["id"].(string)
	require.True(t, ok)
	require.Equal(t, []string{"deliveryId"}, s.do(http.MethodPost, one+"/deliveries/"+id+"/redeliver", "").faults())
	for range 4 { // What cannot be served takes no slot.
		s.do(http.MethodPost, one+"/test?wait=perhaps", "").is(http.StatusBadRequest)
		s.do(http.MethodPost, one+"/test", "").is(http.StatusAccepted)
	}
	s.do(http.MethodPost, one+"/test", "").waits()
}

// A store that is full is as good as away.
func TestStoreThatCannotTakeAnything(t *testing.T) {
	t.Parallel()
	s := newSite(t, broken{memstore.New(nil), fmt.Errorf("redis is full: %w", store.ErrUnavailable)}, nil)
	require.Equal(t, "unavailable", s.do(http.MethodGet, hooks+"/whk_1", "").is(http.StatusServiceUnavailable).refusal().Code)
}

// TestOneReplayAtATime asks for a replay while another one waits.
func TestOneReplayAtATime(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	id := s.hook(harness.Merchant)
	first := s.do(http.MethodPost, hooks+"/"+id+"/replay", "").is(http.StatusAccepted).object()
	refused := s.do(http.MethodPost, hooks+"/"+id+"/replay", "").is(http.StatusConflict).refusal()
	require.Equal(t, "conflict", refused.Code)
	require.Equal(t, "replayId", refused.Details[0].Field)
	require.Equal(t, first["id"], refused.Details[0].Message)
	s.do(http.MethodPost, hooks+"/"+id+"/replay?dryRun=true", "").is(http.StatusOK)
}
