package webhook_test

import (
	"context"
	"errors"
	"fmt"
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

// stepped is a store that tells of the steps of replays, and fails if it is told to.
type stepped struct {
	*memstore.Store

	looked    atomic.Int64
	onEvents  func(n int) error // before the n-th page of events
	onEnqueue func(webhookID string)
	onUpdate  func() error
	deaf      bool // it gives no deliveries away
}

func (s *stepped) Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	if n := s.looked.Add(1); s.onEvents != nil {
		if err := s.onEvents(int(n)); err != nil {
			return store.EventPage{}, err
		}
	}
	return s.Store.Events(ctx, merchantID, q)
}

func (s *stepped) Enqueue(ctx context.Context, merchantID, webhookID string, ids []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	if s.onEnqueue != nil {
		s.onEnqueue(webhookID)
	}
	return s.Store.Enqueue(ctx, merchantID, webhookID, ids, nonce, maxPending)
}

func (s *stepped) UpdateJob(ctx context.Context, merchantID, id string, u store.JobUpdate) (store.Job, error) {
	if s.onUpdate != nil {
		if err := s.onUpdate(); err != nil {
			return store.Job{}, err
		}
	}
	return s.Store.UpdateJob(ctx, merchantID, id, u)
}

func (s *stepped) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	if s.deaf {
		return store.Claimed{At: time.Now(), Next: -1, Jobs: true}, nil
	}
	return s.Store.Claim(ctx, c)
}

// work runs a dispatcher for so long.
func work(t *testing.T, st webhook.DispatchStore, d time.Duration) {
	t.Helper()
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Transport: &harness.Endpoint{}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	harness.Pass(d)
	stop()
	require.NoError(t, <-stopped)
}

// missed registers a webhook that has missed so many events.
func missed(t *testing.T, svc *webhook.Service, n int) (webhookID string) {
	t.Helper()
	id := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	turn(t, svc, id, webhook.Disabled)
	for range n / 100 {
		batch := make([]event.Event, 100)
		for i := range batch {
			batch[i] = event.New(event.DocumentCreated{DocumentID: "doc"})
		}
		_, err := svc.PublishBatch(t.Context(), harness.Merchant, batch)
		require.NoError(t, err)
	}
	turn(t, svc, id, webhook.Active)
	return id
}

func turn(t *testing.T, svc *webhook.Service, id string, to webhook.Status) {
	t.Helper()
	_, err := svc.Update(t.Context(), harness.Merchant, id, webhook.Update{Status: &to})
	require.NoError(t, err)
}

func beginReplay(t *testing.T, svc *webhook.Service, webhookID string, r webhook.Replay) webhook.ReplayJob {
	t.Helper()
	j, err := svc.Replay(t.Context(), harness.Merchant, webhookID, r)
	require.NoError(t, err)
	require.Equal(t, webhook.ReplayRunning, j.Status)
	require.Equal(t, j.BegunAt, j.WaitingSince)
	return j
}

func lookAt(t *testing.T, svc *webhook.Service, webhookID, id string) webhook.ReplayJob {
	t.Helper()
	j, err := svc.ReplayStatus(t.Context(), harness.Merchant, webhookID, id)
	require.NoError(t, err)
	return j
}

func pending(t *testing.T, svc *webhook.Service, webhookID string) int {
	t.Helper()
	s, err := svc.Stats(t.Context(), harness.Merchant, webhookID)
	require.NoError(t, err)
	return int(s.Pending)
}

// TestReplayOfManyEvents begins where no dispatcher runs. The first one that does dies
// after it has made the deliveries of a step, and before that is noted.
func TestReplayOfManyEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, st := harness.NewService(t, nil)
		id := missed(t, svc, 5000)
		began := time.Now()
		job := beginReplay(t, svc, id, webhook.Replay{})
		harness.Pass(time.Hour)
		require.Equal(t, job, lookAt(t, svc, id, job.ID))

		updates := 0
		dying := &stepped{Store: st, deaf: true, onUpdate: func() error {
			if updates++; updates > 5 {
				return errors.New("dead")
			}
			return nil
		}}
		work(t, dying, time.Second)
		half := lookAt(t, svc, id, job.ID)
		require.Equal(t, webhook.Replayed{Events: 1000, Deliveries: 1000}, half.Replayed)
		require.WithinDuration(t, time.Now(), half.WaitingSince, time.Second)
		require.Equal(t, 1200, pending(t, svc, id))

		r := harness.NewRig(t, st, nil)
		harness.Pass(10 * time.Second)
		require.Equal(t, half.Replayed, lookAt(t, svc, id, job.ID).Replayed, "the dead one's lease lasts")
		harness.Pass(2 * time.Minute)
		done := lookAt(t, svc, id, job.ID)
		require.Equal(t, webhook.ReplayDone, done.Status)
		require.Equal(t, webhook.Replayed{Events: 5000, Deliveries: 4800}, done.Replayed, "what the dead one had made and not noted is not counted")
		require.Zero(t, done.WaitingSince)
		require.WithinDuration(t, began, done.Range.Until, time.Second)
		calls := map[string]int{}
		for _, c := range r.Endpoint.Seen() {
			calls[c.Header.Get("webhook-id")]++
		}
		require.Len(t, calls, 5000, "nothing is lost")
		require.Equal(t, 5000, r.Endpoint.Count(), "nothing is sent twice")
		r.Close()
	})
}

