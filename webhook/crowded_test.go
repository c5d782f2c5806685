package webhook_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Beyond so many pending deliveries, a webhook misses what is published, others do not,
// and a replay sends it later.
func TestPendingIsBounded(t *testing.T) {
	t.Parallel()
	var told []webhook.PublishedInfo
	svc, st := harness.NewService(t, &webhook.ServiceOptions{
		Limits:   webhook.Limits{Pending: 3},
		Observer: webhook.Observer{Published: func(_ context.Context, i webhook.PublishedInfo) { told = append(told, i) }},
	})
	id := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	events := make([]event.Event, 5)
	for i := range events {
		events[i] = event.New(event.DocumentCreated{})
	}
	out, err := svc.PublishBatch(t.Context(), harness.Merchant, events)
	require.NoError(t, err)
	for i, p := range out {
		if i < 3 {
			require.Len(t, p.Deliveries, 1)
			require.Empty(t, p.Missed)
			require.Zero(t, told[i].Missed)
			continue
		}
		require.Empty(t, p.Deliveries)
		require.Equal(t, []string{id}, p.Missed)
		require.Equal(t, 1, told[i].Missed)
	}
	other := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	p, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{}))
	require.NoError(t, err)
	require.Equal(t, []string{id}, p.Missed)
	require.Equal(t, other, p.Deliveries[0].WebhookID)
	_, err = svc.Test(t.Context(), harness.Merchant, id)
	require.NoError(t, err, "a test goes all the same")

	replayed := func(r webhook.Replay) webhook.Replayed {
		t.Helper()
		j, err := svc.Replay(t.Context(), harness.Merchant, id, r)
		require.NoError(t, err)
		return harness.FinishReplay(t, svc, st, id, j.ID).Replayed
	}
	require.Equal(t, webhook.Replayed{Events: 6, Waiting: 3}, replayed(webhook.Replay{}))
	end(t, st, store.Failed, 0)
	page, err := svc.Deliveries(t.Context(), harness.Merchant, id, webhook.DeliveryQuery{Limit: 1, Offset: 3})
	require.NoError(t, err)
	require.Equal(t, webhook.Replayed{Events: 6, Deliveries: 3, Waiting: 3}, replayed(webhook.Replay{}))
	_, err = svc.Redeliver(t.Context(), harness.Merchant, id, page.Deliveries[0].ID)
	require.ErrorIs(t, err, webhook.ErrCrowded)
	end(t, st, store.Succeeded, 0)
	require.Equal(t, 3, replayed(webhook.Replay{Missed: true}).Deliveries)
}

// The owner hears of it once a day, over all processes, and warnings go on as before.
func TestANoticeOfWhatIsMissed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := &webhook.ServiceOptions{Limits: webhook.Limits{Pending: 1}, Now: func() time.Time { return now }}
	one, st := harness.NewService(t, o)
	two, err := webhook.NewService(st, o)
	require.NoError(t, err)
	id := harness.Register(t, one, harness.Merchant, "document.created").Webhook.ID
	notices := func() []store.NoticeLease {
		out, err := st.ClaimNotices(t.Context(), 10, time.Hour)
		require.NoError(t, err)
		return out
	}
	publishMany(t, one, 1)
	require.Empty(t, notices())
	publishMany(t, one, 3)
	publishMany(t, two, 3)
	got := notices()
	require.Len(t, got, 1)
	require.Equal(t, store.NoticeCrowded, got[0].Kind)
	require.Equal(t, id, got[0].WebhookID)
	require.Equal(t, now, got[0].Since)
	now = now.Add(23 * time.Hour)
	publishMany(t, two, 1)
	require.Empty(t, notices())
	now = now.Add(time.Hour)
	publishMany(t, two, 1)
	publishMany(t, one, 1)
	require.Len(t, notices(), 1)
}

func TestPendingWithoutALimit(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, &webhook.ServiceOptions{Limits: webhook.Limits{Pending: 1, NoPendingLimit: true}})
	harness.Register(t, svc, harness.Merchant, "document.created")
	for range 3 {
		p, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{}))
		require.NoError(t, err)
		require.Len(t, p.Deliveries, 1)
	}
	_, err := webhook.NewService(nil, &webhook.ServiceOptions{Limits: webhook.Limits{Pending: -1}})
	require.ErrorContains(t, err, "a limit is negative")
}
