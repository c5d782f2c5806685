package webhook_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func isTest(c harness.Call) bool {
	return c.Header.Get("X-Webhook-Event") == string(event.TypeWebhookTest)
}

// probed is a rig whose first failure disables the webhook, with what its owner hears.
type probed struct {
	*harness.Rig

	mu      sync.Mutex
	notices []webhook.Notice
}

func newProbed(t *testing.T, st store.Store, o webhook.DispatcherOptions) *probed {
	t.Helper()
	p := &probed{}
	o.DisableAfter, o.Retry.MaxAttempts, o.Probe = 1, 1, []time.Duration{unit, 6 * unit, 24 * unit}
	o.OnNotice = func(_ context.Context, n webhook.Notice) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.notices = append(p.notices, n)
		return nil
	}
	p.Rig = harness.NewRig(t, st, &o)
	return p
}

// unit is the first pause of a probed webhook.
const unit = 10 * time.Minute

// requireTests requires when tests arrived, in units since the beginning; pauses are up to a
// quarter longer than asked for.
func (p *probed) requireTests(want ...int) {
	p.T.Helper()
	var got []float64
	for _, c := range p.Endpoint.Seen() {
		if isTest(c) {
			got = append(got, float64(c.At.Sub(p.Began))/float64(unit))
		}
	}
	require.Len(p.T, got, len(want), "%v", got)
	for i, at := range got {
		require.InDelta(p.T, 1.125*float64(want[i])+0.5, at, 0.125*float64(want[i])+0.6, "%v", got)
	}
}

func (p *probed) kinds() (out []webhook.NoticeKind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.notices {
		out = append(out, n.Kind)
	}
	return out
}

func TestProbe(t *testing.T) {
	t.Parallel()
	const disabled, enabled = webhook.NoticeDisabled, webhook.NoticeEnabled
	owner := func(statuses ...webhook.Status) func(*probed, string) {
		return func(p *probed, id string) {
			for _, status := range statuses {
				_, err := p.Svc.Update(p.T.Context(), harness.Merchant, id, webhook.Update{Status: &status})
				require.NoError(p.T, err)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		well    time.Duration // since when the endpoint is well; never if it is negative
		hollow  bool          // it is well for tests at any time
		status  int           // of its answer until then
		act     func(*probed, string)
		at      []int
		notices []webhook.NoticeKind
		active  bool
	}{
		{name: "well before the first", well: time.Minute, at: []int{1}, notices: []webhook.NoticeKind{disabled, enabled}, active: true},
		{name: "well before the second", well: 2 * unit, at: []int{1, 7}, notices: []webhook.NoticeKind{disabled, enabled}, active: true},
		{name: "never well", well: -1, at: []int{1, 7, 31}, notices: []webhook.NoticeKind{disabled}},
		{name: "well for tests alone", well: -1, hollow: true, at: []int{1, 7, 32}, notices: []webhook.NoticeKind{disabled, enabled, disabled, enabled, disabled, enabled, disabled}},
		{name: "enabled by its owner", well: time.Minute, act: owner(webhook.Active), notices: []webhook.NoticeKind{disabled, webhook.NoticeRecovered}, active: true},
		{name: "disabled by its owner", well: time.Minute, act: owner(webhook.Active, webhook.Disabled), notices: []webhook.NoticeKind{disabled}},
		{name: "enabled by its owner in vain", well: -1, act: func(p *probed, id string) {
			harness.Pass(2 * unit)
			owner(webhook.Active)(p, id)
		}, at: []int{1, 3, 9, 33}, notices: []webhook.NoticeKind{disabled, disabled}},
		{name: "gone", well: time.Minute, status: http.StatusGone, notices: []webhook.NoticeKind{disabled}},
		{name: "deleted", well: time.Minute, act: func(p *probed, id string) {
			require.NoError(p.T, p.Svc.Delete(p.T.Context(), harness.Merchant, id, 0))
		}, notices: []webhook.NoticeKind{disabled}},
		{name: "its dispatcher is another one", well: time.Minute, act: func(p *probed, _ string) {
			p.Close()
			p.Another(webhook.DispatcherOptions{DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}, Probe: []time.Duration{unit}})
		}, at: []int{1}, notices: []webhook.NoticeKind{disabled}, active: true},
		{name: "another dispatcher probes nobody", well: -1, act: func(p *probed, _ string) {
			p.Another(webhook.DispatcherOptions{DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}})
		}, at: []int{1, 7, 31}, notices: []webhook.NoticeKind{disabled}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProbed(t, nil, webhook.DispatcherOptions{DisableOnGone: true})
				p.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
					if tt.well >= 0 && time.Since(p.Began) >= tt.well || tt.hollow && isTest(c) {
						return harness.Reply(http.StatusOK, ""), nil
					}
					return harness.Reply(cmp.Or(tt.status, http.StatusInternalServerError), ""), nil
				})
				reg := p.Register(event.TypeDocumentCreated)
				p.Publish()
				harness.Pass(unit / 6)
				require.Equal(t, webhook.Disabled, p.Webhook(reg.Webhook.ID).Status)
				if tt.act != nil {
					tt.act(p, reg.Webhook.ID)
				}
				for range 60 {
					p.Publish()
					harness.Pass(unit)
				}
				p.requireTests(tt.at...)
				require.Equal(t, tt.notices, p.kinds())
				if w, err := p.Svc.Webhook(t.Context(), harness.Merchant, reg.Webhook.ID); err == nil {
					require.Equal(t, tt.active, w.Status == webhook.Active)
				}
				jobs, err := p.Store.ListJobs(t.Context(), harness.Merchant, store.JobQuery{Limit: 10})
				require.NoError(t, err)
				require.NotEmpty(t, jobs.Jobs)
				for _, j := range jobs.Jobs {
					require.True(t, len(tt.at) > 0 || !j.EndedAt.IsZero(), "there is nothing more to do")
				}
				p.Stop()
			})
		})
	}
}