// TestStopReplay stops a replay on the third of four pages of its third step.
func TestStopReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, mem := harness.NewService(t, nil)
		st := &stepped{Store: mem, deaf: true}
		id := missed(t, svc, 2000)
		job := beginReplay(t, svc, id, webhook.Replay{})
		atStop := 0
		st.onEnqueue = func(string) {
			if st.looked.Load() == 2*4+3 {
				atStop = pending(t, svc, id)
				stopped, err := svc.StopReplay(t.Context(), harness.Merchant, id, job.ID)
				require.NoError(t, err)
				require.Equal(t, webhook.ReplayStopped, stopped.Status)
			}
		}
		work(t, st, time.Minute)
		require.Equal(t, 500, atStop)
		require.Equal(t, 600, pending(t, svc, id), "the step under way is the last one")
		over := lookAt(t, svc, id, job.ID)
		require.Equal(t, webhook.ReplayStopped, over.Status)
		require.Equal(t, webhook.Replayed{Events: 600, Deliveries: 600}, over.Replayed, "and it is counted")
		again, err := svc.StopReplay(t.Context(), harness.Merchant, id, job.ID)
		require.NoError(t, err)
		require.Equal(t, over, again)
		beginReplay(t, svc, id, webhook.Replay{})
	})
}

// TestReplaysTakeTurns has three replays at once.
func TestReplaysTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, mem := harness.NewService(t, nil)
		st := &stepped{Store: mem, deaf: true}
		var order []string
		st.onEnqueue = func(id string) { order = append(order, id) }
		var ids []string
		for range 3 {
			ids = append(ids, missed(t, svc, 1000))
			time.Sleep(time.Second)
		}
		for _, id := range ids {
			beginReplay(t, svc, id, webhook.Replay{Since: time.Now().Add(-time.Hour), Backfill: true})
			time.Sleep(time.Millisecond)
		}
		work(t, st, time.Minute)
		require.Greater(t, len(order), 60)
		for i := range 60 { // Four pages are a step.
			require.Equal(t, ids[i/4%3], order[i], "page %d", i)
		}
	})
}

// TestReplayIsDisturbed has a store that fails, a job of a newer release, and a webhook
// that is deleted.
func TestReplayIsDisturbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, mem := harness.NewService(t, nil)
		st := &stepped{Store: mem, deaf: true}
		id := missed(t, svc, 1000)
		_, err := mem.AddJob(t.Context(), harness.Merchant, store.Job{ID: "newer", Scope: "s", Kind: "of a newer release"})
		require.NoError(t, err)
		st.onEvents = func(n int) error {
			if n > 2 && n < 6 {
				return store.ErrUnavailable
			}
			return nil
		}
		job := beginReplay(t, svc, id, webhook.Replay{})
		work(t, st, 3*time.Second)
		require.Equal(t, 100, lookAt(t, svc, id, job.ID).Deliveries, "a fault delays it")
		work(t, st, time.Minute)
		require.Equal(t, webhook.Replayed{Events: 1000, Deliveries: 1000}, lookAt(t, svc, id, job.ID).Replayed)
		newer, err := mem.Job(t.Context(), harness.Merchant, "newer")
		require.NoError(t, err)
		require.Equal(t, int64(1), newer.Version, "it is left alone")

		id = missed(t, svc, 1000)
		job = beginReplay(t, svc, id, webhook.Replay{})
		steps := st.looked.Load()
		st.onEvents = func(n int) error {
			if n == int(steps)+3 {
				return svc.Delete(t.Context(), harness.Merchant, id, 0)
			}
			return nil
		}
		work(t, st, time.Minute)
		require.Equal(t, steps+3, st.looked.Load())
		_, err = svc.ReplayStatus(t.Context(), harness.Merchant, id, job.ID)
		require.ErrorIs(t, err, webhook.ErrNotFound)
		ended, err := mem.Job(t.Context(), harness.Merchant, job.ID)
		require.NoError(t, err)
		require.NotZero(t, ended.EndedAt, "the job ends by itself")
	})
}

