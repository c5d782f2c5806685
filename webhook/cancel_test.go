package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// publishMany publishes n events one by one.
func publishMany(t *testing.T, svc *webhook.Service, n int) {
	t.Helper()
	for range n {
		_, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{}))
		require.NoError(t, err)
	}
}

// A delivery that is cancelled while it is tried stays cancelled, whatever comes of the
// try, and counts for nothing.
func TestCancelWhileUnderWay(t *testing.T) {
	t.Parallel()
	svc, st := harness.NewService(t, nil)
	id := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	publishMany(t, svc, 1)
	got, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 1})
	require.NoError(t, err)
	l := got.Leases[0]
	d, err := svc.CancelDelivery(t.Context(), harness.Merchant, id, l.DeliveryID)
	require.NoError(t, err)
	require.Equal(t, webhook.DeliveryFailed, d.Status)
	require.Equal(t, webhook.CodeCancelled, d.Code)
	require.Zero(t, d.Attempts)
	out, err := st.Finish(t.Context(), []store.Result{{
		MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Failed,
		Streak: store.StreakExtend, DisableAfter: 1,
	}})
	require.NoError(t, err)
	require.Equal(t, store.FinishStale, out[0].State)
	w, err := svc.Webhook(t.Context(), harness.Merchant, id)
	require.NoError(t, err)
	require.Equal(t, webhook.Active, w.Status)
	require.Zero(t, w.ConsecutiveFailures)
	again, err := svc.Redeliver(t.Context(), harness.Merchant, id, l.DeliveryID)
	require.NoError(t, err)
	require.NotEqual(t, l.DeliveryID, again.ID, "its event can be sent again")
}

func TestCancelWhatHasEnded(t *testing.T) {
	t.Parallel()
	svc, st := harness.NewService(t, nil)
	id := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	publishMany(t, svc, 1)
	end(t, st, store.Succeeded, 0)
	page, err := svc.Deliveries(t.Context(), harness.Merchant, id, webhook.DeliveryQuery{Limit: 1})
	require.NoError(t, err)
	_, err = svc.CancelDelivery(t.Context(), harness.Merchant, id, page.Deliveries[0].ID)
	require.ErrorIs(t, err, webhook.ErrEnded)
	_, err = svc.CancelDelivery(t.Context(), harness.Merchant, id, "whdel_unknown")
	require.ErrorIs(t, err, webhook.ErrNotFound)
	_, err = svc.CancelPending(t.Context(), "another", id)
	require.ErrorIs(t, err, webhook.ErrNotFound)
}

// More than one step of the store is pending, and a test, which goes on.
func TestCancelPending(t *testing.T) {
	t.Parallel()
	svc, st := harness.NewService(t, nil)
	id := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	publishMany(t, svc, 450)
	end(t, st, store.Retry, time.Hour) // of a hundred
	test, err := svc.Test(t.Context(), harness.Merchant, id)
	require.NoError(t, err)
	done, err := svc.CancelPending(t.Context(), harness.Merchant, id)
	require.NoError(t, err)
	require.Equal(t, webhook.Cancelled{Deliveries: 450}, done)
	stats, err := svc.Stats(t.Context(), harness.Merchant, id)
	require.NoError(t, err)
	require.Equal(t, webhook.Stats{Total: 451, Failed: 450, Pending: 1, Attempts: 100}, stats)
	_, err = svc.CancelDelivery(t.Context(), harness.Merchant, id, test.ID)
	require.NoError(t, err, "alone, a test can be cancelled")
	done, err = svc.CancelPending(t.Context(), harness.Merchant, id)
	require.NoError(t, err)
	require.Zero(t, done)
}
