package webhook_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
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
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Retry: retry.Policy{MaxAttempts: tt.attempts}})
				r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()

				harness.Pass(2 * time.Hour)
				r.Close()

				var got []time.Duration
				for _, c := range r.Endpoint.Seen() {
					got = append(got, r.Since(c.At))
					require.Equal(t, r.Endpoint.Seen()[0].Body, c.Body, "the same bytes on every attempt")
					harness.Verify(t, reg.Secret, c, &verifier.Options{Now: func() time.Time { return c.At }})
				}
				require.Equal(t, tt.want, got)
				d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
				require.Equal(t, webhook.DeliveryFailed, d.Status)
				require.Equal(t, len(tt.want), d.Attempts)
				require.Len(t, d.Log, len(tt.want))
				require.Equal(t, http.StatusInternalServerError, d.StatusCode)
				require.Equal(t, webhook.CodeStatus, d.Code)
				require.Equal(t, "Internal Server Error", d.ResponseBody)
				require.Equal(t, tt.want[len(tt.want)-1], r.Since(d.LastAttemptAt))
			})
		})
	}
}

func TestTenConsecutiveFailuresDisable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		notices := make(chan webhook.Notice, 10)
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			OnNotice: func(_ context.Context, n webhook.Notice) error {
				if n.Kind == webhook.NoticeDisabled {
					notices <- n
				}
				return nil
			},
		})
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		reg := r.Register(event.TypeDocumentCreated)
		fail := func(n int) {
			for range n {
				r.Publish()
				harness.Pass(10 * time.Minute)
			}
		}

		fail(9)
		require.Equal(t, 9, r.Webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.Endpoint.Set(nil)
		r.Publish()
		harness.Pass(time.Second)
		require.Zero(t, r.Webhook(reg.Webhook.ID).ConsecutiveFailures, "a success resets")
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)

		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		fail(9)
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
		require.Empty(t, notices)
		fail(1)
		w := r.Webhook(reg.Webhook.ID)
		require.Equal(t, webhook.Disabled, w.Status)
		require.Equal(t, webhook.ReasonFailures, w.DisabledReason)
		require.Equal(t, 10, w.ConsecutiveFailures)
		require.Len(t, notices, 1)
		n := <-notices
		require.Equal(t, reg.Webhook.ID, n.WebhookID)
		require.Equal(t, harness.Merchant, n.MerchantID)
		require.Equal(t, 10, n.Failures)

		before := r.Endpoint.Count()
		require.Empty(t, r.Publish().Deliveries, "an event that is published meanwhile makes no delivery")
		harness.Pass(time.Hour)
		require.Equal(t, before, r.Endpoint.Count())

		active := webhook.Active
		w, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &active})
		require.NoError(t, err)
		require.Zero(t, w.ConsecutiveFailures)
		fail(9)
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
		fail(1)
		require.Equal(t, webhook.Disabled, r.Webhook(reg.Webhook.ID).Status)
		require.Len(t, notices, 1, "one notice for each time")
		r.Close()
	})
}

func TestPausedDeliveriesGoOnWhenEnabled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		r.Endpoint.Set(harness.Always(http.StatusServiceUnavailable))
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		synctest.Wait()
		require.Equal(t, 1, r.Endpoint.Count())
		disabled, active := webhook.Disabled, webhook.Active
		_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &disabled})
		require.NoError(t, err)
		harness.Pass(time.Hour)
		require.Equal(t, 1, r.Endpoint.Count())
		require.Equal(t, webhook.DeliveryPending, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)

		r.Endpoint.Set(nil)
		_, err = r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &active})
		require.NoError(t, err)
		synctest.Wait()
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Equal(t, time.Hour, r.Since(d.DeliveredAt), "at once")
		r.Close()
	})
}

func TestPausedDeliveriesFailAtRetentionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Retention: webhook.Retention{Paused: time.Hour}})
		r.Endpoint.Set(harness.Always(http.StatusServiceUnavailable))
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		synctest.Wait()
		disabled := webhook.Disabled
		_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &disabled})
		require.NoError(t, err)
		harness.Pass(2 * time.Hour)
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliveryFailed, d.Status)
		require.Equal(t, webhook.CodeWebhookDisabled, d.Code)
		require.Equal(t, 1, d.Attempts)
		r.Close()
	})
}

func TestRetentionPrunesTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Retention: webhook.Retention{Deliveries: time.Hour}})
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(50 * time.Minute)
		require.NotEmpty(t, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Payload)
		harness.Pass(20 * time.Minute)
		_, err := r.Svc.Delivery(t.Context(), harness.Merchant, reg.Webhook.ID, p.Deliveries[0].ID)
		require.ErrorIs(t, err, webhook.ErrNotFound)
		stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Zero(t, stats)
		r.Close()
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
				r := harness.NewRig(t, nil, nil)
				r.Endpoint.Set(harness.Always(tt.status, "Retry-After", tt.value))
				r.Register(event.TypeDocumentCreated)
				r.Publish()
				harness.Pass(time.Hour)
				r.Close()
				require.Equal(t, tt.want, r.Since(r.Endpoint.Seen()[1].At))
			})
		})
	}
}

func TestCountAttemptsCountsTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{CountAttempts: true, DisableAfter: 2})
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(30 * time.Second)
		require.Equal(t, 1, r.Webhook(reg.Webhook.ID).ConsecutiveFailures)
		harness.Pass(time.Hour)
		require.Equal(t, webhook.Disabled, r.Webhook(reg.Webhook.ID).Status)
		require.Equal(t, webhook.DeliveryPending, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status,
			"its third attempt is paused")
		r.Close()
	})
}

// TestGone has an endpoint that answers 410.
func TestGone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts     webhook.DispatcherOptions
		status   webhook.Status
		reason   webhook.Reason
		attempts int
	}{
		{webhook.DispatcherOptions{}, webhook.Active, "", 3},
		{webhook.DispatcherOptions{DisableOnGone: true}, webhook.Disabled, webhook.ReasonGone, 1},
		{webhook.DispatcherOptions{DisableOnGone: true, DisableAfterFailingFor: time.Hour, CountAttempts: true}, webhook.Disabled, webhook.ReasonGone, 1},
		{webhook.DispatcherOptions{DisableOnGone: true, NeverDisable: true}, webhook.Active, "", 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := harness.NewRig(t, nil, &tt.opts)
			r.Endpoint.Set(harness.Always(http.StatusGone))
			reg := r.Register(event.TypeDocumentCreated)
			_, err := r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
			require.NoError(t, err)
			harness.Pass(time.Second)
			require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status, "a test disables nothing")
			p := r.Publish()
			harness.Pass(time.Hour)
			r.Close()
			w := r.Webhook(reg.Webhook.ID)
			require.Equal(t, tt.status, w.Status)
			require.Equal(t, tt.reason, w.DisabledReason)
			d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
			require.Equal(t, webhook.DeliveryFailed, d.Status)
			require.Equal(t, tt.attempts, d.Attempts)
		})
	}
}

// TestACrowdedStoreIsAskedLess has a store that has nothing and says to come again at once.
func TestACrowdedStoreIsAskedLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newHooked()
		asked := 0
		st.claim = func(context.Context, store.ClaimRequest) (store.Claimed, error) {
			asked++
			return store.Claimed{At: time.Now()}, nil
		}
		r := harness.NewRig(t, st, nil)
		harness.Pass(10 * time.Second)
		require.Less(t, asked, 120)
		r.Close()
	})
}

func TestNeverDisable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{NeverDisable: true, DisableAfter: 1})
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		reg := r.Register(event.TypeDocumentCreated)
		r.Publish()
		harness.Pass(time.Hour)
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
		require.Equal(t, 1, r.Webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.Close()
	})
}

func TestLateResultCannotDisableAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Hang)
		r.Publish() // ends as a timeout after 10 s
		harness.Pass(5 * time.Second)
		for _, status := range []webhook.Status{webhook.Disabled, webhook.Active} {
			_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &status})
			require.NoError(t, err)
		}
		harness.Pass(time.Minute)
		w := r.Webhook(reg.Webhook.ID)
		require.Equal(t, webhook.Active, w.Status)
		require.Zero(t, w.ConsecutiveFailures)
		r.Close()
	})
}

// TestRetryAfterHoldsTheWebhook has a receiver that is over its limit for ten seconds, or
// says so for longer than any pause of the schedule.
func TestRetryAfterHoldsTheWebhook(t *testing.T) {
	t.Parallel()
	const due, per = 60, 10
	for _, tt := range []struct {
		after string
		held  time.Duration
	}{
		{"10", 10 * time.Second},
		{"99999999", 15 * time.Minute},
	} {
		t.Run(tt.after, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{PerWebhook: per})
				stop := r.Another(webhook.DispatcherOptions{PerWebhook: per})
				r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
					if time.Since(r.Began) < tt.held {
						return harness.Reply(http.StatusTooManyRequests, "", "Retry-After", tt.after), nil
					}
					return harness.Reply(http.StatusOK, ""), nil
				})
				reg := r.Register(event.TypeDocumentCreated)
				for range due {
					r.Publish()
				}
				harness.Pass(tt.held - time.Second)
				require.LessOrEqual(t, r.Endpoint.Count(), per, "requests before the time that was asked for")
				p, err := r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
				require.NoError(t, err)
				harness.Pass(0)
				require.Equal(t, 1, r.Delivery(reg.Webhook.ID, p.ID).Attempts, "a test goes out")
				harness.Pass(2 * time.Minute)
				stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
				require.NoError(t, err)
				require.EqualValues(t, due, stats.Succeeded)
				require.Less(t, r.Endpoint.Count(), due+2*per)
				stop()
				r.Close()
			})
		})
	}
}

// TestRetryAfterForEver has a receiver that always wants more time: its deliveries fail by
// the schedule, and it is disabled as any other.
func TestRetryAfterForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			time.Sleep(time.Second) // As many as may be are under way before the first answer.
			return harness.Reply(http.StatusServiceUnavailable, "", "Retry-After", "99999999"), nil
		})
		reg := r.Register(event.TypeDocumentCreated)
		for range 30 {
			r.Publish()
		}
		harness.Pass(80 * time.Minute)
		require.Equal(t, 30+30, r.Endpoint.Count(), "ten each quarter of an hour, those that wait longest first")
		harness.Pass(15 * time.Minute)
		require.Equal(t, webhook.Disabled, r.Webhook(reg.Webhook.ID).Status)
		r.Close()
	})
}
