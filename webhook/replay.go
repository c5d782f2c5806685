package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
)

const (
	// replayKind is the kind of a replay's job.
	replayKind = "replay"
	// countSteps bounds how many pages of events a dry run looks at.
	countSteps = 200
	// maxReplaySteps bounds how often one list of replays asks the store.
	maxReplaySteps = 32
	// stopTries is how often a stop tries to come between two steps.
	stopTries = 20
)

func replayScope(webhookID string) string { return "replay|" + webhookID }

// Replay begins to make a new delivery of every event in the range that the webhook
// subscribes to and that missed it since it was registered, or failed. Events whose
// delivery succeeded or is still pending are left alone, so that a replay can be
// repeated.
//
// It answers at once. A [Dispatcher], in any process, does the work in steps, and
// another one goes on if that one dies; meanwhile [Service.ReplayStatus] tells how far
// it is. Where no dispatcher runs, the replay waits for one. One replay of a webhook
// runs at a time, over all processes: another one meanwhile is a [*ReplayingError].
func (s *Service) Replay(ctx context.Context, merchantID, webhookID string, r Replay) (ReplayJob, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return ReplayJob{}, err
	}
	if !r.Until.IsZero() && !r.Since.Before(r.Until) {
		return ReplayJob{}, invalid("until", "must be after since")
	}
	if !r.Missed && !r.Failed {
		r.Missed, r.Failed = true, true
	}
	out, err := s.replay(ctx, merchantID, webhookID, r)
	if err != nil {
		return ReplayJob{}, fmt.Errorf("webhook: replay: %w", err)
	}
	return out, nil
}

func (s *Service) replay(ctx context.Context, merchantID, webhookID string, r Replay) (ReplayJob, error) {
	if _, err := s.store.Webhook(ctx, merchantID, webhookID); err != nil {
		return ReplayJob{}, err
	}
	state := newReplaying(webhookID, r)
	state.Pending = s.limits.Pending
	if r.DryRun {
		return s.countReplay(ctx, merchantID, state)
	}
	id := once.ID(ctx, "rpl_")
	j, err := s.store.AddJob(ctx, merchantID, store.Job{ID: id, Scope: replayScope(webhookID), Kind: replayKind, State: state.pack()})
	if err == nil && j.ID != id {
		err = &ReplayingError{ReplayID: j.ID}
	}
	if err != nil {
		return ReplayJob{}, err
	}
	return newReplayJob(j)
}

// countReplay counts what a replay would send, as far as a bounded number of steps
// leads.
func (s *Service) countReplay(ctx context.Context, merchantID string, state replaying) (ReplayJob, error) {
	more := true
	for range countSteps {
		var err error
		if more, err = state.step(ctx, s.store, merchantID, ""); err != nil {
			return ReplayJob{}, err
		}
		if !more {
			break
		}
	}
	out := state.view()
	out.Status, out.Range.DryRun, out.AtLeast = ReplayDone, true, more
	return out, nil
}

// ReplayStatus returns a replay of a webhook as it is now. One that is over is known
// for [Retention].Jobs.
func (s *Service) ReplayStatus(ctx context.Context, merchantID, webhookID, replayID string) (ReplayJob, error) {
	j, err := s.replayJob(ctx, merchantID, webhookID, replayID)
	if err != nil {
		return ReplayJob{}, err
	}
	return newReplayJob(j)
}

// replayJob returns the job of a replay.
func (s *Service) replayJob(ctx context.Context, merchantID, webhookID, replayID string) (store.Job, error) {
	if err := checkIDs(merchantID, webhookID, replayID); err != nil {
		return store.Job{}, err
	}
	_, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return store.Job{}, fmt.Errorf("webhook: read replay: %w", err)
	}
	j, err := s.store.Job(ctx, merchantID, replayID)
	if err == nil && (j.Kind != replayKind || j.Scope != replayScope(webhookID)) {
		err = ErrNotFound
	}
	if err != nil {
		return store.Job{}, fmt.Errorf("webhook: read replay: %w", err)
	}
	return j, nil
}

// Replays lists a webhook's replays, newest first.
func (s *Service) Replays(ctx context.Context, merchantID, webhookID string, q ReplayQuery) (ReplayPage, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return ReplayPage{}, err
	}
	if q.Limit < 1 || q.Limit > MaxPage {
		return ReplayPage{}, invalid("limit", "must be between 1 and %d", MaxPage)
	}
	if _, err := s.store.Webhook(ctx, merchantID, webhookID); err != nil {
		return ReplayPage{}, fmt.Errorf("webhook: list replays: %w", err)
	}
	page := ReplayPage{Next: q.Cursor}
	for range maxReplaySteps {
		got, err := s.store.ListJobs(ctx, merchantID, store.JobQuery{
			Scope: replayScope(webhookID), Limit: q.Limit - len(page.Replays), Cursor: page.Next,
		})
		if errors.Is(err, store.ErrCursor) {
			return ReplayPage{}, invalid("cursor", "is not one that this API gave out")
		}
		if err != nil {
			return ReplayPage{}, fmt.Errorf("webhook: list replays: %w", err)
		}
		for _, j := range got.Jobs {
			if r, err := newReplayJob(j); err == nil { // One that cannot be read costs itself.
				page.Replays = append(page.Replays, r)
			}
		}
		if page.Next = got.Next; page.Next == "" || len(page.Replays) == q.Limit {
			break
		}
	}
	return page, nil
}

// StopReplay ends a replay and returns it. A step that is under way may still make
// deliveries, and no other one does. What it has made stays. One that is over already
// is returned as it is.
func (s *Service) StopReplay(ctx context.Context, merchantID, webhookID, replayID string) (ReplayJob, error) {
	for range stopTries {
		j, err := s.replayJob(ctx, merchantID, webhookID, replayID)
		if err != nil || !j.EndedAt.IsZero() {
			return orReplay(j, err)
		}
		state, err := unpackReplaying(j.State)
		if err != nil {
			return ReplayJob{}, err
		}
		state.Status = ReplayStopped
		j, err = s.store.UpdateJob(ctx, merchantID, replayID, store.JobUpdate{IfVersion: j.Version, State: state.pack(), End: true})
		if !errors.Is(err, store.ErrVersion) { // Else a step came in between.
			return orReplay(j, err)
		}
	}
	return ReplayJob{}, fmt.Errorf("webhook: stop replay: %w", store.ErrUnavailable)
}

func orReplay(j store.Job, err error) (ReplayJob, error) {
	if err != nil {
		return ReplayJob{}, fmt.Errorf("webhook: stop replay: %w", err)
	}
	return newReplayJob(j)
}

func newReplayJob(j store.Job) (ReplayJob, error) {
	state, err := unpackReplaying(j.State)
	if err != nil {
		return ReplayJob{}, err
	}
	out := state.view()
	out.ID, out.BegunAt, out.EndedAt, out.Range.Until = j.ID, j.CreatedAt, j.EndedAt, state.until(j)
	if j.EndedAt.IsZero() {
		out.Status, out.WaitingSince = ReplayRunning, j.UpdatedAt
	}
	return out, nil
}