// TestProbeTellsWhatWasMissed has a webhook that a second test enables, of which one
// delivery has waited. What it missed is counted, and what waited is delivered.
func TestProbeTellsWhatWasMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs strings.Builder
		p := newProbed(t, nil, webhook.DispatcherOptions{PerWebhook: 1, Logger: textLogger(&logs)})
		p.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			if time.Since(p.Began) < 2*unit {
				return harness.Reply(http.StatusInternalServerError, ""), nil
			}
			return harness.Reply(http.StatusOK, ""), nil
		})
		id := p.Register(event.TypeDocumentCreated).Webhook.ID
		p.Publish()
		p.Publish() // It waits, for one is under way.
		harness.Pass(time.Minute)
		before := p.Webhook(id)
		for range 3 {
			p.Publish()
		}
		harness.Pass(10 * unit)
		p.Publish()
		harness.Pass(time.Minute)
		w := p.Webhook(id)
		require.Equal(t, webhook.Active, w.Status)
		n := p.notices[len(p.notices)-1]
		require.Equal(t, webhook.NoticeEnabled, n.Kind)
		require.Contains(t, anonymous(logs.String()), `level=INFO msg="webhook enabled by a probe" merchant_id=merchant_42 webhook_id=whk probe=2`)
		require.Equal(t, 3, n.Missed)
		require.False(t, n.MissedMore)
		require.Equal(t, before.DisabledAt, n.Since)
		stats, err := p.Svc.Stats(t.Context(), harness.Merchant, id)
		require.NoError(t, err)
		require.Zero(t, stats.Pending)
		require.EqualValues(t, 2+1, stats.Succeeded, "what waited, one of after, and the second test")
		p.Close()
	})
}

// TestProbeIsNotLostWithItsProcess has a store that takes no job when the webhook is
// disabled. The one who gets the notice adds it.
func TestProbeIsNotLostWithItsProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &jobless{Store: memstore.New(nil), left: 1}
		p := newProbed(t, st, webhook.DispatcherOptions{})
		p.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		p.Register(event.TypeDocumentCreated)
		p.Publish()
		harness.Pass(2 * unit)
		p.requireTests(1)
		require.Zero(t, st.left)
		p.Close()
	})
}

// jobless is a store that loses the first jobs.
type jobless struct {
	*memstore.Store

	mu   sync.Mutex
	left int
}

func (s *jobless) AddJob(ctx context.Context, merchantID string, j store.Job) (store.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left > 0 {
		s.left--
		return store.Job{}, errors.New("lost")
	}
	return s.Store.AddJob(ctx, merchantID, j)
}

func TestProbeOptions(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewDispatcher(memstore.New(nil), &webhook.DispatcherOptions{Probe: []time.Duration{time.Hour, time.Second}})
	require.ErrorContains(t, err, "pause 2 of Probe, 1s, is shorter than a minute")
}
