package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// end claims all that is due and settles it, as a dispatcher would.
func end(t *testing.T, st store.Queue, outcome store.Outcome, delay time.Duration) {
	t.Helper()
	got, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 100, Lease: time.Minute, PerWebhook: 100})
	require.NoError(t, err)
	for _, l := range got.Leases {
		out, err := st.Finish(t.Context(), []store.Result{{
			MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: outcome, Delay: delay,
		}})
		require.NoError(t, err)
		require.Equal(t, store.FinishAccepted, out[0].State)
	}
}

func TestRedeliverOfWhatIsPending(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
	svc, err := webhook.NewService(st, nil)
	require.NoError(t, err)
	id := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	p, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{}))
	require.NoError(t, err)
	end(t, st, store.Retry, time.Hour)
	disabled := webhook.Disabled
	for _, change := range []func(){
		func() {},
		func() { _, err = svc.Update(t.Context(), harness.Merchant, id, webhook.Update{Status: &disabled}) },
	} {
		now = now.Add(time.Minute)
		change()
		require.NoError(t, err)
		d, err := svc.Redeliver(t.Context(), harness.Merchant, id, p.Deliveries[0].ID)
		require.NoError(t, err)
		require.Equal(t, p.Deliveries[0].ID, d.ID)
		require.False(t, d.DueAt.After(now), "it is due now")
		require.Equal(t, 1, d.Attempts)
	}
	stats, err := svc.Stats(t.Context(), harness.Merchant, id)
	require.NoError(t, err)
	require.Equal(t, int64(1), stats.Total)
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	svc, st := harness.NewService(t, nil)
	reg := harness.Register(t, svc, harness.Merchant, "document.created")
	p, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{}))
	require.NoError(t, err)
	end(t, st, store.Failed, 0)
	for range 2 {
		d, err := svc.Redeliver(t.Context(), harness.Merchant, reg.Webhook.ID, p.Deliveries[0].ID)
		require.NoError(t, err)
		require.NotEqual(t, p.Deliveries[0].ID, d.ID)
		require.Equal(t, p.EventID, d.EventID)
		require.Equal(t, webhook.DeliveryPending, d.Status)
	}
	stats, err := svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
	require.NoError(t, err)
	require.Equal(t, int64(2), stats.Pending)
	_, err = svc.Redeliver(t.Context(), harness.Merchant, reg.Webhook.ID, "whdel_unknown")
	require.ErrorIs(t, err, webhook.ErrNotFound)
	_, err = svc.Redeliver(t.Context(), "another", reg.Webhook.ID, p.Deliveries[0].ID)
	require.ErrorIs(t, err, webhook.ErrNotFound)
}
