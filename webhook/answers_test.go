package webhook_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// miscounting publishes, and answers for another number of events.
type miscounting struct {
	*memstore.Store

	change func([]store.Published) []store.Published
}

func (m miscounting) Publish(ctx context.Context, merchantID string, rows []store.NewEvent) ([]store.Published, error) {
	out, err := m.Store.Publish(ctx, merchantID, rows)
	return m.change(out), err
}

func (m miscounting) Enqueue(ctx context.Context, merchantID, webhookID string, ids []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	out, err := m.Store.Enqueue(ctx, merchantID, webhookID, ids, nonce, maxPending)
	return make([]store.Enqueued, len(m.change(make([]store.Published, len(out))))), err
}

func TestPublishOfAStoreThatMiscounts(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	good, err := webhook.NewService(st, nil)
	require.NoError(t, err)
	id := harness.Register(t, good, harness.Merchant, "*").Webhook.ID
	e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
	p, err := good.Publish(t.Context(), harness.Merchant, e)
	require.NoError(t, err)
	claimed, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 1})
	require.NoError(t, err)
	require.Len(t, claimed.Leases, 1)
	_, err = st.Finish(t.Context(), []store.Result{{
		MerchantID: harness.Merchant, WebhookID: id, DeliveryID: p.Deliveries[0].ID, Token: claimed.Leases[0].Token, Outcome: store.Succeeded,
	}})
	require.NoError(t, err) // One that is pending would be brought forward.
	for name, change := range map[string]func([]store.Published) []store.Published{
		"none":     func([]store.Published) []store.Published { return nil },
		"one more": func(out []store.Published) []store.Published { return append(out, store.Published{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc, err := webhook.NewService(miscounting{st, change}, nil)
			require.NoError(t, err)
			_, err = svc.Publish(t.Context(), harness.Merchant, e)
			require.ErrorContains(t, err, "another number of records")
			_, err = svc.PublishBatch(t.Context(), harness.Merchant, []event.Event{e, e})
			require.ErrorContains(t, err, "another number of records")
			_, err = svc.Test(t.Context(), harness.Merchant, id)
			require.ErrorContains(t, err, "another number of records")
			_, err = svc.Redeliver(t.Context(), harness.Merchant, id, p.Deliveries[0].ID)
			require.ErrorContains(t, err, "another number of records")
		})
	}
}

func TestFinishOfAStoreThatMiscounts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]store.Finished) []store.Finished{
		"none": func([]store.Finished) []store.Finished { return nil },
		"one more": func(out []store.Finished) []store.Finished {
			return append(out, store.Finished{State: store.FinishAccepted})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logs harness.LockedBuffer
				st := newHooked()
				st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
					out, err := st.Store.Finish(ctx, rs)
					return change(out), err
				}
				r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()
				harness.Pass(10 * time.Second)
				require.Contains(t, logs.String(), "another number of records")
				require.NotContains(t, logs.String(), "panic")
				st.change(func() { st.finish = nil })
				harness.Pass(5 * time.Minute)
				require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
				require.Equal(t, 1, r.Endpoint.Count())
				r.Close()
			})
		})
	}
}

func TestClaimOfAStoreThatMiscounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs harness.LockedBuffer
		st := newHooked()
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{
			Concurrency: 2, Logger: slog.New(slog.NewTextHandler(&logs, nil)),
		})
		reg := r.Register(event.TypeDocumentCreated)
		st.change(func() {
			st.claim = func(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
				c.Limit += 5
				return st.Store.Claim(ctx, c)
			}
		})
		for range 7 {
			r.Publish()
		}
		harness.Pass(10 * time.Second)
		require.Contains(t, logs.String(), "another number of records")
		require.NotContains(t, logs.String(), "panic")
		require.LessOrEqual(t, r.Endpoint.Count(), 4)
		st.change(func() { st.claim = nil })
		harness.Pass(5 * time.Minute)
		stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.EqualValues(t, 7, stats.Succeeded)
		require.Equal(t, 7, r.Endpoint.Count())
		r.Close()
	})
}
