package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
)

// hand makes one attempt through Options.Deliver.
func (r *run) hand(ctx context.Context, c claimed) settled {
	s := newSettled(c)
	switch {
	case c.Reclaims >= r.opts.MaxReclaims:
		s.end(CodeInternal)
		return s
	case r.late(ctx, c, r.opts.AttemptTimeout):
		s.result.Outcome, s.result.Delay = store.Released, time.Second
		return s
	}
	outer := ctx
	ctx, ended := r.opts.Observer.attempting(ctx, s.info.AttemptInfo)
	defer func() { ended(s.info.AttemptInfo) }()
	began := time.Now()
	taken, err := r.withinProcess(ctx, outer, &c, s.info.AttemptInfo)
	s.info.Duration, s.heard = time.Since(began), true
	switch {
	case outer.Err() != nil && (taken.Status/100 != 2 || taken.Back):
		s.result.Outcome = store.Released // Cut short by the stop: nobody's fault.
		return s
	case err != nil:
		s.info.Code = CodeInternal
		s.result.Outcome, s.result.Fault = store.Released, true
		s.result.Delay = min(time.Minute<<min(c.Reclaims, 6), time.Hour)
	case taken.Back:
		s.result.Outcome, s.result.Delay = store.Released, taken.After
		return s
	default:
		r.grade(&s, c, egress.Response{StatusCode: taken.Status})
	}
	switch {
	case taken.Final && s.result.Outcome == store.Retry:
		s.result.Outcome, s.result.Delay, s.result.Streak = store.Failed, 0, store.StreakExtend
	case taken.After > 0 && s.result.Outcome == store.Retry:
		s.result.Delay = taken.After
	}
	s.result.Attempt = store.Attempt{
		Duration: s.info.Duration, StatusCode: s.info.StatusCode, Code: string(s.info.Code), ResponseBody: egress.Excerpt(taken.Text),
	}
	r.opts.Observer.attempted(ctx, s.info.AttemptInfo)
	return s
}

// withinProcess calls Options.Deliver in a goroutine of its own. One that ends its goroutine has
// failed, and one that has not returned stopGrace after the stop has cut it short is left behind.
func (r *run) withinProcess(ctx, outer context.Context, c *claimed, i AttemptInfo) (Taken, error) {
	type answer struct {
		taken Taken
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		a := answer{taken: Taken{Status: http.StatusInternalServerError, Text: "the attempt ended its goroutine"}}
		defer func() { done <- a }()
		a.err = r.contain("Deliver", &c.Lease, func() error {
			ctx, cancel := context.WithTimeout(ctx, r.opts.AttemptTimeout)
			defer cancel()
			a.taken = r.opts.Deliver(ctx, Handed{AttemptInfo: i, Body: c.Body})
			return nil
		})
	}()
	select {
	case a := <-done:
		return a.taken, a.err
	case <-outer.Done():
	}
	select {
	case a := <-done:
		return a.taken, a.err
	case <-time.After(stopGrace):
		return Taken{Back: true}, nil
	}
}
