package webhook_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestPausesAfterOurOwnFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		reg := r.register(event.TypeDocumentCreated)
		r.endpoint.set(func(call) (answer, error) { panic("transport bug") })
		p := r.publish()
		pass(5*time.Hour + 2*time.Minute)
		var at []time.Duration
		for _, c := range r.endpoint.seen() {
			at = append(at, r.since(c.at)/time.Minute)
		}
		require.Equal(t, []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}, at, "in minutes")
		require.Equal(t, store.DeliveryPending, r.delivery(reg.Webhook.ID, p.Deliveries[0]).Status)
		pass(time.Minute)
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, store.DeliveryFailed, d.Status)
		require.Equal(t, webhook.CodeInternal, d.Error)
		require.Len(t, r.endpoint.seen(), 10)
		require.Zero(t, r.webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.close()
	})
}

func TestOldSecretIsTriedWhereTheNewOneIsRefused(t *testing.T) {
	t.Parallel()
	for status, posts := range map[int]int{
		http.StatusUnauthorized:        2,
		http.StatusForbidden:           2,
		http.StatusOK:                  1,
		http.StatusBadRequest:          1,
		http.StatusNotFound:            1,
		http.StatusInternalServerError: 1,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				old := r.register(event.TypeDocumentCreated)
				_, err := r.svc.Rotate(t.Context(), merchant, old.Webhook.ID, webhook.DefaultGrace)
				require.NoError(t, err)
				knowsOld := knows(t, old.Secret)
				r.endpoint.set(func(c call) (answer, error) {
					if a, _ := knowsOld(c); a.status == http.StatusOK {
						return a, nil
					}
					return reply(status, ""), nil
				})
				p := r.publish()
				pass(time.Second)
				d := r.delivery(old.Webhook.ID, p.Deliveries[0])
				require.Equal(t, posts, r.endpoint.count())
				require.Equal(t, 1, d.Attempts)
				require.Equal(t, posts == 2 || status == http.StatusOK, d.Status == store.DeliverySucceeded)
				r.close()
			})
		})
	}
}

func TestATestLeavesTheStreakAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 4, Retry: retry.Policy{MaxAttempts: 1}})
		reg := r.register(event.TypeDocumentCreated)
		r.endpoint.set(always(http.StatusInternalServerError))
		for range 3 {
			r.publish()
		}
		pass(time.Second)
		for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
			r.endpoint.set(always(status))
			d, err := r.svc.Test(t.Context(), merchant, reg.Webhook.ID)
			require.NoError(t, err)
			pass(time.Second)
			require.Equal(t, status, r.delivery(reg.Webhook.ID, d.ID).StatusCode)
			require.Equal(t, 3, r.webhook(reg.Webhook.ID).ConsecutiveFailures, status)
		}
		require.Equal(t, webhook.Active, r.webhook(reg.Webhook.ID).Status)
		r.close()
	})
}

func TestObserverIsToldAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var published []webhook.PublishedInfo
		var attempted []webhook.AttemptInfo
		var settled []webhook.SettledInfo
		o := webhook.Observer{
			Published: func(_ context.Context, i webhook.PublishedInfo) { published = append(published, i) },
			Attempted: func(_ context.Context, i webhook.AttemptInfo) {
				mu.Lock()
				defer mu.Unlock()
				attempted = append(attempted, i)
			},
			Settled: func(_ context.Context, i webhook.SettledInfo) {
				mu.Lock()
				defer mu.Unlock()
				settled = append(settled, i)
			},
		}
		r := newRig(t, nil, &webhook.DispatcherOptions{
			Observer: o, DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 2},
		})
		var err error
		r.svc, err = webhook.NewService(r.store, &webhook.ServiceOptions{Observer: o})
		require.NoError(t, err)
		id := r.register(event.TypeDocumentCreated).Webhook.ID
		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		e.ID = "evt_1"
		publish := func() webhook.Publication {
			p, err := r.svc.Publish(t.Context(), merchant, e)
			require.NoError(t, err)
			return p
		}
		deliveryID := publish().Deliveries[0]
		synctest.Wait()
		r.endpoint.set(func(c call) (answer, error) {
			time.Sleep(2 * time.Second)
			return always(http.StatusInternalServerError)(c)
		})
		publish() // once more
		second := r.publish()
		pass(10 * time.Minute)
		r.close()

		bytes := len(r.endpoint.seen()[0].body)
		require.Equal(t, []webhook.PublishedInfo{
			{MerchantID: merchant, EventID: "evt_1", EventType: "document.created", Deliveries: 1, Bytes: bytes},
			{MerchantID: merchant, EventID: "evt_1", EventType: "document.created", Deliveries: 1, Bytes: bytes, Duplicate: true},
		}, published[:2])
		try := webhook.AttemptInfo{
			MerchantID: merchant, WebhookID: id, DeliveryID: deliveryID, EventID: "evt_1",
			EventType: "document.created", Number: 1, StatusCode: http.StatusOK,
		}
		fail := try
		fail.DeliveryID, fail.EventID = second.Deliveries[0], second.EventID
		fail.StatusCode, fail.Code, fail.Duration = http.StatusInternalServerError, webhook.CodeStatus, 2*time.Second
		last := fail
		last.Number = 2
		require.Equal(t, []webhook.AttemptInfo{try, fail, last}, attempted)
		require.Equal(t, []webhook.SettledInfo{
			{AttemptInfo: try, Status: webhook.DeliverySucceeded},
			{AttemptInfo: fail, Status: webhook.DeliveryPending, RetryIn: time.Minute},
			{AttemptInfo: last, Status: webhook.DeliveryFailed, Disabled: true},
		}, settled)
	})
}

func TestLogTellsTheRightThingsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs lockedBuffer
		r := newRig(t, nil, &webhook.DispatcherOptions{
			Logger:       slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
			DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 2},
		})
		lines := func(level string) (out []string) {
			for line := range strings.Lines(logs.String()) {
				if strings.Contains(line, "level="+level) {
					out = append(out, line)
				}
			}
			return out
		}
		reg, err := r.svc.Register(t.Context(), merchant, webhook.Registration{
			URL: "https://hooks.example.com/in?token=t0ken", Events: []string{"*"},
		})
		require.NoError(t, err)
		r.endpoint.set(func(call) (answer, error) {
			return reply(http.StatusInternalServerError, "peer says no", "X-Peer", "peer header"), nil
		})
		r.publish()
		pass(30 * time.Second)
		require.Len(t, lines("INFO"), 1, "a failed attempt")
		require.Contains(t, logs.String(), "outcome=retry")
		require.Len(t, lines("WARN"), 0)
		pass(2 * time.Minute)
		require.Len(t, lines("INFO"), 1)
		warnings := lines("WARN")
		require.Len(t, warnings, 2)
		require.Contains(t, warnings[0], "outcome=failed")
		require.Contains(t, warnings[0], "status_code=500")
		require.Contains(t, warnings[1], "disabled")
		require.Contains(t, warnings[1], reg.Webhook.ID)
		_, err = r.svc.Test(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		pass(time.Second)
		require.Empty(t, lines("ERROR"), "none of this is this side's fault")
		for _, secret := range []string{
			"hooks.example.com", "t0ken", "peer says", "peer header", "Café", "doc_1",
			reg.Secret.Reveal(), reg.Secret.Reveal()[6:], r.endpoint.seen()[0].header.Get("X-Webhook-Signature"),
		} {
			require.NotContains(t, logs.String(), secret)
		}
		r.close()
	})
}

func TestAnOldLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs lockedBuffer
		var mu sync.Mutex
		var results []store.Result
		st := newHooked()
		slow := 50 * time.Second
		st.claim = func(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
			got, err := st.Store.Claim(ctx, c)
			if len(got.Leases) > 0 {
				time.Sleep(slow)
				slow = 0
			}
			return got, err
		}
		st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
			mu.Lock()
			results = append(results, rs...)
			mu.Unlock()
			return st.Store.Finish(ctx, rs)
		}
		r := newRig(t, st, &webhook.DispatcherOptions{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
		reg := r.register(event.TypeDocumentCreated)
		p := r.publish()
		pass(time.Minute)
		require.Equal(t, store.Released, results[0].Outcome)
		require.False(t, results[0].Fault, "it does not count")
		require.Equal(t, 1, strings.Count(logs.String(), "level=WARN"))
		require.Contains(t, logs.String(), "lease is too old")
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, store.DeliverySucceeded, d.Status)
		require.Equal(t, 51*time.Second, r.since(d.DeliveredAt), "a second later")
		r.close()
	})
}

func TestLimitsOfThisMachineDisableNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}})
		reg := r.register(event.TypeDocumentCreated)
		r.endpoint.set(func(call) (answer, error) {
			return answer{}, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EMFILE}
		})
		p := r.publish()
		pass(10 * time.Minute)
		require.Equal(t, webhook.Active, r.webhook(reg.Webhook.ID).Status)
		r.endpoint.set(nil)
		pass(10 * time.Minute)
		require.Equal(t, store.DeliverySucceeded, r.delivery(reg.Webhook.ID, p.Deliveries[0]).Status)
		r.close()
	})
}
