package webhook_test

import (
	"context"
	"fmt"
	"net/http"
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

// plot makes something of an event, and returns its id and that of the webhook in question.
type plot func(r *harness.Rig) (eventID, webhookID string)

// change changes a webhook.
func change(r *harness.Rig, webhookID string, u webhook.Update) {
	r.T.Helper()
	_, err := r.Svc.Update(r.T.Context(), harness.Merchant, webhookID, u)
	require.NoError(r.T, err)
}

// published publishes a document.created to one webhook, which answers with a status.
func published(status int) plot {
	return func(r *harness.Rig) (string, string) {
		r.T.Helper()
		r.Endpoint.Set(harness.Always(status))
		id := r.Register(event.TypeDocumentCreated).Webhook.ID
		return r.Publish().EventID, id
	}
}

// after goes on with what another plot has made, some time later.
func after(first plot, d time.Duration, then func(r *harness.Rig, eventID, webhookID string)) plot {
	return func(r *harness.Rig) (string, string) {
		r.T.Helper()
		eventID, id := first(r)
		harness.Pass(d)
		if then != nil {
			then(r, eventID, id)
			harness.Pass(0)
		}
		return eventID, id
	}
}

// The clock of a test begins at midnight of 2000.
func onClock(d time.Duration) time.Time {
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d)
}

