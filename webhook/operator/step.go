package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

const (
	// stepWebhooks is how many webhooks a step acts on, stepPages how many pages it reads,
	// and stepTime after how long it reads no further one. All of it fits into the lease of
	// a job several times.
	stepWebhooks = 20
	stepPages    = 100
	stepTime     = 10 * time.Second
	// openReplays is how many replays of one job run at once.
	openReplays = 8
	// pause is the time between two steps, lookAgain if only replays are waited for.
	pause     = 10 * time.Millisecond
	lookAgain = 100 * time.Millisecond
)

// Jobs are what a dispatcher needs to do the jobs of operators: see
// [webhook.DispatcherOptions].Jobs.
func (o *Operator) Jobs() map[string]webhook.JobFunc {
	out := map[string]webhook.JobFunc{}
	for _, kind := range Kinds() {
		out[kindPrefix+string(kind)] = o.step
	}
	return out
}

// step does one step of a job. What it does to webhooks has the job's actor.
func (o *Operator) step(ctx context.Context, j store.Job) (store.JobUpdate, error) {
	s, err := unpack(j.State)
	if err != nil {
		return store.JobUpdate{State: (&state{Status: JobFailed}).pack(), End: true}, nil //nolint:nilerr // It ends as failed.
	}
	ctx = webhook.WithActor(ctx, s.By)
	run := running{Operator: o, state: &s, job: j}
	if s.Request.Until.IsZero() && s.Request.Kind == KindReplay {
		s.Request.Until = j.CreatedAt.Add(time.Millisecond)
	}
	acted, err := 0, run.poll(ctx)
	if err == nil {
		acted, err = run.advance(ctx)
	}
	u := store.JobUpdate{Delay: pause}
	switch {
	case errors.Is(err, store.ErrCursor):
		s.Status = JobFailed
	case err != nil:
		return store.JobUpdate{}, err
	case s.At.Over && len(s.Open) == 0:
		s.Status = JobDone
	case s.At.Over || len(s.Open) >= openReplays:
		u.Delay = lookAgain
	}
	if rate := s.Request.Rate; rate > 0 && acted > 0 && !s.Request.DryRun {
		u.Delay = max(u.Delay, time.Duration(acted)*time.Second/time.Duration(rate))
	}
	if u.State, u.End = s.pack(), s.Status != ""; u.End {
		o.tell(ctx, "ended", j.ID, &s)
	}
	return u, nil
}

// running is a job during a step.
type running struct {
	*Operator
	*state

	job store.Job
}

// advance goes on with the walk, and says on how many webhooks it has acted. If it has to
// give up after a page that it has done, that is no error: the next step meets it again.
func (r *running) advance(ctx context.Context) (acted int, err error) {
	began := time.Now()
	most := stepWebhooks
	if r.Request.Rate > 0 && !r.Request.DryRun {
		most = min(most, r.Request.Rate)
	}
	if r.begins() {
		most = min(most, openReplays-len(r.Open))
	}
	for pages := 0; !r.At.Over && acted < most && pages < stepPages && time.Since(began) < stepTime; pages++ {
		before := *r.state
		n, err := r.page(ctx, most-acted)
		if err != nil {
			*r.state = before
			if pages > 0 && !errors.Is(err, store.ErrCursor) {
				break
			}
			return acted, err
		}
		acted += n
	}
	return acted, nil
}

// begins says that the job begins replays.
func (r *running) begins() bool { return r.Request.Kind == KindReplay && !r.Request.DryRun }

// slow says that the job may take long with one webhook, so that each is a page.
func (r *running) slow() bool {
	return r.Request.Kind == KindCancel || r.Request.Kind == KindDelete || r.Request.Kind == KindReplay && r.Request.DryRun
}

// page acts on a page of webhooks, at most limit, and sets the place after it.
func (r *running) page(ctx context.Context, limit int) (acted int, err error) {
	if r.slow() {
		limit = 1
	}
	at, page := r.At, store.WebhookPage{}
	switch selection := &r.Request.Selection; {
	case selection.inTrouble():
		page, at, err = r.troubled(ctx, at, limit)
	case at.Merchant == "":
		at, err = r.nextMerchant(ctx, at, selection.Merchants)
	default:
		page, at, err = r.among(ctx, at, limit)
	}
	if err != nil {
		return 0, fmt.Errorf("operator: %w", err)
	}
	for _, w := range r.views(page) {
		if !r.Request.Selection.takes(w) {
			continue
		}
		did, err := r.act(ctx, w)
		if err != nil {
			return 0, fmt.Errorf("operator: %s: %w", w.ID, err)
		}
		r.count(w.MerchantID, w.ID, did)
		acted += did.Changed
		if did.more {
			at = r.At
		}
	}
	for _, id := range page.Damaged {
		if !r.Request.Selection.names(id) {
			continue
		}
		did, err := r.actDamaged(ctx, r.At.Merchant, id)
		if err != nil {
			return 0, fmt.Errorf("operator: %s: %w", id, err)
		}
		r.count(r.At.Merchant, id, did)
	}
	r.At = at
	return acted, nil
}

// count adds what was done to one webhook. One that is to be acted on again counts as
// a webhook when that is over, and as changed if it was at any time.
func (r *running) count(merchantID, webhookID string, did done) {
	r.Counts.Deliveries += did.Deliveries
	if did.more {
		if did.Changed > 0 {
			r.Partly = webhookID
		}
		return
	}
	if r.Partly == webhookID && did.Skipped > 0 {
		did = changed(0)
	}
	if merchantID != r.Counted {
		r.Counted = merchantID
		r.Counts.Merchants++
	}
	r.Counts.Webhooks++
	r.Counts.Changed += did.Changed
	r.Counts.Skipped += did.Skipped
	r.Counts.Failed += did.Failed
}
