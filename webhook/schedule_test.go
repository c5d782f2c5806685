package webhook_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestAttemptsFollowTheGuidesTable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		attempts int
		want     []time.Duration
	}{
		{"three by default", 0, []time.Duration{0, time.Minute, 6 * time.Minute}},
		{"four if asked", 4, []time.Duration{0, time.Minute, 6 * time.Minute, 21 * time.Minute}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, &webhook.DispatcherOptions{Retry: retry.Policy{MaxAttempts: tt.attempts}})
				r.endpoint.set(always(http.StatusInternalServerError))
				reg := r.register(event.TypeDocumentCreated)
				p := r.publish()

				pass(2 * time.Hour)
				r.close()

				var got []time.Duration
				for _, c := range r.endpoint.seen() {
					got = append(got, r.since(c.at))
					require.Equal(t, r.endpoint.seen()[0].body, c.body, "the same bytes on every attempt")
					verify(t, reg.Secret, c, &verifier.Options{RequireStandard: true, Now: func() time.Time { return c.at }})
				}
				require.Equal(t, tt.want, got)
				d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
				require.Equal(t, store.DeliveryFailed, d.Status)
				require.Equal(t, len(tt.want), d.Attempts)
				require.Len(t, d.Log, len(tt.want))
				require.Equal(t, http.StatusInternalServerError, d.StatusCode)
				require.Equal(t, webhook.CodeStatus, d.Error)
				require.Equal(t, "Internal Server Error", d.ResponseBody)
				require.Equal(t, tt.want[len(tt.want)-1], r.since(d.LastAttemptAt))
			})
		})
	}
}

func TestTenConsecutiveFailuresDisable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		notices := make(chan webhook.Notice, 10)
		r := newRig(t, nil, &webhook.DispatcherOptions{
			OnNotice: func(_ context.Context, n webhook.Notice) error {
				if n.Kind == webhook.NoticeDisabled {
					notices <- n
				}
				return nil
			},
		})
		r.endpoint.set(always(http.StatusInternalServerError))
		reg := r.register(event.TypeDocumentCreated)
		fail := func(n int) {
			for range n {
				r.publish()
				pass(10 * time.Minute)
			}
		}

		fail(9)
		require.Equal(t, 9, r.webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.endpoint.set(nil)
		r.publish()
		pass(time.Second)
		require.Zero(t, r.webhook(reg.Webhook.ID).ConsecutiveFailures, "a success resets")
		require.Equal(t, webhook.Active, r.webhook(reg.Webhook.ID).Status)

		r.endpoint.set(always(http.StatusInternalServerError))
		fail(9)
		require.Equal(t, webhook.Active, r.webhook(reg.Webhook.ID).Status)
		require.Empty(t, notices)
		fail(1)
		w := r.webhook(reg.Webhook.ID)
		require.Equal(t, webhook.Disabled, w.Status)
		require.Equal(t, webhook.ReasonFailures, w.DisabledReason)
		require.Equal(t, 10, w.ConsecutiveFailures)
		require.Len(t, notices, 1)
		n := <-notices
		require.Equal(t, reg.Webhook.ID, n.WebhookID)
		require.Equal(t, merchant, n.MerchantID)
		require.Equal(t, 10, n.Failures)

		before := r.endpoint.count()
		require.Empty(t, r.publish().Deliveries, "an event that is published meanwhile makes no delivery")
		pass(time.Hour)
		require.Equal(t, before, r.endpoint.count())

		active := webhook.Active
		w, err := r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Status: &active})
		require.NoError(t, err)
		require.Zero(t, w.ConsecutiveFailures)
		fail(9)
		require.Equal(t, webhook.Active, r.webhook(reg.Webhook.ID).Status)
		fail(1)
		require.Equal(t, webhook.Disabled, r.webhook(reg.Webhook.ID).Status)
		require.Len(t, notices, 1, "one notice for each time")
		r.close()
	})
}

