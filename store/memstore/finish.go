package memstore

import (
	"cmp"
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Finish implements [store.Queue].
func (s *Store) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	out := make([]store.Finished, len(results))
	for i := range results {
		out[i] = s.finish(&results[i], now)
	}
	return out, nil
}

func (s *Store) finish(r *store.Result, now int64) (out store.Finished) {
	var d *delivery
	w := s.webhook(r.MerchantID, r.WebhookID)
	if w != nil {
		d = w.find(r.DeliveryID)
	}
	switch {
	case d == nil:
		return store.Finished{State: store.FinishGone}
	case r.Token != d.token || d.token == 0:
		return store.Finished{State: store.FinishStale}
	case !d.open:
		return store.Finished{State: store.FinishRepeated, Disabled: w.disabler == disabler{d, r.Token}}
	}
	d.open = false
	if d.phase == leased {
		s.endLease(d)
	} else { // The lease had ended, and nobody has claimed since.
		s.unwait(d)
	}
	out.State = store.FinishAccepted
	if r.Hold > 0 && d.epoch == w.Epoch {
		w.held = max(w.held, now+r.Hold.Milliseconds())
	}
	if r.Outcome != store.Released {
		d.attempt(r.Attempt, now)
		s.streak(d, r, &out, now)
	} else if r.Fault {
		d.reclaims++
	}
	switch r.Outcome {
	case store.Succeeded:
		s.end(d, succeeded, now)
	case store.Failed:
		s.end(d, failed, now)
	default:
		s.wait(d, now+max(r.Delay, 0).Milliseconds())
	}
	s.rekey(w, now)
	return out
}

// attempt appends a finished try.
func (d *delivery) attempt(a store.Attempt, now int64) {
	a.Number, a.At = len(d.log)+1, stamp(now)
	a.Duration = a.Duration.Truncate(time.Millisecond)
	d.log = append(d.log, a)
	d.webhook.stats.Attempts++
}

// streak applies what a result does to the webhook's streak, and notes in the answer what
// came of it.
func (s *Store) streak(d *delivery, r *store.Result, out *store.Finished, now int64) {
	w := d.webhook
	if d.epoch != w.Epoch || r.Streak == store.StreakSame {
		return
	}
	if r.Streak == store.StreakReset {
		w.ConsecutiveFailures, w.LastSuccess = 0, stamp(now)
		s.unwell(w, time.Time{})
		if w.Mark == "" && w.Disablings == 0 {
			return // No caller has a use for the standing of a webhook that is simply well.
		}
	} else {
		s.unwell(w, cmp.Or(w.UnwellSince, stamp(now)))
		if r.Streak == store.StreakTry {
			return
		}
		if w.ConsecutiveFailures == 0 {
			w.FailingSince = stamp(now)
		}
		w.ConsecutiveFailures++
		if w.active() && r.DisableAfter > 0 && w.ConsecutiveFailures >= r.DisableAfter &&
			stamp(now).Sub(w.FailingSince) >= r.DisableAfterFailingFor {
			s.disable(w, r, now)
			w.disabler = disabler{d, r.Token}
			out.Disabled = true
		}
	}
	out.Standing = &store.Standing{
		Active: w.active(), ConsecutiveFailures: w.ConsecutiveFailures, FailingSince: w.FailingSince,
		Disablings: w.Disablings, Mark: w.Mark,
	}
}

// disable turns off a webhook that has failed too often, and leaves a notice.
func (s *Store) disable(w *webhook, r *store.Result, now int64) {
	w.owner.unsubscribe(w)
	s.turnTo(w, store.Disabled, r.DisableReason, now)
	w.Disablings++
	w.Version++
	w.UpdatedAt, w.UpdatedBy = stamp(now), ""
	w.note(store.Change{At: w.UpdatedAt, Version: w.Version, Status: w.Status, Reason: w.DisabledReason, Fields: []string{"status"}})
	s.addNotice(store.Notice{
		Kind: store.NoticeDisabled, MerchantID: w.MerchantID, WebhookID: w.ID, URL: w.URL, Reason: r.DisableReason,
		Failures: w.ConsecutiveFailures, DisableAfter: r.DisableAfter, Since: w.FailingSince,
	}, now)
}

// end makes d succeeded or failed for good. The caller has taken it from wherever it was.
func (s *Store) end(d *delivery, as phase, now int64) {
	w := d.webhook
	d.phase, d.at = as, now
	w.stats.Pending--
	if as == succeeded {
		w.stats.Succeeded++
	} else {
		w.stats.Failed++
	}
	w.ended.set(d, key{number: d.number})
	w.byEnd.set(d, d.key())
	s.rekeyEnded(w)
	s.settle(d.event)
}

// rekeyEnded puts w where it belongs in oldest and fullest. Every change of what has ended
// calls for it.
func (s *Store) rekeyEnded(w *webhook) {
	if len(w.ended.nodes) == 0 {
		s.oldest.remove(w)
		s.fullest.remove(w)
		return
	}
	s.oldest.set(w, w.byEnd.first().key())
	s.fullest.set(w, key{at: -int64(len(w.ended.nodes))})
}
