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

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestPausesAfterOurOwnFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { panic("transport bug") })
		p := r.Publish()
		harness.Pass(5*time.Hour + 2*time.Minute)
		var at []time.Duration
		for _, c := range r.Endpoint.Seen() {
			at = append(at, r.Since(c.At)/time.Minute)
		}
		require.Equal(t, []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}, at, "in minutes")
		require.Equal(t, webhook.DeliveryPending, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
		harness.Pass(time.Minute)
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliveryFailed, d.Status)
		require.Equal(t, webhook.CodeInternal, d.Code)
		require.Len(t, r.Endpoint.Seen(), 10)
		require.Zero(t, r.Webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.Close()
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
				r := harness.NewRig(t, nil, nil)
				old := r.Register(event.TypeDocumentCreated)
				_, err := r.Svc.Rotate(t.Context(), harness.Merchant, old.Webhook.ID, webhook.DefaultGrace)
				require.NoError(t, err)
				knowsOld := harness.Knows(t, old.Secret)
				r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
					if a, _ := knowsOld(c); a.Status == http.StatusOK {
						return a, nil
					}
					return harness.Reply(status, ""), nil
				})
				p := r.Publish()
				harness.Pass(time.Second)
				d := r.Delivery(old.Webhook.ID, p.Deliveries[0].ID)
				require.Equal(t, posts, r.Endpoint.Count())
				require.Equal(t, 1, d.Attempts)
				require.Equal(t, posts == 2 || status == http.StatusOK, d.Status == webhook.DeliverySucceeded)
				r.Close()
			})
		})
	}
}

func TestATestLeavesTheStreakAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 4, Retry: retry.Policy{MaxAttempts: 1}})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		for range 3 {
			r.Publish()
		}
		harness.Pass(time.Second)
		for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
			r.Endpoint.Set(harness.Always(status))
			d, err := r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
			require.NoError(t, err)
			harness.Pass(time.Second)
			require.Equal(t, status, r.Delivery(reg.Webhook.ID, d.ID).StatusCode)
			require.Equal(t, 3, r.Webhook(reg.Webhook.ID).ConsecutiveFailures, status)
		}
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
		r.Close()
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
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			Observer: o, DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 2},
		})
		var err error
		r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{Observer: o})
		require.NoError(t, err)
		id := r.Register(event.TypeDocumentCreated).Webhook.ID
		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		e.ID = "evt_1"
		publish := func() webhook.Publication {
			p, err := r.Svc.Publish(t.Context(), harness.Merchant, e)
			require.NoError(t, err)
			return p
		}
		deliveryID := publish().Deliveries[0].ID
		synctest.Wait()
		r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
			time.Sleep(2 * time.Second)
			return harness.Always(http.StatusInternalServerError)(c)
		})
		publish() // once more
		second := r.Publish()
		harness.Pass(10 * time.Minute)
		r.Close()

		bytes := len(r.Endpoint.Seen()[0].Body)
		require.Equal(t, []webhook.PublishedInfo{
			{MerchantID: harness.Merchant, EventID: "evt_1", EventType: "document.created", Deliveries: 1, Bytes: bytes},
			{MerchantID: harness.Merchant, EventID: "evt_1", EventType: "document.created", Deliveries: 1, Bytes: bytes, Duplicate: true},
		}, published[:2])
		try := webhook.AttemptInfo{
			MerchantID: harness.Merchant, WebhookID: id, DeliveryID: deliveryID, EventID: "evt_1",
			EventType: "document.created", Number: 1, StatusCode: http.StatusOK,
		}
		fail := try
		fail.DeliveryID, fail.EventID = second.Deliveries[0].ID, second.EventID
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
		var logs harness.LockedBuffer
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
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
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, webhook.Registration{
			URL: "https://hooks.example.com/in?token=t0ken", Events: []string{"*"},
		})
		require.NoError(t, err)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			return harness.Reply(http.StatusInternalServerError, "peer says no", "X-Peer", "peer header"), nil
		})
		r.Publish()
		harness.Pass(30 * time.Second)
		require.Len(t, lines("INFO"), 1, "a failed attempt")
		require.Contains(t, logs.String(), "outcome=retry")
		require.Len(t, lines("WARN"), 0)
		harness.Pass(2 * time.Minute)
		require.Len(t, lines("INFO"), 1)
		warnings := lines("WARN")
		require.Len(t, warnings, 2)
		require.Contains(t, warnings[0], "outcome=failed")
		require.Contains(t, warnings[0], "status_code=500")
		require.Contains(t, warnings[1], "disabled")
		require.Contains(t, warnings[1], reg.Webhook.ID)
		_, err = r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		harness.Pass(time.Second)
		require.Empty(t, lines("ERROR"), "none of this is this side's fault")
		for _, secret := range []string{
			"hooks.example.com", "t0ken", "peer says", "peer header", "Café", "doc_1",
			reg.Secret.Reveal(), reg.Secret.Reveal()[6:], r.Endpoint.Seen()[0].Header.Get("X-Webhook-Signature"),
		} {
			require.NotContains(t, logs.String(), secret)
		}
		r.Close()
	})
}

func TestAnOldLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs harness.LockedBuffer
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
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(time.Minute)
		require.Equal(t, store.Released, results[0].Outcome)
		require.False(t, results[0].Fault, "it does not count")
		require.Equal(t, 1, strings.Count(logs.String(), "level=WARN"))
		require.Contains(t, logs.String(), "lease is too old")
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Equal(t, 51*time.Second, r.Since(d.DeliveredAt), "a second later")
		r.Close()
	})
}

func TestLimitsOfThisMachineDisableNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			return harness.Answer{}, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EMFILE}
		})
		p := r.Publish()
		harness.Pass(10 * time.Minute)
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
		r.Endpoint.Set(nil)
		harness.Pass(10 * time.Minute)
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
		r.Close()
	})
}