func TestPausedDeliveriesGoOnWhenEnabled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		r.endpoint.set(always(http.StatusServiceUnavailable))
		reg := r.register(event.TypeDocumentCreated)
		p := r.publish()
		synctest.Wait()
		require.Equal(t, 1, r.endpoint.count())
		disabled, active := webhook.Disabled, webhook.Active
		_, err := r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Status: &disabled})
		require.NoError(t, err)
		pass(time.Hour)
		require.Equal(t, 1, r.endpoint.count())
		require.Equal(t, store.DeliveryPending, r.delivery(reg.Webhook.ID, p.Deliveries[0]).Status)

		r.endpoint.set(nil)
		_, err = r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Status: &active})
		require.NoError(t, err)
		synctest.Wait()
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, store.DeliverySucceeded, d.Status)
		require.Equal(t, time.Hour, r.since(d.DeliveredAt), "at once")
		r.close()
	})
}

func TestPausedDeliveriesFailAtRetentionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{Retention: webhook.Retention{Paused: time.Hour}})
		r.endpoint.set(always(http.StatusServiceUnavailable))
		reg := r.register(event.TypeDocumentCreated)
		p := r.publish()
		synctest.Wait()
		disabled := webhook.Disabled
		_, err := r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Status: &disabled})
		require.NoError(t, err)
		pass(2 * time.Hour)
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, store.DeliveryFailed, d.Status)
		require.Equal(t, webhook.CodeWebhookDisabled, d.Error)
		require.Equal(t, 1, d.Attempts)
		r.close()
	})
}

func TestRetentionPrunesTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{Retention: webhook.Retention{Deliveries: time.Hour}})
		reg := r.register(event.TypeDocumentCreated)
		p := r.publish()
		pass(50 * time.Minute)
		require.NotEmpty(t, r.delivery(reg.Webhook.ID, p.Deliveries[0]).Payload)
		pass(20 * time.Minute)
		_, err := r.svc.Delivery(t.Context(), merchant, reg.Webhook.ID, p.Deliveries[0])
		require.ErrorIs(t, err, webhook.ErrNotFound)
		stats, err := r.svc.Stats(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Zero(t, stats)
		r.close()
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		value  string
		want   time.Duration
	}{
		{"longer", http.StatusTooManyRequests, "120", 2 * time.Minute},
		{"on 503 too", http.StatusServiceUnavailable, "120", 2 * time.Minute},
		{"not past the longest", http.StatusTooManyRequests, "86400", 15 * time.Minute},
		{"never shorter", http.StatusTooManyRequests, "1", time.Minute},
		{"not on 500", http.StatusInternalServerError, "120", time.Minute},
		{"nonsense", http.StatusTooManyRequests, "soon", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				r.endpoint.set(always(tt.status, "Retry-After", tt.value))
				r.register(event.TypeDocumentCreated)
				r.publish()
				pass(time.Hour)
				r.close()
				require.Equal(t, tt.want, r.since(r.endpoint.seen()[1].at))
			})
		})
	}
}

func TestCountAttemptsCountsTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{CountAttempts: true, DisableAfter: 2})
		r.endpoint.set(always(http.StatusInternalServerError))
		reg := r.register(event.TypeDocumentCreated)
		p := r.publish()
		pass(30 * time.Second)
		require.Equal(t, 1, r.webhook(reg.Webhook.ID).ConsecutiveFailures)
		pass(time.Hour)
		require.Equal(t, webhook.Disabled, r.webhook(reg.Webhook.ID).Status)
		require.Equal(t, store.DeliveryPending, r.delivery(reg.Webhook.ID, p.Deliveries[0]).Status,
			"its third attempt is paused")
		r.close()
	})
}

func TestNeverDisable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{NeverDisable: true, DisableAfter: 1})
		r.endpoint.set(always(http.StatusInternalServerError))
		reg := r.register(event.TypeDocumentCreated)
		r.publish()
		pass(time.Hour)
		require.Equal(t, webhook.Active, r.webhook(reg.Webhook.ID).Status)
		require.Equal(t, 1, r.webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.close()
	})
}

func TestLateResultCannotDisableAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}})
		reg := r.register(event.TypeDocumentCreated)
		r.endpoint.set(hang)
		r.publish() // ends as a timeout after 10 s
		pass(5 * time.Second)
		for _, status := range []webhook.Status{webhook.Disabled, webhook.Active} {
			_, err := r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Status: &status})
			require.NoError(t, err)
		}
		pass(time.Minute)
		w := r.webhook(reg.Webhook.ID)
		require.Equal(t, webhook.Active, w.Status)
		require.Zero(t, w.ConsecutiveFailures)
		r.close()
	})
}