// TestWhy tells of each fate, and of each wait, what the verdict says and when that was.
func TestWhy(t *testing.T) {
	t.Parallel()
	const created, deleted = event.TypeDocumentCreated, event.TypeDocumentDeleted
	for _, c := range []struct {
		name   string
		opts   webhook.DispatcherOptions
		limits webhook.Limits
		plot   plot

		want webhook.Verdict // without ids, and with At and Until as below
		at   time.Duration   // since the clock's begin; below 0: none
		till time.Duration
	}{
		{name: "delivered", plot: after(published(http.StatusNoContent), time.Second, nil), want: webhook.Verdict{
			Fate: webhook.FateDelivered, Attempts: 1, StatusCode: 204, Deliveries: 1, Succeeded: 1,
			Text: "delivered at 2000-01-01 00:00:00 UTC, status 204, at attempt 1.",
		}},
		{name: "failed after the policy", plot: after(published(http.StatusInternalServerError), time.Hour, nil), at: 6 * time.Minute, want: webhook.Verdict{
			Fate: webhook.FateFailed, Attempts: 3, StatusCode: 500, Code: webhook.CodeStatus, Deliveries: 1,
			Text: "failed at 2000-01-01 00:06:00 UTC after 3 attempts: status 500.",
		}},
		{name: "cancelled before any attempt", plot: after(held, time.Second, func(r *harness.Rig, _, id string) {
			_, err := r.Svc.CancelPending(r.T.Context(), harness.Merchant, id)
			require.NoError(r.T, err)
		}), at: time.Second, want: webhook.Verdict{
			Fate: webhook.FateFailed, Code: webhook.CodeCancelled, Deliveries: 1,
			Text: "failed at 2000-01-01 00:00:01 UTC after no attempt: cancelled.",
		}},
		{name: "an answer is awaited", plot: after(func(r *harness.Rig) (string, string) {
			r.Endpoint.Set(harness.Hang)
			id := r.Register(created).Webhook.ID
			return r.Publish().EventID, id
		}, time.Second, nil), want: webhook.Verdict{
			Fate: webhook.FatePending, Wait: webhook.WaitAnswer, Deliveries: 1, Text: "pending: a try is under way.",
		}},
		{name: "a retry is awaited", plot: after(published(http.StatusFound), time.Second, nil), till: time.Minute, want: webhook.Verdict{
			Fate: webhook.FatePending, Wait: webhook.WaitRetry, Attempts: 1, StatusCode: 302, Code: webhook.CodeRedirect, Deliveries: 1,
			Text: "pending: waiting for the next try at 2000-01-01 00:01:00 UTC. It has failed after 1 attempt so far, the last time with redirect, status 302.",
		}},
		{name: "held back by a fault of this side", plot: after(held, time.Second, nil), till: time.Minute, want: webhook.Verdict{
			Fate: webhook.FatePending, Wait: webhook.WaitPlace, Deliveries: 1,
			Text: "pending: held back until 2000-01-01 00:01:00 UTC, because the endpoint is slow or asked for a pause, or sending was in trouble.",
		}},
		{name: "the rate limit is awaited", plot: after(stopped, 0, func(r *harness.Rig, _, id string) {
			change(r, id, webhook.Update{RateLimit: new(1)})
		}), want: webhook.Verdict{
			Fate: webhook.FatePending, Wait: webhook.WaitRate, Deliveries: 1, Text: "pending: waiting for the rate limit of the webhook.",
		}},
		{name: "its turn is awaited", plot: stopped, want: webhook.Verdict{
			Fate: webhook.FatePending, Wait: webhook.WaitTurn, Deliveries: 1, Text: "pending: in line, due now.",
		}},
		{name: "enabling is awaited", plot: after(published(http.StatusInternalServerError), time.Second, func(r *harness.Rig, _, id string) {
			change(r, id, webhook.Update{Status: new(webhook.Disabled)})
		}), at: time.Second, want: webhook.Verdict{
			Fate: webhook.FatePending, Wait: webhook.WaitEnabled, Attempts: 1, StatusCode: 500, Code: webhook.CodeStatus, Deliveries: 1,
			Text: "pending: waiting for the webhook to be enabled. It is disabled since 2000-01-01 00:00:01 UTC. It has failed after 1 attempt so far, the last time with status 500.",
		}},
		{name: "not subscribed then, though it is now", plot: after(func(r *harness.Rig) (string, string) {
			id := r.Register(deleted).Webhook.ID
			harness.Pass(time.Second)
			change(r, id, webhook.Update{Events: []string{"document.updated"}}) // nor by this
			harness.Pass(time.Second)
			return r.Publish().EventID, id
		}, time.Second, func(r *harness.Rig, _, id string) {
			change(r, id, webhook.Update{Events: []string{webhook.EveryType}})
		}), want: webhook.Verdict{
			Fate: webhook.FateNotSubscribed, Text: "not subscribed: since 2000-01-01 00:00:00 UTC, the webhook did not subscribe to this type.",
		}},
		{name: "subscribed then, though not now", plot: after(published(http.StatusOK), time.Second, func(r *harness.Rig, _, id string) {
			change(r, id, webhook.Update{Events: []string{string(deleted)}})
		}), want: webhook.Verdict{
			Fate: webhook.FateDelivered, Attempts: 1, StatusCode: 200, Deliveries: 1, Succeeded: 1,
			Text: "delivered at 2000-01-01 00:00:00 UTC, status 200, at attempt 1.",
		}},
		{name: "disabled then, and enabled since", plot: after(func(r *harness.Rig) (string, string) {
			id := r.Register(created).Webhook.ID
			harness.Pass(time.Second)
			change(r, id, webhook.Update{Status: new(webhook.Disabled)})
			harness.Pass(time.Second)
			change(r, id, webhook.Update{Description: new("still off")})
			harness.Pass(time.Second)
			return r.Publish().EventID, id
		}, time.Second, func(r *harness.Rig, _, id string) {
			change(r, id, webhook.Update{Status: new(webhook.Active)})
		}), at: time.Second, want: webhook.Verdict{
			Fate: webhook.FateDisabled,
			Text: "disabled: the webhook was disabled at 2000-01-01 00:00:01 UTC, and still was when the event was published. A replay sends it.",
		}},
		{name: "not registered", plot: func(r *harness.Rig) (string, string) {
			eventID := r.Publish().EventID
			harness.Pass(time.Second)
			return eventID, r.Register(created).Webhook.ID
		}, at: time.Second, want: webhook.Verdict{
			Fate: webhook.FateNotThere,
			Text: "not registered yet: the webhook was registered later, at 2000-01-01 00:00:01 UTC. A replay with backfill sends it.",
		}},
		{name: "missed, by a pattern", limits: webhook.Limits{Pending: 1}, plot: func(r *harness.Rig) (string, string) {
			_, id := stopped(r)
			change(r, id, webhook.Update{Events: []string{"document.*"}})
			return r.Publish().EventID, id
		}, want: webhook.Verdict{
			Fate: webhook.FateMissed, Text: "missed: too many deliveries of this webhook were pending. A replay sends it.",
		}},
		{name: "missed", limits: webhook.Limits{Pending: 1}, plot: func(r *harness.Rig) (string, string) {
			_, id := stopped(r)
			return r.Publish().EventID, id
		}, want: webhook.Verdict{
			Fate: webhook.FateMissed, Text: "missed: too many deliveries of this webhook were pending. A replay sends it.",
		}},
		{name: "pruned", plot: after(published(http.StatusOK), time.Second, func(r *harness.Rig, _, _ string) {
			_, err := r.Store.Prune(r.T.Context(), store.PruneRequest{DeliveryAge: time.Millisecond, Limit: 100})
			require.NoError(r.T, err)
		}), want: webhook.Verdict{
			Fate: webhook.FatePruned, Text: "pruned: a delivery was made, and retention has removed it since, with its outcome.",
		}},
		{name: "too many changes since", plot: after(unsubscribed, time.Second, changed(store.MaxChanges)), at: -1, want: webhook.Verdict{
			Fate: webhook.FateUnknown, Text: "not known any more: what the webhook was like then is older than the changes that are kept.",
		}},
		{name: "not subscribed, though that change is not kept", plot: func(r *harness.Rig) (string, string) {
			id := r.Register(deleted).Webhook.ID
			changed(store.MaxChanges)(r, "", id)
			harness.Pass(time.Second)
			return r.Publish().EventID, id
		}, at: -1, want: webhook.Verdict{
			Fate: webhook.FateNotSubscribed, Text: "not subscribed: the webhook did not subscribe to this type when the event was published.",
		}},
		{name: "disabled, though that change is not kept", plot: func(r *harness.Rig) (string, string) {
			id := r.Register(created).Webhook.ID
			change(r, id, webhook.Update{Status: new(webhook.Disabled)})
			changed(store.MaxChanges)(r, "", id)
			harness.Pass(time.Second)
			return r.Publish().EventID, id
		}, at: -1, want: webhook.Verdict{
			Fate: webhook.FateDisabled, Text: "disabled: the webhook was disabled when the event was published. A replay sends it.",
		}},
		{name: "subscriptions of then not kept", plot: after(func(r *harness.Rig) (string, string) {
			id := r.Register(deleted).Webhook.ID
			changed(50)(r, "", id)
			harness.Pass(time.Second)
			return r.Publish().EventID, id
		}, time.Second, func(r *harness.Rig, _, id string) {
			change(r, id, webhook.Update{Events: []string{webhook.EveryType}})
			changed(55)(r, "", id)
		}), at: -1, want: webhook.Verdict{
			Fate: webhook.FateUnknown, Text: "not known any more: what the webhook was like then is older than the changes that are kept.",
		}},
		{name: "brought along from another store later", plot: func(r *harness.Rig) (string, string) {
			eventID, year := r.Publish().EventID, r.Began.AddDate(-1, 0, 0)
			harness.Pass(time.Second)
			_, err := r.Store.CreateWebhook(r.T.Context(), harness.Merchant, store.Webhook{
				ID: "whk_moved", URL: "https://example.com/hook", Events: []string{"*"}, Status: store.Active, CreatedAt: year, UpdatedAt: year,
			}, 0)
			require.NoError(r.T, err)
			return eventID, "whk_moved"
		}, at: -1, want: webhook.Verdict{
			Fate: webhook.FateUnknown, Text: "not known any more: what the webhook was like then is older than the changes that are kept.",
		}},
		{name: "a test", plot: func(r *harness.Rig) (string, string) {
			id := r.Register(deleted).Webhook.ID
			r.Register(deleted)
			d, err := r.Svc.Test(r.T.Context(), harness.Merchant, id)
			require.NoError(r.T, err)
			harness.Pass(time.Second)
			return d.EventID, id
		}, want: webhook.Verdict{
			Fate: webhook.FateDelivered, Attempts: 1, StatusCode: 200, Deliveries: 1, Succeeded: 1,
			Text: "delivered at 2000-01-01 00:00:00 UTC, status 200, at attempt 1.",
		}},
		{name: "taken twice", plot: after(published(http.StatusOK), time.Second, func(r *harness.Rig, eventID, id string) {
			page, err := r.Svc.Deliveries(r.T.Context(), harness.Merchant, id, webhook.DeliveryQuery{EventID: eventID, Limit: 1})
			require.NoError(r.T, err)
			_, err = r.Svc.Redeliver(r.T.Context(), harness.Merchant, id, page.Deliveries[0].ID)
			require.NoError(r.T, err)
		}), want: webhook.Verdict{
			Fate: webhook.FateDelivered, Attempts: 1, StatusCode: 200, Deliveries: 2, Succeeded: 2,
			Text: "delivered at 2000-01-01 00:00:00 UTC, status 200, at attempt 1. The receiver took it 2 times.",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := harness.NewRig(t, nil, &c.opts)
				defer r.Close()
				var err error
				r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{Limits: c.limits})
				require.NoError(t, err)
				eventID, id := c.plot(r)
				why, err := r.Svc.Why(t.Context(), harness.Merchant, eventID)
				require.NoError(t, err)
				require.True(t, why.Known)
				require.Equal(t, eventID, why.Event.ID)
				require.Len(t, why.Verdicts, 1)
				got := why.Verdicts[0]
				require.Equal(t, id, got.WebhookID)
				require.Equal(t, c.want.Deliveries > 0 || c.want.Fate == webhook.FatePruned, got.DeliveryID != "")
				c.want.WebhookID, c.want.URL, c.want.DeliveryID = id, "https://example.com/hook", got.DeliveryID
				c.want.Disabled = r.Webhook(id).Status == webhook.Disabled
				if c.at >= 0 {
					at := onClock(c.at)
					if c.want.Fate == webhook.FateMissed || c.want.Fate == webhook.FatePruned {
						at = why.Event.CreatedAt
					}
					c.want.At = at
				}
				if c.till > 0 {
					c.want.Until = onClock(c.till)
				}
				require.Equal(t, got.Text, got.Message.String())
				c.want.Message = got.Message
				require.Equal(t, c.want, got)
			})
		})
	}
}

