package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	succeeded := s.published(harness.Merchant).Deliveries[0].ID
	s.settle(store.Result{Outcome: store.Succeeded})
	pending := one + "/deliveries/" + s.published(harness.Merchant).Deliveries[0].ID
	first := s.do(http.MethodPost, pending+"/cancel", "", "Idempotency-Key", "k1").is(http.StatusOK)
	v := first.object()
	require.Equal(t, "failed", v["status"])
	require.Equal(t, "cancelled", v["error"])
	require.EqualValues(t, 0, v["attemptCount"])
	again := s.do(http.MethodPost, pending+"/cancel", "", "Idempotency-Key", "k1").is(http.StatusOK)
	require.True(t, again.replayed())
	require.Equal(t, v, again.object())
	require.Equal(t, v, s.do(http.MethodPost, pending+"/cancel", "{}").is(http.StatusOK).object(), "once more changes nothing")
	require.Equal(t, "delivery_ended", s.do(http.MethodPost, one+"/deliveries/"+succeeded+"/cancel", "").is(http.StatusConflict).refusal().Code)
	busy := func(path, body string) string {
		return s.do(http.MethodPost, path, body, "Idempotency-Key", "k1").is(http.StatusConflict).refusal().Code
	}
	require.Equal(t, "idempotency_conflict", busy(pending+"/cancel", "{}"))
	require.Equal(t, "idempotency_conflict", busy(one+"/cancel", ""))

	for range 3 {
		s.published(harness.Merchant)
	}
	require.Equal(t, map[string]any{"deliveries": 3.0}, s.do(http.MethodPost, one+"/cancel", "", "Idempotency-Key", "k2").is(http.StatusOK).object())
	require.Equal(t, map[string]any{"deliveries": 3.0}, s.do(http.MethodPost, one+"/cancel", "", "Idempotency-Key", "k2").is(http.StatusOK).object())
	require.Equal(t, map[string]any{"deliveries": 0.0}, s.do(http.MethodPost, one+"/cancel", "").is(http.StatusOK).object())
	stats := s.do(http.MethodGet, one+"/deliveries", "").object()["stats"]
	require.Equal(t, map[string]any{
		"totalDeliveries": 5.0, "successfulDeliveries": 1.0, "failedDeliveries": 4.0, "pendingDeliveries": 0.0, "avgAttemptCount": 0.2,
	}, stats)
	counted := s.do(http.MethodPost, one+"/replay?dryRun=true", "").is(http.StatusOK).object()
	require.InDelta(t, 4, counted["deliveries"], 0, "what was cancelled can be replayed")
	s.do(http.MethodDelete, one, "").is(http.StatusOK)
	s.do(http.MethodPost, pending+"/cancel", "", "Idempotency-Key", "k1").is(http.StatusGone)
}

// crowdedSite has a webhook with as many pending deliveries as it may have.
func crowdedSite(t *testing.T) (s *site, hook, delivery string) {
	t.Helper()
	s = newSite(t, memstore.New(nil), nil)
	svc, err := webhook.NewService(s.store, &webhook.ServiceOptions{Limits: webhook.Limits{Pending: 1}})
	require.NoError(t, err)
	s.svc = svc
	s.api, err = api.New(svc, bearer, &api.Options{EnablePublish: true, Now: noon})
	require.NoError(t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle("/api/", s.api)
	hook = hooks + "/" + s.hook(harness.Merchant)
	delivery = s.published(harness.Merchant).Deliveries[0].ID
	s.settle(store.Result{Outcome: store.Failed})
	s.published(harness.Merchant)
	return s, hook, delivery
}

func TestTooManyPending(t *testing.T) {
	t.Parallel()
	s, hook, delivery := crowdedSite(t)
	refused := s.do(http.MethodPost, hook+"/deliveries/"+delivery+"/redeliver", "").is(http.StatusConflict)
	require.Equal(t, "too_many_pending", refused.refusal().Code)
	for i := range 2 {
		body := fmt.Sprintf(`{"type":"document.created","data":{},"id":"evt_%d"}`, i)
		v := s.do(http.MethodPost, "/api/merchants/"+harness.Merchant+"/events", body).is(http.StatusAccepted).object()
		require.Equal(t, 1.0, v["missed"])
		require.Equal(t, 0.0, v["deliveries"])
	}
	v := s.do(http.MethodPost, hook+"/replay", "").is(http.StatusAccepted).object()
	id := fmt.Sprint(v["id"])
	harness.FinishReplay(t, s.svc, s.store.(webhook.DispatchStore), fmt.Sprint(v["webhookId"]), id) //nolint:forcetypeassert // as settle
	v = s.do(http.MethodGet, hook+"/replays/"+id, "").is(http.StatusOK).object()
	require.Equal(t, 3.0, v["waiting"])
	require.Equal(t, 0.0, v["deliveries"])
}
