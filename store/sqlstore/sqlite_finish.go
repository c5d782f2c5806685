package sqlstore

import (
	"cmp"
	"context"

	"github.com/rag-assistant/webhooks/store"
)

// settling is a delivery that has not ended and is about to.
type settling struct {
	place

	test, leased          bool
	token, settled, epoch int64
	mark                  string // of the webhook
}

// finish settles a lease.
func (w *writing) finish(ctx context.Context, r *store.Result) (out store.Finished, err error) {
	d := settling{place: w.s.placeOf(r.DeliveryID)}
	l, err := w.line(ctx, d.wh)
	if err != nil || l == nil {
		return store.Finished{State: store.FinishGone}, err
	}
	if out.State, err = w.judge(ctx, r, &d); err != nil || out.State != store.FinishAccepted {
		out.Disabled = out.State == store.FinishRepeated && l.disabler == place{r.Token, d.id}
		return out, err
	}
	if d.leased {
		l.unlease()
	} else { // The lease had ended, and nobody has claimed since.
		l.ask()
	}
	if r.Outcome != store.Released {
		l.attempts++
	}
	if r.Hold > 0 && d.epoch == l.epoch {
		l.held = max(l.held, w.now+r.Hold.Milliseconds())
		l.ask()
	}
	if err := w.settle(ctx, l, &d, r); err != nil {
		return out, err
	}
	return out, w.streak(ctx, l, &d, r, &out)
}

// judge says what becomes of a result, and reads what it is about.
func (w *writing) judge(ctx context.Context, r *store.Result, d *settling) (store.FinishState, error) {
	merchant, wid := encode(r.MerchantID), encode(r.WebhookID)
	found, err := w.s.one(ctx, w, "settling", func(r scan) error {
		return r(&d.test, &d.token, &d.settled, &d.leased, &d.epoch, &d.mark)
	}, d.wh, d.id, merchant, wid)
	if err == nil && !found {
		found, err = w.s.one(ctx, w, "settled", func(r scan) error { return r(&d.token) }, d.wh, d.id, merchant, wid)
		d.settled = d.token
	}
	switch {
	case err != nil || !found:
		return store.FinishGone, err
	case r.Token == 0 || r.Token != d.token:
		return store.FinishStale, nil
	case d.settled >= d.token:
		return store.FinishRepeated, nil
	default:
		return store.FinishAccepted, nil
	}
}

// settle puts a delivery where its result sends it.
func (w *writing) settle(ctx context.Context, l *line, d *settling, r *store.Result) (err error) {
	due := w.now + max(r.Delay, 0).Milliseconds()
	took, code, answer := r.Attempt.Duration.Milliseconds(), encode(r.Attempt.Code), encode(r.Attempt.ResponseBody)
	var exchange any
	if r.Attempt.Exchange != "" {
		exchange = []byte(r.Attempt.Exchange)
	}
	switch r.Outcome {
	case store.Succeeded, store.Failed:
		l.pending--
		if r.Outcome == store.Succeeded {
			l.ok++
		} else {
			l.failed++
		}
		_, err = w.s.exec(ctx, w, "end", d.wh, d.id, r.Outcome == store.Succeeded, w.now, took, r.Attempt.StatusCode, code, answer, exchange)
		l.changed = true
		return err
	case store.Retry:
		_, err = w.s.exec(ctx, w, "retry", d.wh, d.id, w.now, due, took, r.Attempt.StatusCode, code, answer, exchange)
	default:
		_, err = w.s.exec(ctx, w, "release", d.wh, d.id, due, r.Fault)
	}
	l.added(due, w.now, d.test)
	return err
}

// streak applies what a result does to the webhook's streak, and notes in the answer what
// came of it.
func (w *writing) streak(ctx context.Context, l *line, d *settling, r *store.Result, out *store.Finished) error {
	if r.Outcome == store.Released || d.epoch != l.epoch || r.Streak == store.StreakSame {
		return nil
	}
	if r.Streak == store.StreakReset {
		l.streak, l.unwell, l.succeeded = 0, 0, w.now
		if d.mark == "" && l.disablings == 0 {
			return nil // No caller has a use for the standing of a webhook that is simply well.
		}
	} else {
		l.unwell = cmp.Or(l.unwell, w.now)
		if r.Streak == store.StreakTry {
			return nil
		}
		if l.streak == 0 {
			l.failing = w.now
		}
		l.streak++
		if l.active && r.DisableAfter > 0 && l.streak >= r.DisableAfter && w.now-l.failing >= r.DisableAfterFailingFor.Milliseconds() {
			if err := w.disable(ctx, l, d, r); err != nil {
				return err
			}
			out.Disabled = true
		}
	}
	out.Standing = &store.Standing{
		Active: l.active, ConsecutiveFailures: l.streak, FailingSince: stamp(l.failing), Disablings: l.disablings, Mark: decode(d.mark),
	}
	return nil
}

// disable turns off a webhook that has failed too often, and leaves a notice.
func (w *writing) disable(ctx context.Context, l *line, d *settling, r *store.Result) error {
	l.active = false
	l.disablings++
	l.disabler = place{r.Token, d.id}
	l.ask()
	clear(w.subs)
	_, err := w.s.exec(ctx, w, "disable", l.wh, encode(r.DisableReason), w.now, l.streak, r.DisableAfter, l.failing)
	return err
}