// held publishes to a webhook whose headers no key of the dispatcher opens.
func held(r *harness.Rig) (string, string) {
	r.T.Helper()
	svc, err := webhook.NewService(r.Store, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
	require.NoError(r.T, err)
	reg, err := svc.Register(r.T.Context(), harness.Merchant, webhook.Registration{URL: "https://example.com/hook", Events: []string{webhook.EveryType}})
	require.NoError(r.T, err)
	return r.Publish().EventID, reg.Webhook.ID
}

// stopped publishes where no dispatcher runs.
func stopped(r *harness.Rig) (string, string) {
	r.T.Helper()
	r.Stop()
	synctest.Wait()
	return published(http.StatusOK)(r)
}

// unsubscribed publishes what a webhook does not subscribe to.
func unsubscribed(r *harness.Rig) (string, string) {
	r.T.Helper()
	id := r.Register(event.TypeDocumentDeleted).Webhook.ID
	return r.Publish().EventID, id
}

// changed makes n changes of a webhook that say nothing of its events.
func changed(n int) func(*harness.Rig, string, string) {
	return func(r *harness.Rig, _, webhookID string) {
		r.T.Helper()
		for i := range n {
			change(r, webhookID, webhook.Update{Description: new(fmt.Sprint(i))})
		}
	}
}

// TestWhyOfAnUnknownEvent says how far back the log goes.
func TestWhyOfAnUnknownEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, _ := harness.NewService(t, nil)
		ask := func(eventID string) string {
			why, err := svc.Why(t.Context(), harness.Merchant, eventID)
			require.NoError(t, err)
			require.False(t, why.Known)
			require.Equal(t, webhook.EventRecord{ID: eventID}, why.Event)
			require.Empty(t, why.Verdicts)
			return why.Text
		}
		const never = "This merchant has no event with this id. The merchant never published it, or it is not known any more: "
		theirs, err := svc.Publish(t.Context(), harness.Victim, event.New(event.DocumentCreated{}))
		require.NoError(t, err)
		for _, id := range []string{"evt_unknown", theirs.EventID, "no id"} {
			require.Equal(t, never+"no event of the merchant is kept.", ask(id))
		}
		time.Sleep(time.Hour)
		for range 2 {
			_, err = svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{}))
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		for _, id := range []string{"evt_unknown", theirs.EventID, "no id"} {
			require.Equal(t, never+"older than 2000-01-01 01:00:00 UTC, when the oldest event that is kept was published.", ask(id))
		}
	})
}

