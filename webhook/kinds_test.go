package webhook_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// steps notes when the steps of a kind of jobs were made.
type steps struct {
	mu sync.Mutex
	at []time.Time
	do func(ctx context.Context, n int) (store.JobUpdate, error) // n from 1
}

func (s *steps) step(ctx context.Context, j store.Job) (store.JobUpdate, error) {
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	n := len(s.at)
	s.mu.Unlock()
	return s.do(ctx, n)
}

// after are the times of the steps since a moment, in whole seconds.
func (s *steps) after(began time.Time) (out []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.at {
		out = append(out, int(at.Sub(began).Round(time.Second)/time.Second))
	}
	return out
}

func addJob(t *testing.T, st store.Jobs) store.Job {
	t.Helper()
	j, err := st.AddJob(t.Context(), "~host", store.Job{ID: "job_1", Scope: "1", Kind: "count", State: []byte("{}")})
	require.NoError(t, err)
	return j
}

// A job of the host's kind is done by a dispatcher that knows the kind, and by no other.
func TestJobsOfFurtherKinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, memstore.New(nil), nil)
		defer r.Close()
		addJob(t, r.Store)
		harness.Pass(5 * time.Minute)
		j, err := r.Store.Job(t.Context(), "~host", "job_1")
		require.NoError(t, err)
		require.EqualValues(t, 1, j.Version, "others leave it alone")
		s := &steps{do: func(_ context.Context, n int) (store.JobUpdate, error) {
			return store.JobUpdate{State: []byte{'0' + byte(n)}, Delay: 2 * time.Second, End: n == 3}, nil
		}}
		stop := r.Another(webhook.DispatcherOptions{Jobs: map[string]webhook.JobFunc{"count": s.step}})
		defer stop()
		harness.Pass(10 * time.Second) // The other one, which looks as often, does not hold it up.
		j, err = r.Store.Job(t.Context(), "~host", "job_1")
		require.NoError(t, err)
		require.Equal(t, "3", string(j.State))
		require.False(t, j.EndedAt.IsZero())
		require.EqualValues(t, 4, j.Version)
	})
}

// After an error, or a panic, a job waits longer each time, and its state stays.
func TestAJobWaitsAfterErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &steps{do: func(_ context.Context, n int) (store.JobUpdate, error) {
			switch {
			case n == 3:
				panic("no")
			case n < 9:
				return store.JobUpdate{State: []byte("lost"), End: true}, errors.New("no")
			}
			return store.JobUpdate{End: true}, nil
		}}
		var troubles []webhook.TroubleInfo
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			Jobs:     map[string]webhook.JobFunc{"count": s.step},
			Observer: webhook.Observer{Trouble: func(_ context.Context, i webhook.TroubleInfo) { troubles = append(troubles, i) }},
		})
		defer r.Close()
		began := time.Now()
		addJob(t, r.Store)
		harness.Pass(10 * time.Minute)
		at := s.after(began)
		require.Len(t, at, 9)
		for i, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			require.InDelta(t, want, at[i+1]-at[i], 2.5, "an idle dispatcher looks every two seconds: %v", at)
		}
		j, err := r.Store.Job(t.Context(), "~host", "job_1")
		require.NoError(t, err)
		require.Equal(t, "{}", string(j.State))
		require.Len(t, troubles, 2)
		require.Equal(t, "job count", troubles[0].In)
		require.NoError(t, troubles[1].Err)
	})
}

// A step is bounded by the lease, and one that is cut short by a stop gives its job back at
// once.
func TestAStepHasBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := &steps{do: func(ctx context.Context, _ int) (store.JobUpdate, error) {
			<-ctx.Done()
			return store.JobUpdate{}, ctx.Err()
		}}
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Jobs: map[string]webhook.JobFunc{"count": hang.step}})
		began := time.Now()
		addJob(t, r.Store)
		harness.Pass(100 * time.Second)
		at := hang.after(began)
		require.Len(t, at, 2)
		require.InDelta(t, 51, at[1]-at[0], 2, "50 seconds, and the pause after an error")
		r.Close()
		jobs, err := r.Store.ClaimJobs(t.Context(), []string{"count"}, 1, time.Minute)
		require.NoError(t, err)
		require.Len(t, jobs, 1)
	})
}

func TestKindsOfJobsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewDispatcher(memstore.New(nil), &webhook.DispatcherOptions{Jobs: map[string]webhook.JobFunc{"mine": nil}})
	require.ErrorContains(t, err, "mine")
}
