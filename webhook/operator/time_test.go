package operator_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// dying is a store that takes so many steps of jobs from a process, and then hears nothing
// of it any more.
type dying struct {
	store.Store

	left atomic.Int64
}

func (d *dying) UpdateJob(ctx context.Context, m, id string, u store.JobUpdate) (store.Job, error) {
	if d.left.Add(-1) < 0 {
		return store.Job{}, errors.New("nobody is there")
	}
	return d.Store.UpdateJob(ctx, m, id, u)
}

func (d *dying) ClaimJobs(ctx context.Context, kinds []string, limit int, lease time.Duration) ([]store.Job, error) {
	if d.left.Load() < 0 {
		return nil, errors.New("nobody is there")
	}
	return d.Store.ClaimJobs(ctx, kinds, limit, lease)
}
func (d *dying) Volatile() bool { return true }

// A job whose process dies in the middle of a step goes on at another one, once the lease
// is over.
func TestAJobOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memstore.New(nil))
		all := d.register("a", 100)
		first := &dying{Store: d.st}
		first.left.Store(2)
		rig := harness.NewRig(t, first, &webhook.DispatcherOptions{Jobs: d.Jobs()})
		begun, err := d.Begin(t.Context(), operator.Request{Kind: operator.KindDisable, Selection: operator.Selection{Merchants: []string{"a"}}})
		require.NoError(t, err)
		harness.Pass(10 * time.Second)
		rig.Close()
		j, err := d.Job(t.Context(), begun.ID)
		require.NoError(t, err)
		require.Less(t, j.Webhooks, 100)
		require.Equal(t, operator.JobRunning, j.Status)

		second := harness.NewRig(t, d.st, &webhook.DispatcherOptions{Jobs: d.Jobs()})
		defer second.Close()
		harness.Pass(10 * time.Second)
		j, err = d.Job(t.Context(), begun.ID)
		require.NoError(t, err)
		require.Equal(t, operator.JobRunning, j.Status, "the lease of the dead one lasts")
		harness.Pass(time.Minute)
		j, err = d.Job(t.Context(), begun.ID)
		require.NoError(t, err)
		require.Equal(t, operator.JobDone, j.Status)
		require.Equal(t, 100, j.Webhooks)
		require.Equal(t, 100, j.Changed+j.Skipped)
		for _, w := range all {
			require.Equal(t, webhook.Disabled, d.webhook(w).Status)
			changes, err := d.svc.Changes(t.Context(), "a", w.ID)
			require.NoError(t, err)
			require.Len(t, changes, 2, "nothing was done twice")
		}
	})
}

// A rate bounds how many webhooks are acted on in a second, and not how many are looked at.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memstore.New(nil))
		all := d.register("a", 100)
		d.set(webhook.Disabled, all[40:]...)
		rig := harness.NewRig(t, d.st, &webhook.DispatcherOptions{Jobs: d.Jobs()})
		defer rig.Close()
		begun, err := d.Begin(t.Context(), operator.Request{
			Kind: operator.KindDisable, Rate: 5, Selection: operator.Selection{All: true, Status: webhook.Active},
		})
		require.NoError(t, err)
		for s := range 8 {
			harness.Pass(4500*time.Millisecond - 3500*time.Millisecond*time.Duration(min(s, 1)))
			j, err := d.Job(t.Context(), begun.ID)
			require.NoError(t, err)
			require.LessOrEqual(t, j.Changed, 5*(s+5))
			require.GreaterOrEqual(t, j.Changed, min(5*(s+1), 40))
		}
		harness.Pass(10 * time.Second)
		j, err := d.Job(t.Context(), begun.ID)
		require.NoError(t, err)
		require.Equal(t, operator.JobDone, j.Status)
		require.Equal(t, 40, j.Changed)
		require.GreaterOrEqual(t, j.EndedAt.Sub(j.CreatedAt), 7*time.Second)
		require.Less(t, j.EndedAt.Sub(j.CreatedAt), 14*time.Second)

		begun, err = d.Begin(t.Context(), operator.Request{
			Kind: operator.KindEnable, Rate: 5, DryRun: true, Selection: operator.Selection{Reason: webhook.ReasonRequest},
		})
		require.NoError(t, err)
		harness.Pass(3 * time.Second)
		j, err = d.Job(t.Context(), begun.ID)
		require.NoError(t, err)
		require.Equal(t, operator.JobDone, j.Status, "a dry run spares nobody")
		require.Equal(t, 100, j.Changed)
	})
}
