package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
)

// Kind says what a job does to each webhook.
type Kind string

// A job enables, disables, replays, cancels, seals anew or deletes.
const (
	// KindEnable enables webhooks that are disabled. One that was disabled on request is
	// left alone unless the selection names it, or [webhook.ReasonRequest]: its owner
	// may have meant it.
	KindEnable Kind = "enable"
	// KindDisable disables webhooks, with [webhook.ReasonRequest].
	KindDisable Kind = "disable"
	// KindReplay sends what a webhook missed and what failed, with [webhook.Service.Replay].
	// The job is done when all replays are, of which eight run at once.
	KindReplay Kind = "replay"
	// KindCancel gives up what is pending: see [webhook.Service.CancelPending].
	KindCancel Kind = "cancel"
	// KindRewrap seals secrets and headers with the first of the service's keys: see
	// [webhook.Service.Rewrap].
	KindRewrap Kind = "rewrap"
	// KindDelete deletes all webhooks of the named merchants, with deliveries, counts and
	// notices, and also those that the store cannot read. What stays until retention, and
	// for [webhook.Retention]: the merchants' events, which show in no list of theirs but
	// that of events, their replays, and the keys of requests.
	KindDelete Kind = "delete"
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{KindEnable, KindDisable, KindReplay, KindCancel, KindRewrap, KindDelete}
}

// Selection says which webhooks a job is about: those that each of its fields takes. An
// empty one is refused.
//
// With Merchants, Webhooks or All, a job walks over the webhooks of merchants. With none
// of these it walks over those in trouble only, that is the disabled and the failing ones,
// and so costs nothing for those that are well.
type Selection struct {
	Merchants []string // their webhooks
	Webhooks  []string // those with these ids
	Status    webhook.Status
	Health    webhook.Condition
	Reason    webhook.Reason
	Host      string // of the URL
	All       bool   // the webhooks of all merchants, as far as the other fields take them
}

// Request says what a job is to do.
type Request struct {
	Kind      Kind
	Selection Selection

	Since time.Time // of a replay: events published from here; zero: from the start of the log
	Until time.Time // of a replay: and before here; zero: until the job was begun

	Rate   int    // webhooks a second that are acted on, up to 1000; 0: as fast as it goes
	DryRun bool   // count, and change nothing
	Note   string // why, for the record: up to 512 characters, none of them a control character
}

// Counts say how far a job is.
type Counts struct {
	// Merchants of which there was a webhook. One that the index of webhooks in trouble
	// comes back to counts again.
	Merchants int
	Webhooks  int // that the selection takes

	// Each webhook was changed, or would be, or there was nothing to do, or it failed. A
	// replay changes a webhook to which it sends something. It has failed also if another
	// replay of the webhook was running, or left something for a later one. A dry run of
	// KindRewrap does not know which it would change, and counts them as skipped.
	Changed, Skipped, Failed int

	// Deliveries that were made, cancelled or deleted, or would be. A dry run counts at
	// most some 10,000 events of a webhook.
	Deliveries int64
}

// JobStatus says what has become of a job.
type JobStatus string

// A job runs until it has come to its end, is stopped, or cannot go on.
const (
	JobRunning JobStatus = "running"
	JobDone    JobStatus = "done"
	JobStopped JobStatus = "stopped"
	JobFailed  JobStatus = "failed" // the store has lost its place, or its record cannot be read
)

// Job is what operators do, or did.
type Job struct {
	ID     string // "opj_…"
	Status JobStatus
	By     string // who began it: see [webhook.WithActor]
	Request
	Counts

	CreatedAt time.Time
	UpdatedAt time.Time // of the last step; long ago while it is running: no dispatcher does it
	EndedAt   time.Time // zero while it is running
}

// JobPage is a part of the jobs, newest first.
type JobPage struct {
	Jobs []Job
	Next string // continues after this part, empty at the end
}

const (
	// kindPrefix is what the kinds of the store's jobs begin with.
	kindPrefix = "operator|"
	// maxRequest is how long a request may be in the state of a job, in bytes. The rest
	// is for where the job stands: see [store.MaxJobState].
	maxRequest = 4 << 10
	// maxListSteps bounds how often one list asks the store, and stopTries how often a stop
	// tries to come between two steps.
	maxListSteps = 32
	stopTries    = 20
)

// state is what is kept of a job between two steps.
type state struct {
	Request Request
	By      string    `json:",omitempty"`
	Status  JobStatus `json:",omitempty"` // once it has ended
	Counts  Counts
	At      place
	Counted string   `json:",omitempty"` // the last merchant that counts
	Partly  string   `json:",omitempty"` // the last webhook that was changed and is to be acted on again
	Open    []replay `json:",omitempty"` // replays that are running
}

// replay is a replay that the job has begun.
type replay struct{ Merchant, Webhook, ID string }

func (s *state) pack() []byte {
	packed, _ := json.Marshal(s) //nolint:errchkjson // It has texts, numbers and times only.
	return packed
}

