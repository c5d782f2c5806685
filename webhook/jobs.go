package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

const (
	// jobLease is how long a job is with one dispatcher. It outlives a step.
	jobLease = time.Minute
	// jobPause is the time between two steps of one job, in which others have their turn.
	jobPause = 10 * time.Millisecond
	// foreignPause is the time between two looks that find jobs of others' kinds alone.
	foreignPause = 200 * time.Millisecond
	// A job whose step failed waits between these.
	minJobDelay = time.Second
	maxJobDelay = time.Minute
	// maxFaulty is of how many jobs a dispatcher knows how often their steps failed.
	maxFaulty = 1024
	// maxProbes is how many webhooks may wait for the job that probes them.
	maxProbes = 1024
	// abandoned is after which time of no use the job of a probe is ended.
	abandoned = 24 * time.Hour
)

// doJobs does steps of jobs, one at a time, until ctx ends. Jobs take turns: the one
// that waits longest goes first, and waits again after its step.
func (r *run) doJobs(ctx context.Context) {
	timer, due := time.NewTimer(0), time.NewTimer(0)
	defer timer.Stop()
	due.Stop() // It is set while a job is put off.
	wait := func(d time.Duration) bool {
		timer.Reset(d)
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.jobs:
		case <-due.C:
		}
		r.nextJob = time.Time{}
		pause := foreignPause
		for r.doJob(ctx) {
			if pause = 0; !wait(jobPause) {
				return
			}
		}
		if due.Stop(); !r.nextJob.IsZero() {
			due.Reset(time.Until(r.nextJob))
		}
		if pause > 0 && !wait(pause) {
			return
		}
	}
}

// kindsOfJobs are those that the dispatcher knows.
func (d *Dispatcher) kindsOfJobs() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq([]string{replayKind, probeKind}, maps.Keys(d.opts.Jobs)))))
}

// doJob does one step of a job, and says if there was one. Jobs of kinds that this
// dispatcher does not know are left to others.
func (r *run) doJob(ctx context.Context) bool {
	var due []store.Job
	err := r.lingering(ctx, "claim jobs", func(ctx context.Context) (err error) {
		due, err = r.store.ClaimJobs(ctx, r.kinds, 1, jobLease)
		if err == nil && len(due) > 1 {
			err = errAnswers
		}
		return err
	})
	if err != nil || len(due) == 0 {
		return false
	}
	switch j := due[0]; j.Kind {
	case replayKind:
		r.doReplay(ctx, j)
	case probeKind:
		r.doProbe(ctx, j)
	default:
		if f := r.opts.Jobs[j.Kind]; f != nil {
			r.doOther(ctx, j, f)
		}
	}
	return true
}

// doOther does one step of a job of a kind that the host has brought. If this dispatcher
// has to stop in the middle, others can have the job at once.
func (r *run) doOther(ctx context.Context, j store.Job, f JobFunc) {
	what := "job " + j.Kind
	bounded, cancel := context.WithTimeout(ctx, jobLease-storeTimeout)
	defer cancel()
	var u store.JobUpdate
	err := r.contain(what, nil, func() (err error) {
		u, err = f(bounded, j)
		return err
	})
	r.trouble(ctx, what, err)
	switch {
	case err == nil:
		delete(r.faults, j.ID)
	case ctx.Err() != nil:
		u = store.JobUpdate{}
	default:
		if len(r.faults) >= maxFaulty {
			clear(r.faults)
		}
		u = store.JobUpdate{Delay: min(minJobDelay<<min(r.faults[j.ID], 10), maxJobDelay)}
		r.faults[j.ID]++
	}
	u.IfVersion = j.Version
	if err := r.updateJob(ctx, j, u); err != nil || u.End || u.Delay > maxIdle {
		return // By then, the store has said that there is a job.
	}
	if next := time.Now().Add(u.Delay); r.nextJob.IsZero() || next.Before(r.nextJob) {
		r.nextJob = next
	}
}

// doReplay does one step of a replay and stores where it is then.
func (r *run) doReplay(ctx context.Context, j store.Job) {
	before, err := unpackReplaying(j.State)
	if err != nil {
		r.opts.Logger.ErrorContext(ctx, "webhook replay cannot be read", slog.String("merchant_id", j.MerchantID), slog.String("replay", j.ID), slog.Any("error", err))
		_ = r.updateJob(ctx, j, store.JobUpdate{IfVersion: j.Version, End: true, State: (&replaying{Status: ReplayFailed}).pack()})
		return
	}
	after := before
	after.Until = before.until(j)
	more := false
	err = r.lingering(ctx, "replay", func(ctx context.Context) (err error) {
		more = true
		for n := 0; err == nil && more && n < replayPages; n++ {
			more, err = after.step(ctx, r.store, j.MerchantID, j.ID)
		}
		if lost(err) {
			after.Status, err = ReplayFailed, nil
		}
		return err
	})
	after.Until = before.Until
	u := store.JobUpdate{IfVersion: j.Version, Delay: jobPause}
	switch {
	case err != nil:
		u.Delay = min(minJobDelay<<min(after.Faults, 10), maxJobDelay)
		after.Faults++
	case after.Status == "" && !more:
		after.Status = ReplayDone
	}
	u.State, u.End = after.pack(), after.Status != ""
	if err := r.updateJob(ctx, j, u); errors.Is(err, store.ErrVersion) {
		r.addStep(ctx, j, before, after)
	} else if err == nil && u.End {
		r.logReplay(ctx, j, after)
	}
}

