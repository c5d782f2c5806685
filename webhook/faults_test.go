package webhook_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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

// faulty is a store that can be made to fail in any call of a dispatcher.
type faulty struct {
	store.Store

	mu    sync.Mutex
	fault func(method string) error
}

func (f *faulty) set(fault func(method string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *faulty) check(method string) error {
	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(method)
}

func (f *faulty) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	if err := f.check("Claim"); err != nil {
		return store.Claimed{}, err
	}
	return f.Store.Claim(ctx, c)
}

func (f *faulty) Finish(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
	if err := f.check("Finish"); err != nil {
		return nil, err
	}
	return f.Store.Finish(ctx, rs)
}

// Volatile is that of the store within.
func (f *faulty) Volatile() bool { return true }

func (f *faulty) Watch(ctx context.Context, wake func()) error {
	if err := f.check("Watch"); err != nil {
		return err
	}
	return f.Store.Watch(ctx, wake)
}

func (f *faulty) Prune(ctx context.Context, p store.PruneRequest) (store.Pruned, error) {
	if err := f.check("Prune"); err != nil {
		return store.Pruned{}, err
	}
	return f.Store.Prune(ctx, p)
}

func (f *faulty) ClaimNotices(ctx context.Context, n int, lease time.Duration) ([]store.NoticeLease, error) {
	if err := f.check("ClaimNotices"); err != nil {
		return nil, err
	}
	return f.Store.ClaimNotices(ctx, n, lease)
}

var errDown = errors.New("store is down")

func down(string) error { return errDown }

func TestSurvivesAStoreOutage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(string) error{
		"errors": down,
		"panics": func(string) error { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &faulty{Store: memstore.New(nil), fault: fault}
				r := harness.NewRig(t, st, nil)
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()
				harness.Pass(time.Minute)
				require.Zero(t, r.Endpoint.Count())
				st.set(nil)
				harness.Pass(2 * time.Second)
				require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status,
					"deliveries resume within two seconds")
				require.Equal(t, 1, r.Endpoint.Count())
				r.Close()
			})
		})
	}
}

func TestResultsAreStoredAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: memstore.New(nil)}
		r := harness.NewRig(t, st, nil)
		reg := r.Register(event.TypeDocumentCreated)
		st.set(func(method string) error {
			if method == "Finish" {
				return errDown
			}
			return nil
		})
		p := r.Publish()
		harness.Pass(30 * time.Second)
		require.Equal(t, webhook.DeliveryPending, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
		st.set(nil)
		harness.Pass(2 * time.Second)
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
		harness.Pass(time.Hour)
		require.Equal(t, 1, r.Endpoint.Count(), "an outage shorter than the lease makes no second delivery")
		r.Close()
	})
}

func TestALongOutageDeliversAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{Store: memstore.New(nil)}
		r := harness.NewRig(t, st, nil)
		reg := r.Register(event.TypeDocumentCreated)
		st.set(func(method string) error {
			if method == "Finish" {
				return errDown
			}
			return nil
		})
		p := r.Publish()
		harness.Pass(61 * time.Second) // past the lease
		st.set(nil)
		harness.Pass(2 * time.Minute)
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Equal(t, 1, d.Attempts, "what was not stored does not count")
		require.Positive(t, d.Reclaims)
		r.Close()
	})
}

func TestOurOwnFaultsCostNeitherAttemptNorWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { panic("transport bug") })
		p := r.Publish()
		harness.Pass(30 * time.Second)
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliveryPending, d.Status)
		require.Zero(t, d.Attempts)
		require.Equal(t, 1, d.Reclaims)

		other := r.Publish()
		r.Endpoint.Set(nil)
		harness.Pass(time.Hour)
		for _, id := range []string{p.Deliveries[0].ID, other.Deliveries[0].ID} {
			require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, id).Status)
		}
		r.Close()
	})
}

func TestAPoisonousDeliveryIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1, MaxReclaims: 3})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { panic("transport bug") })
		p := r.Publish()
		harness.Pass(2 * time.Hour)
		require.Equal(t, 3, r.Endpoint.Count())
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliveryFailed, d.Status)
		require.Equal(t, webhook.CodeInternal, d.Code)
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
		require.Zero(t, r.Webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.Close()
	})
}

func TestSurvivesPanickingCallbacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			DisableAfter: 1,
			Observer: webhook.Observer{
				Attempted: func(context.Context, webhook.AttemptInfo) { panic("observer") },
				Settled:   func(context.Context, webhook.SettledInfo) { panic("observer") },
			},
			OnNotice: func(context.Context, webhook.Notice) error {
				switch calls.Add(1) {
				case 1:
					panic("mail bug")
				case 2:
					return errors.New("mail server is down")
				}
				return nil
			},
		})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		r.Publish()
		harness.Pass(6*time.Minute + time.Second)
		require.Equal(t, webhook.Disabled, r.Webhook(reg.Webhook.ID).Status)
		require.Equal(t, int32(1), calls.Load())
		harness.Pass(time.Hour)
		require.Equal(t, int32(3), calls.Load(), "again after an error, and no more after success")
		r.Close()
	})
}

func TestAnEndpointsFailureIsNoErrorOfOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs harness.LockedBuffer
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { return harness.Answer{}, io.ErrUnexpectedEOF })
		r.Publish()
		harness.Pass(2 * time.Minute)
		require.Empty(t, logs.String(), "nobody is paged for an attempt")
		harness.Pass(time.Hour)
		require.Equal(t, 1, strings.Count(logs.String(), "\n"))
		require.Contains(t, logs.String(), "level=WARN")
		require.Contains(t, logs.String(), "code="+webhook.CodeConnection)
		r.Close()
	})
}

func TestStopLetsDeliveriesFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			time.Sleep(8 * time.Second)
			return harness.Reply(http.StatusOK, ""), nil
		})
		p := r.Publish()
		harness.Pass(time.Second)
		later := r.Publish()
		synctest.Wait()
		r.Stop()
		synctest.Wait()
		stopped := time.Now()
		unclaimed := r.Publish()
		require.NoError(t, <-r.Stopped)
		require.Equal(t, 8*time.Second, time.Since(stopped), "no longer than they take")
		for _, id := range []string{p.Deliveries[0].ID, later.Deliveries[0].ID} {
			require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, id).Status)
		}
		require.Equal(t, webhook.DeliveryPending, r.Delivery(reg.Webhook.ID, unclaimed.Deliveries[0].ID).Status)
		require.Equal(t, 2, r.Endpoint.Count(), "nothing is claimed after the stop")
	})
}

func TestStopGivesBackWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{DrainTimeout: 2 * time.Second})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Hang)
		p := r.Publish()
		synctest.Wait()
		r.Close()
		require.Equal(t, 2*time.Second, time.Since(r.Began))
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliveryPending, d.Status)
		require.False(t, d.Leased, "free for another process at once")
		require.Zero(t, d.Attempts)
		require.Zero(t, d.Reclaims)
	})
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		require.ErrorIs(t, r.Disp.Run(t.Context()), webhook.ErrRunning)
		r.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { r.Stopped <- r.Disp.Run(ctx) }()
		synctest.Wait()
		r.Register(event.TypeDocumentCreated)
		r.Publish()
		synctest.Wait()
		require.Equal(t, 1, r.Endpoint.Count(), "it runs again after a stop")
		cancel()
		require.NoError(t, <-r.Stopped)
	})
}

// stalled is a store whose answers arrive late, as to a process that was
// stopped in between.
type stalled struct {
	store.Store

	delay time.Duration
}

// Volatile is that of the store within.
func (s *stalled) Volatile() bool { return true }

func (s *stalled) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	got, err := s.Store.Claim(ctx, c)
	if len(got.Leases) > 0 && s.delay > 0 {
		time.Sleep(s.delay)
		s.delay = 0
	}
	return got, err
}

func TestAStalledProcessDoesNotUseAnOldLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, &stalled{Store: memstore.New(nil), delay: 50 * time.Second}, nil)
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(2 * time.Minute)
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Equal(t, 1, d.Attempts)
		require.Zero(t, d.Reclaims)
		require.Equal(t, 1, r.Endpoint.Count(), "the old lease was given back unused")
		r.Close()
	})
}

func TestManyDispatchersMakeNoSecondDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		for range 3 {
			r.Another(webhook.DispatcherOptions{})
		}
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			time.Sleep(20 * time.Millisecond)
			return harness.Reply(http.StatusOK, ""), nil
		})
		reg := r.Register(event.TypeDocumentCreated)
		for range 500 {
			r.Publish()
		}
		harness.Pass(time.Minute)
		require.Equal(t, 500, r.Endpoint.Count())
		stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.Stats{Total: 500, Succeeded: 500, Attempts: 500}, stats)
		r.Close()
	})
}