func unpack(packed []byte) (s state, err error) {
	if err := json.Unmarshal(packed, &s); err != nil {
		return s, fmt.Errorf("operator: read the state of a job: %w", err)
	}
	return s, nil
}

// Begin begins a job and returns it. Who does it is the [webhook.Actor] of ctx. A
// dispatcher carries it out: see [Operator.Jobs].
func (o *Operator) Begin(ctx context.Context, r Request) (Job, error) {
	s := state{Request: r, By: webhook.Actor(ctx)}
	bad := r.check(len(s.pack()))
	if err := bad.err(); err != nil {
		return Job{}, err
	}
	id := once.ID(ctx, "opj_")
	j, err := o.store.AddJob(ctx, merchantID, store.Job{ID: id, Scope: id, Kind: kindPrefix + string(r.Kind), State: s.pack()})
	if err != nil {
		return Job{}, fmt.Errorf("operator: begin job: %w", err)
	}
	o.tell(ctx, "begun", j.ID, &s)
	return newJob(j), nil
}

// tell logs that a job was begun or stopped, or has ended.
func (o *Operator) tell(ctx context.Context, what, id string, s *state) {
	o.log.InfoContext(ctx, "webhook operator job", slog.String("now", what), slog.String("job", id), slog.String("kind", string(s.Request.Kind)), slog.String("by", s.By),
		slog.String("status", string(s.Status)), slog.Bool("dry_run", s.Request.DryRun), slog.Int("webhooks", s.Counts.Webhooks),
		slog.Int("changed", s.Counts.Changed), slog.Int("skipped", s.Counts.Skipped), slog.Int("failed", s.Counts.Failed),
		slog.Int64("deliveries", s.Counts.Deliveries))
}

// Job returns a job as it is now. It fails with [webhook.ErrNotFound].
func (o *Operator) Job(ctx context.Context, jobID string) (Job, error) {
	j, err := o.store.Job(ctx, merchantID, jobID)
	if err != nil {
		return Job{}, fmt.Errorf("operator: read job: %w", err)
	}
	return newJob(j), nil
}

// List lists the jobs of all operators, newest first.
func (o *Operator) List(ctx context.Context, q Page) (JobPage, error) {
	if err := q.check(); err != nil {
		return JobPage{}, err
	}
	page := JobPage{Next: q.Cursor}
	for range maxListSteps {
		got, err := o.store.ListJobs(ctx, merchantID, store.JobQuery{Limit: q.Limit - len(page.Jobs), Cursor: page.Next})
		if err != nil {
			return JobPage{}, fmt.Errorf("operator: list jobs: %w", orCursor(err))
		}
		for _, j := range got.Jobs {
			page.Jobs = append(page.Jobs, newJob(j))
		}
		if page.Next = got.Next; page.Next == "" || len(page.Jobs) == q.Limit {
			break
		}
	}
	return page, nil
}

// Stop ends a job and returns it, and stops the replays that it has begun and that are not
// over. A step that is under way may still act on up to 20 webhooks, which may not be
// counted. What was done stays. One that is over already is returned as it is.
func (o *Operator) Stop(ctx context.Context, jobID string) (Job, error) {
	for range stopTries {
		j, err := o.store.Job(ctx, merchantID, jobID)
		if err != nil {
			return Job{}, fmt.Errorf("operator: stop job: %w", err)
		}
		s, err := unpack(j.State)
		if err != nil {
			return Job{}, err
		}
		if j.EndedAt.IsZero() {
			s.Status = JobStopped
			j, err = o.store.UpdateJob(ctx, merchantID, jobID, store.JobUpdate{IfVersion: j.Version, State: s.pack(), End: true})
			if errors.Is(err, store.ErrVersion) {
				continue // A step came in between.
			}
			if err != nil {
				return Job{}, fmt.Errorf("operator: stop job: %w", err)
			}
			o.tell(ctx, "stopped", j.ID, &s)
		}
		return newJob(j), o.stopReplays(ctx, s.Open)
	}
	return Job{}, fmt.Errorf("operator: stop job: %w", store.ErrUnavailable)
}

func (o *Operator) stopReplays(ctx context.Context, open []replay) error {
	var all error
	for _, r := range open {
		if _, err := o.svc.StopReplay(ctx, r.Merchant, r.Webhook, r.ID); err != nil && !absent(err) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// newJob shows a job. One whose state cannot be read shows what the store knows of it.
func newJob(j store.Job) Job {
	s, err := unpack(j.State)
	out := Job{
		ID: j.ID, Status: s.Status, By: s.By, Request: s.Request, Counts: s.Counts,
		CreatedAt: j.CreatedAt, UpdatedAt: j.UpdatedAt, EndedAt: j.EndedAt,
	}
	if err != nil {
		out.Kind = Kind(strings.TrimPrefix(j.Kind, kindPrefix))
	}
	switch {
	case j.EndedAt.IsZero():
		out.Status = JobRunning
	case err != nil || out.Status == "":
		out.Status = JobFailed
	}
	return out
}