// lost says that a replay cannot go on: its webhook was deleted or is damaged, or the store
// does not know its place any more.
func lost(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrCursor)
}

func (r *run) updateJob(ctx context.Context, j store.Job, u store.JobUpdate) (conflict error) {
	_ = r.lingering(ctx, "update job", func(ctx context.Context) error {
		_, conflict = r.store.UpdateJob(ctx, j.MerchantID, j.ID, u)
		if errors.Is(conflict, store.ErrVersion) || errors.Is(conflict, store.ErrNotFound) {
			return nil // Somebody has stopped or done it meanwhile.
		}
		return conflict
	})
	return conflict
}

// addStep counts a step that was under way when its replay was stopped. If somebody else
// has done the same step, it is counted already.
func (r *run) addStep(ctx context.Context, j store.Job, before, after replaying) {
	var now store.Job
	err := r.lingering(ctx, "read job", func(ctx context.Context) (err error) {
		now, err = r.store.Job(ctx, j.MerchantID, j.ID)
		return err
	})
	if err != nil || now.EndedAt.IsZero() {
		return
	}
	state, err := unpackReplaying(now.State)
	if err != nil || state.Status != ReplayStopped || state.Cursor != before.Cursor || state.Done != before.Done {
		return
	}
	state.add(before, after)
	_ = r.updateJob(ctx, j, store.JobUpdate{IfVersion: now.Version, State: state.pack()})
}

func (r *run) logReplay(ctx context.Context, j store.Job, s replaying) {
	r.opts.Logger.InfoContext(ctx, "webhook replay ended",
		slog.String("merchant_id", j.MerchantID), slog.String("webhook_id", s.WebhookID), slog.String("replay", j.ID),
		slog.String("status", string(s.Status)), slog.Int("deliveries", s.Done.Deliveries), slog.Int("left_out", s.Done.LeftOut))
}

// probeKind is the kind of the job that probes a webhook.
const probeKind = "probe"

func probeScope(webhookID string) string { return "probe|" + webhookID }

// addProbes begins to probe those webhooks that failures disable, until there are no more.
func (r *run) addProbes(ctx context.Context) {
	for w := range r.disabled {
		r.addProbe(ctx, w[0], w[1])
	}
}

// addProbe begins to probe a webhook that was disabled, or wakes the job that still
// watches it.
func (r *run) addProbe(ctx context.Context, merchantID, webhookID string) {
	j := store.Job{ID: id.New("prb_"), Scope: probeScope(webhookID), Kind: probeKind, State: (&probing{WebhookID: webhookID}).pack()}
	_ = r.call(ctx, "add probe", func(ctx context.Context) error {
		there, err := r.store.AddJob(ctx, merchantID, j)
		if err == nil && there.ID != j.ID {
			_, err = r.store.UpdateJob(ctx, merchantID, there.ID, store.JobUpdate{})
		}
		return err
	})
}

// doProbe does one step of a probe and stores where it is then. A dispatcher without Probe
// leaves it to others, for a day.
func (r *run) doProbe(ctx context.Context, j store.Job) {
	var p probing
	err := json.Unmarshal(j.State, &p)
	if len(r.opts.Probe) == 0 && err == nil && time.Since(p.Until) < abandoned && time.Since(j.UpdatedAt) < abandoned {
		return
	}
	u := store.JobUpdate{IfVersion: j.Version, End: true}
	if len(r.opts.Probe) > 0 && err == nil {
		u = r.stepProbe(ctx, &j, &p)
	}
	if err := r.updateJob(ctx, j, u); errors.Is(err, store.ErrVersion) && u.State != nil {
		u.IfVersion, u.Delay = 0, 0 // It was woken meanwhile: it looks again.
		_ = r.updateJob(ctx, j, u)
	}
}

func (r *run) stepProbe(ctx context.Context, j *store.Job, p *probing) store.JobUpdate {
	u := store.JobUpdate{IfVersion: j.Version}
	err := r.lingering(ctx, "probe", func(ctx context.Context) (err error) {
		u.Delay, u.End, err = p.step(ctx, r, j)
		switch {
		case lost(err):
			u.End, err = true, nil
		case errors.Is(err, store.ErrVersion):
			err = nil // Somebody changed the webhook meanwhile: look again.
		}
		return err
	})
	if err != nil {
		u.Delay = maxJobDelay
	} else {
		u.State = p.pack()
	}
	return u
}