// unreadableEvents is a store that cannot read events, nor what became of them if fates is set.
type unreadableEvents struct {
	*memstore.Store

	fates bool
}

func (*unreadableEvents) Event(context.Context, string, string) (store.Event, error) {
	return store.Event{}, fmt.Errorf("read: %w", store.ErrDamaged)
}

func (u *unreadableEvents) EventDeliveries(ctx context.Context, merchantID, eventID string) (store.EventDeliveries, error) {
	if u.fates {
		return store.EventDeliveries{}, fmt.Errorf("read: %w", store.ErrDamaged)
	}
	return u.Store.EventDeliveries(ctx, merchantID, eventID)
}

// TestWhyOfADamagedEvent goes by what is left.
func TestWhyOfADamagedEvent(t *testing.T) {
	t.Parallel()
	st := &unreadableEvents{Store: memstore.New(nil)}
	svc, err := webhook.NewService(st, nil)
	require.NoError(t, err)
	harness.Register(t, svc, harness.Merchant, "document.created")
	harness.Register(t, svc, harness.Merchant, "document.deleted")
	p, err := svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{}))
	require.NoError(t, err)
	fates := func() (out []webhook.Fate) {
		why, err := svc.Why(t.Context(), harness.Merchant, p.EventID)
		require.NoError(t, err)
		require.True(t, why.Known)
		require.Equal(t, "The store cannot read this event. Its record is damaged, and was set aside.", why.Text)
		for _, v := range why.Verdicts {
			out = append(out, v.Fate)
			if v.Fate == webhook.FateUnknown {
				require.Equal(t, "not known: the store cannot read the event, and no delivery of it is kept.", v.Text)
			}
		}
		return out
	}
	require.Equal(t, []webhook.Fate{webhook.FatePending, webhook.FateUnknown}, fates())
	st.fates = true
	require.Equal(t, []webhook.Fate{webhook.FateUnknown, webhook.FateUnknown}, fates())
}

// TestActorIsText leaves out of an actor what no database takes, and what is too long.
func TestActorIsText(t *testing.T) {
	t.Parallel()
	long := "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
	for given, want := range map[string]string{
		"": "", "ada@example.com": "ada@example.com", "a\x00d\na": "ada", "a\xffda": "ada", long + "é": long, long + "ab": long + "a",
	} {
		require.Equal(t, want, webhook.Actor(webhook.WithActor(t.Context(), given)))
	}
}
