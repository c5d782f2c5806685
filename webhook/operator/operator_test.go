package operator_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// desk is an operator's, over a store of some kind.
type desk struct {
	*operator.Operator

	t   *testing.T
	st  store.Store
	svc *webhook.Service
}

func newDesk(t *testing.T, st store.Store) *desk {
	t.Helper()
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{
		SecretKeys: []webhook.SecretKey{harness.KeyOne()}, Limits: webhook.Limits{Webhooks: 100},
	})
	require.NoError(t, err)
	ops, err := operator.New(st, svc, nil)
	require.NoError(t, err)
	return &desk{Operator: ops, t: t, st: st, svc: svc}
}

// onEachStore runs a test on each kind of store that can tell which webhooks are in trouble.
func onEachStore(t *testing.T, test func(*desk)) {
	t.Helper()
	for name, open := range harness.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newDesk(t, open(t).Store))
		})
	}
}

// register registers n webhooks of a merchant at hosts that have its name.
func (d *desk) register(merchantID string, n int) []webhook.Webhook {
	d.t.Helper()
	out := make([]webhook.Webhook, n)
	for i := range out {
		reg, err := d.svc.Register(d.t.Context(), merchantID, webhook.Registration{
			URL: fmt.Sprintf("https://%s.example.com/%d", merchantID, i), Events: []string{"document.created"},
		})
		require.NoError(d.t, err)
		out[i] = reg.Webhook
	}
	return out
}

// publish publishes an event and returns its id.
func (d *desk) publish(merchantID string) string {
	d.t.Helper()
	p, err := d.svc.Publish(d.t.Context(), merchantID, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(d.t, err)
	return p.EventID
}

// fail ends all that is due as failed. A streak of disableAfter disables the webhook, 0 none.
func (d *desk) fail(disableAfter int) {
	d.t.Helper()
	for {
		got, err := d.st.Claim(d.t.Context(), store.ClaimRequest{Limit: 100, PerWebhook: 100, Lease: 1e9})
		require.NoError(d.t, err)
		if len(got.Leases) == 0 {
			return
		}
		results := make([]store.Result, len(got.Leases))
		for i, l := range got.Leases {
			results[i] = store.Result{
				MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token,
				Outcome: store.Failed, Streak: store.StreakExtend, DisableAfter: disableAfter, DisableReason: string(webhook.ReasonFailures),
			}
		}
		_, err = d.st.Finish(d.t.Context(), results)
		require.NoError(d.t, err)
	}
}

// set gives webhooks a status, as their owner does.
func (d *desk) set(status webhook.Status, webhooks ...webhook.Webhook) {
	d.t.Helper()
	for _, w := range webhooks {
		_, err := d.svc.Update(d.t.Context(), w.MerchantID, w.ID, webhook.Update{Status: &status})
		require.NoError(d.t, err)
	}
}

// finish begins a job as ann, and does it.
func (d *desk) finish(r operator.Request) operator.Job {
	d.t.Helper()
	j, err := d.Begin(webhook.WithActor(d.t.Context(), "ann"), r)
	require.NoError(d.t, err)
	harness.DoJobs(d.t, d.st, d.Jobs(), func() bool {
		j, err = d.Job(d.t.Context(), j.ID)
		require.NoError(d.t, err)
		return j.Status != operator.JobRunning
	})
	return j
}

// webhook reads one.
func (d *desk) webhook(w webhook.Webhook) webhook.Webhook {
	d.t.Helper()
	got, err := d.svc.Webhook(d.t.Context(), w.MerchantID, w.ID)
	require.NoError(d.t, err)
	return got
}

func TestNewNeedsAStoreAndAService(t *testing.T) {
	t.Parallel()
	_, err := operator.New(nil, nil, nil)
	require.ErrorContains(t, err, "store is nil")
	require.ErrorContains(t, err, "service is nil")
}
