package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
)

// Replay selects events to send again to one webhook.
type Replay struct {
	Since time.Time // events published from here; zero: from the start of the log
	Until time.Time // and before here; zero: until now

	// Missed and Failed ask for events that made no delivery to this webhook, as
	// while it was disabled, and for those whose youngest delivery failed. Neither
	// set means both.
	Missed bool
	Failed bool

	// Backfill also counts events as missed that were published before the webhook was
	// registered. Without it, a new webhook gets nothing of before.
	Backfill bool

	// DryRun counts what would be sent, and sends nothing. It looks at some thousand
	// events and no more, and does not know which events were sent again too often.
	DryRun bool
}

// Replayed counts what a replay did so far. After a crash, it may leave out what the
// step that was cut short had made.
type Replayed struct {
	Events     int // that it has looked at
	Deliveries int // that it made, or would make

	// LeftOut counts events without a delivery that may have had one, which retention
	// has removed. Nobody can say any more whether the webhook missed them.
	LeftOut int
	// Full counts events that were sent again too often already: see [ErrFull].
	Full int
	// Waiting counts events that are left for another replay, because the webhook has as
	// many pending deliveries as it may have: see [Limits].Pending.
	Waiting int
}

// ReplayJob is a replay under way, or one that is over.
type ReplayJob struct {
	ID        string // "rpl_…"; empty for a dry run
	WebhookID string
	Status    ReplayStatus
	Range     Replay // what was asked for, with an Until
	Replayed

	At      time.Time // when the event was published that it has come to; zero at first
	BegunAt time.Time
	EndedAt time.Time // zero while it is running

	// WaitingSince is when the last step was made, or the replay was asked for, and zero
	// once it is over. One that lies further back than a minute says that no dispatcher
	// is there, or that the store refuses its steps.
	WaitingSince time.Time

	// AtLeast says of a dry run that it has stopped counting before the end.
	AtLeast bool
}

// ReplayStatus says what has become of a replay.
type ReplayStatus string

// A replay runs until it has come to its end, is stopped, or cannot go on.
const (
	ReplayRunning ReplayStatus = "running"
	ReplayDone    ReplayStatus = "done"
	ReplayStopped ReplayStatus = "stopped"
	ReplayFailed  ReplayStatus = "failed" // its webhook was deleted, or the store has lost its place
)

// ReplayQuery selects a page of replays.
type ReplayQuery struct {
	Limit  int    // 1 to 1000
	Cursor string // from a page's Next
}

// ReplayPage is a page of replays, newest first.
type ReplayPage struct {
	Replays []ReplayJob
	Next    string // continues after this page, empty at the end
}

const (
	// replayKind is the kind of a replay's job.
	replayKind = "replay"
	// countSteps bounds how many pages of events a dry run looks at.
	countSteps = 50
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
		return ReplayPage{}, invalid("limit", fmt.Sprintf("must be between 1 and %d", MaxPage))
	}
	if _, err := s.store.Webhook(ctx, merchantID, webhookID); err != nil {
		return ReplayPage{}, fmt.Errorf("webhook: list replays: %w", err)
	}
	page := ReplayPage{Next: q.Cursor}
	for range maxSteps {
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

// replaying is what is kept of a replay between two steps.
type replaying struct {
	WebhookID string       `json:"webhook"`
	Since     time.Time    `json:"since,omitzero"`
	Until     time.Time    `json:"until,omitzero"`
	Missed    bool         `json:"missed,omitempty"`
	Failed    bool         `json:"failed,omitempty"`
	Backfill  bool         `json:"backfill,omitempty"`
	Pending   int          `json:"pending,omitempty"` // how many of the webhook may be
	Cursor    string       `json:"cursor,omitempty"`
	At        time.Time    `json:"at,omitzero"`
	Done      Replayed     `json:"done"`
	Status    ReplayStatus `json:"status,omitempty"` // once it has ended
	Faults    int          `json:"faults,omitempty"` // steps that failed since the last one that did not
}

func newReplaying(webhookID string, r Replay) replaying {
	return replaying{WebhookID: webhookID, Since: r.Since, Until: r.Until, Missed: r.Missed, Failed: r.Failed, Backfill: r.Backfill}
}

func unpackReplaying(packed []byte) (replaying, error) {
	var p replaying
	if err := json.Unmarshal(packed, &p); err != nil {
		return p, fmt.Errorf("webhook: read the state of a replay: %w", err)
	}
	return p, nil
}

func (p *replaying) pack() []byte {
	packed, _ := json.Marshal(p) //nolint:errchkjson // It has texts, numbers and times only.
	return packed
}

// until is the end of the range: an open one ends when the replay was asked for.
func (p *replaying) until(j store.Job) time.Time {
	if p.Until.IsZero() {
		return j.CreatedAt.Add(time.Millisecond)
	}
	return p.Until
}

func (p *replaying) view() ReplayJob {
	return ReplayJob{
		WebhookID: p.WebhookID, Status: p.Status, Replayed: p.Done, At: p.At,
		Range: Replay{Since: p.Since, Until: p.Until, Missed: p.Missed, Failed: p.Failed, Backfill: p.Backfill},
	}
}
