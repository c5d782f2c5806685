package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// disabling are options with which every failure disables a webhook.
func disabling(f func(context.Context, webhook.Notice) error) *webhook.DispatcherOptions {
	return &webhook.DispatcherOptions{DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}, OnNotice: f}
}

func TestOnNoticeIsCalledOnceForEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := map[string]int{}
		o := disabling(func(_ context.Context, n webhook.Notice) error {
			time.Sleep(10 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			told[n.WebhookID]++
			return nil
		})
		r := harness.NewRig(t, nil, o)
		r.Another(*o)
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		want := map[string]int{}
		for range 10 {
			want[r.Register(event.TypeDocumentCreated).Webhook.ID] = 1
		}
		r.Publish()
		harness.Pass(20 * time.Minute)
		require.Equal(t, want, told)
		r.Close()
	})
}

func TestOnNoticeHasFiftySeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var took, again atomic.Int64
		r := harness.NewRig(t, nil, disabling(func(ctx context.Context, _ webhook.Notice) error {
			began := time.Now()
			if took.Load() != 0 {
				again.Add(1)
				return nil
			}
			<-ctx.Done()
			took.Store(int64(time.Since(began)))
			return errors.New("no mail server answers")
		}))
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		r.Register(event.TypeDocumentCreated)
		r.Publish()
		harness.Pass(5 * time.Minute)
		require.Equal(t, 50*time.Second, time.Duration(took.Load()))
		require.EqualValues(t, 1, again.Load(), "and is called again")
		r.Close()
	})
}

func TestARunningOnNoticeIsToldToStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := make(chan struct{})
		r := harness.NewRig(t, nil, disabling(func(ctx context.Context, _ webhook.Notice) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		}))
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		r.Register(event.TypeDocumentCreated)
		r.Publish()
		<-began
		stopped := time.Now()
		r.Close()
		require.Zero(t, time.Since(stopped))
	})
}

// told records notices.
type told struct {
	mu  sync.Mutex
	all []webhook.Notice
}

func (l *told) take(_ context.Context, n webhook.Notice) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, n)
	return nil
}

func (l *told) kinds() []webhook.NoticeKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []webhook.NoticeKind
	for _, n := range l.all {
		out = append(out, n.Kind)
	}
	return out
}

func TestWarnedDisabledRecovered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l told
		o := disabling(l.take)
		o.WarnAfter, o.DisableAfter = 2, 4
		r := harness.NewRig(t, nil, o)
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		reg := r.Register(event.TypeDocumentCreated)
		fail := func(n int) {
			for range n {
				r.Publish()
				harness.Pass(time.Minute)
			}
		}
		fail(1)
		require.Empty(t, l.kinds())
		fail(3)
		require.Equal(t, []webhook.NoticeKind{webhook.NoticeWarning, webhook.NoticeDisabled}, l.kinds())
		require.Equal(t, webhook.Notice{
			ID: l.all[0].ID, Kind: webhook.NoticeWarning, MerchantID: harness.Merchant, WebhookID: reg.Webhook.ID,
			URL: reg.Webhook.URL, Failures: 2, DisableAfter: 4, Since: r.Began.UTC(), At: r.Began.Add(time.Minute).UTC(),
		}, l.all[0])
		require.Equal(t, 4, l.all[1].Failures)
		require.Equal(t, webhook.ReasonFailures, l.all[1].Reason)

		_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: new(webhook.Active)})
		require.NoError(t, err)
		r.Endpoint.Set(nil)
		fail(2)
		require.Equal(t, []webhook.NoticeKind{webhook.NoticeWarning, webhook.NoticeDisabled, webhook.NoticeRecovered}, l.kinds())
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		fail(2)
		require.Len(t, l.kinds(), 3, "no second warning within a day")
		harness.Pass(24 * time.Hour)
		fail(1)
		require.Equal(t, webhook.NoticeWarning, l.kinds()[3])
		r.Close()
	})
}

func TestANoticeThatFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		taken := map[string]int{}
		var bad string
		var tries []time.Time
		r := harness.NewRig(t, nil, disabling(func(_ context.Context, n webhook.Notice) error {
			mu.Lock()
			defer mu.Unlock()
			if n.WebhookID == bad {
				tries = append(tries, time.Now())
				return errors.New("no such mailbox")
			}
			taken[n.WebhookID]++
			return nil
		}))
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		bad = r.Register(event.TypeDocumentCreated).Webhook.ID
		r.Publish()
		harness.Pass(10 * time.Second)
		want := map[string]int{}
		for range 20 {
			want[r.Register(event.TypeDocumentCreated).Webhook.ID] = 1
		}
		r.Publish()
		harness.Pass(10 * time.Second)
		mu.Lock()
		require.Equal(t, want, taken)
		mu.Unlock()
		harness.Pass(24 * time.Hour)
		require.Equal(t, want, taken)

		gaps := make([]time.Duration, len(tries)-1)
		for i := range gaps {
			gaps[i] = tries[i+1].Sub(tries[i])
		}
		require.True(t, slices.IsSorted(gaps[:len(gaps)-1]), "%v", gaps)
		require.InDelta(t, time.Minute, gaps[0], float64(2*time.Second))
		require.InDelta(t, time.Hour, gaps[len(gaps)-1], float64(2*time.Second))
		require.InDelta(t, 33, len(gaps), 3, "in a day")
		r.Close()
	})
}

func TestSomeNoticesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most, all atomic.Int64
		r := harness.NewRig(t, nil, disabling(func(ctx context.Context, _ webhook.Notice) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
			}
			all.Add(1)
			return nil
		}))
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		for range 20 {
			r.Register(event.TypeDocumentCreated)
		}
		r.Publish()
		harness.Pass(15 * time.Second)
		require.EqualValues(t, 8, most.Load())
		harness.Pass(30 * time.Second)
		require.EqualValues(t, 20, all.Load())
		require.EqualValues(t, 8, most.Load())
		r.Close()
	})
}

func TestAStopGivesNoticesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := make(chan struct{})
		r := harness.NewRig(t, nil, disabling(func(ctx context.Context, _ webhook.Notice) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		}))
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		r.Register(event.TypeDocumentCreated)
		r.Publish()
		<-began
		var l told
		stop := r.Another(*disabling(l.take))
		harness.Pass(10 * time.Second)
		require.Empty(t, l.kinds(), "it is with the first")
		r.Close()
		harness.Pass(2 * time.Second)
		require.Len(t, l.kinds(), 1)
		stop()
	})
}

// A call of OnNotice that outlived its claim fails, and its dispatcher has to stop,
// while another call has the notice.
func TestAStopGivesBackNoNoticeOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		o := disabling(func(context.Context, webhook.Notice) error {
			if calls.Add(1) == 1 {
				time.Sleep(90 * time.Second) // whatever its context says
				return errors.New("too late")
			}
			time.Sleep(45 * time.Second)
			return nil
		})
		r := harness.NewRig(t, nil, o)
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		r.Register(event.TypeDocumentCreated)
		r.Publish()
		harness.Pass(10 * time.Second)
		stop := r.Another(*o)
		harness.Pass(70 * time.Second)
		require.EqualValues(t, 2, calls.Load(), "the lease of the first has ended")
		r.Close()
		harness.Pass(time.Hour)
		require.EqualValues(t, 2, calls.Load())
		stop()
	})
}

func TestWarnAfterIsBelowDisableAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		o    webhook.DispatcherOptions
		says string
	}{
		{"below", webhook.DispatcherOptions{WarnAfter: 9}, ""},
		{"equal", webhook.DispatcherOptions{WarnAfter: 10}, "WarnAfter of 10 is not below the DisableAfter of 10"},
		{"never disables", webhook.DispatcherOptions{WarnAfter: 10, NeverDisable: true}, ""},
		{"negative", webhook.DispatcherOptions{WarnAfter: -1, WarnPause: -1}, "WarnAfter is too low\nWarnPause is too low"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.InsecurePlaintextSecrets = true
			_, err := webhook.NewDispatcher(newHooked(), &tt.o)
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
		})
	}
}