// TestOneReplayAtATime asks for another replay, and a dry run, while one waits.
func TestOneReplayAtATime(t *testing.T) {
	t.Parallel()
	svc, st := harness.NewService(t, nil)
	reg := harness.Register(t, svc, harness.Merchant, "document.created")
	other := harness.Register(t, svc, harness.Merchant, "document.created")
	job := beginReplay(t, svc, reg.Webhook.ID, webhook.Replay{})
	_, err := svc.Replay(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Replay{})
	require.ErrorIs(t, err, webhook.ErrReplaying)
	running, ok := errors.AsType[*webhook.ReplayingError](err)
	require.True(t, ok)
	require.Equal(t, job.ID, running.ReplayID)
	dry, err := svc.Replay(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Replay{DryRun: true})
	require.NoError(t, err)
	require.Empty(t, dry.ID)
	beginReplay(t, svc, other.Webhook.ID, webhook.Replay{})

	for _, wrong := range []string{other.Webhook.ID, "whk_none"} {
		_, err = svc.ReplayStatus(t.Context(), harness.Merchant, wrong, job.ID)
		require.ErrorIs(t, err, webhook.ErrNotFound)
		_, err = svc.StopReplay(t.Context(), harness.Merchant, wrong, job.ID)
		require.ErrorIs(t, err, webhook.ErrNotFound)
	}
	_, err = svc.ReplayStatus(t.Context(), harness.Victim, reg.Webhook.ID, job.ID)
	require.ErrorIs(t, err, webhook.ErrNotFound)
	_, err = st.AddJob(t.Context(), harness.Merchant, store.Job{ID: "other", Scope: "replay|" + reg.Webhook.ID + "x", Kind: "replay"})
	require.NoError(t, err)
	_, err = svc.ReplayStatus(t.Context(), harness.Merchant, reg.Webhook.ID, "other")
	require.ErrorIs(t, err, webhook.ErrNotFound)
}

// TestReplaysAreListed has more than a page of them.
func TestReplaysAreListed(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	id := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	other := harness.Register(t, svc, harness.Merchant, "document.created").Webhook.ID
	var want []string
	for i := range 5 {
		j := beginReplay(t, svc, id, webhook.Replay{Failed: true, Since: time.Unix(int64(i), 0).UTC()})
		want = append([]string{j.ID}, want...)
		beginReplay(t, svc, other, webhook.Replay{})
		for _, w := range []string{id, other} {
			page, err := svc.Replays(t.Context(), harness.Merchant, w, webhook.ReplayQuery{Limit: 1})
			require.NoError(t, err)
			stopped, err := svc.StopReplay(t.Context(), harness.Merchant, w, page.Replays[0].ID)
			require.NoError(t, err)
			require.Equal(t, webhook.ReplayStopped, stopped.Status)
		}
	}
	var got []string
	q := webhook.ReplayQuery{Limit: 2}
	for more := true; more; more = q.Cursor != "" {
		page, err := svc.Replays(t.Context(), harness.Merchant, id, q)
		require.NoError(t, err)
		for _, j := range page.Replays {
			got = append(got, j.ID)
		}
		q.Cursor = page.Next
	}
	require.Equal(t, want, got)
	for _, wrong := range []webhook.ReplayQuery{{}, {Limit: webhook.MaxPage + 1}, {Limit: 1, Cursor: "none"}} {
		_, err := svc.Replays(t.Context(), harness.Merchant, id, wrong)
		require.Len(t, fields(t, err), 1, fmt.Sprint(wrong))
	}
}

// TestCountedReplay has more events than a dry run looks at.
func TestCountedReplay(t *testing.T) {
	t.Parallel()
	svc, st := harness.NewService(t, nil)
	id := missed(t, svc, 11_000)
	dry, err := svc.Replay(t.Context(), harness.Merchant, id, webhook.Replay{DryRun: true})
	require.NoError(t, err)
	require.True(t, dry.AtLeast)
	require.Equal(t, webhook.Replayed{Events: 10_000, Deliveries: 10_000}, dry.Replayed)
	b, err := st.Backlog(t.Context())
	require.NoError(t, err)
	require.Zero(t, b.Pending)
}
