package memstore

import (
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

func (s *Store) finish(r *store.Result, now int64) store.Finished {
	w := s.webhook(r.MerchantID, r.WebhookID)
	if w == nil {
		return store.Finished{State: store.FinishGone}
	}
	d := w.find(r.DeliveryID)
	switch {
	case d == nil:
		return store.Finished{State: store.FinishGone}
	case r.Token != d.token || d.token == 0:
		return store.Finished{State: store.FinishStale}
	case !d.open:
		return store.Finished{State: store.FinishRepeated}
	}
	d.open = false
	if d.phase == leased {
		w.leased.remove(d)
	} else {
		w.waiting(d).remove(d) // The lease had ended, and nobody has claimed since.
	}
	disabled := false
	if r.Outcome != store.Released {
		d.attempt(r.Attempt, now)
		disabled = s.streak(w, d, r, now)
	}
	switch r.Outcome {
	case store.Succeeded:
		s.end(d, succeeded, now)
	case store.Failed:
		s.end(d, failed, now)
	default:
		if r.Outcome == store.Released && r.Fault {
			d.reclaims++
		}
		s.queue(d, now+max(r.Delay, 0).Milliseconds(), now)
	}
	s.offer(w)
	return store.Finished{State: store.FinishAccepted, Disabled: disabled}
}

// attempt appends a finished try.
func (d *delivery) attempt(a store.Attempt, now int64) {
	a.Number, a.At = len(d.log)+1, stamp(now)
	a.Duration = a.Duration.Truncate(time.Millisecond)
	d.log = append(d.log, a)
	d.webhook.stats.Attempts++
}

// streak applies what a result does to the webhook's streak, and says if that
// has disabled it.
func (s *Store) streak(w *webhook, d *delivery, r *store.Result, now int64) bool {
	if d.epoch != w.Epoch {
		return false
	}
	switch r.Streak {
	case store.StreakReset:
		w.ConsecutiveFailures = 0
		if w.active() && w.alarm.epoch != 0 {
			s.tell(w, r, store.NoticeRecovered, now)
		}
		return false
	case store.StreakExtend:
		if w.ConsecutiveFailures == 0 {
			w.alarm.streak = now
		}
		w.ConsecutiveFailures++
	default:
		return false
	}
	if !w.active() {
		return false
	}
	if r.DisableAfter > 0 && w.ConsecutiveFailures >= r.DisableAfter {
		w.owner.unsubscribe(w)
		s.turn(w, store.Disabled, r.DisableReason, now)
		w.Version++
		w.UpdatedAt = stamp(now)
		s.tell(w, r, store.NoticeDisabled, now)
		return true
	}
	quiet := w.alarm.warned == 0 || now-w.alarm.warned >= r.WarnPause.Milliseconds()
	if r.WarnAfter > 0 && w.ConsecutiveFailures >= r.WarnAfter && w.alarm.epoch != w.Epoch && quiet {
		w.alarm.warned = now
		s.tell(w, r, store.NoticeWarning, now)
	}
	return false
}

// tell leaves a notice for the owner of w.
func (s *Store) tell(w *webhook, r *store.Result, kind store.NoticeKind, now int64) {
	a := &w.alarm
	n := store.Notice{
		ID: store.NoticeID(kind, w.ID, w.Epoch, a.rounds), Kind: kind, MerchantID: w.MerchantID, WebhookID: w.ID, URL: w.URL,
		Failures: w.ConsecutiveFailures, DisableAfter: max(r.DisableAfter, 0), Since: stamp(a.streak), At: stamp(now),
	}
	switch kind {
	case store.NoticeDisabled:
		n.Reason = r.DisableReason
	case store.NoticeRecovered:
		n.DisableAfter, n.Since = 0, stamp(a.since)
	case store.NoticeWarning:
	}
	if kind == store.NoticeRecovered {
		a.epoch = 0
		a.rounds++
	} else {
		if a.epoch == 0 {
			a.since = a.streak
		}
		a.epoch = w.Epoch
	}
	s.notices.add(w.owner, &notice{seq: s.next(), created: now, Notice: n})
	s.alarm = true // The next claim tells of the notice.
}

// end makes d succeeded or failed for good. The caller has taken it from its
// queue.
func (s *Store) end(d *delivery, as phase, now int64) {
	w := d.webhook
	d.phase, d.at = as, now
	w.stats.Pending--
	if as == succeeded {
		w.stats.Succeeded++
	} else {
		w.stats.Failed++
	}
	w.ended.append(d)
	s.rekeyEnded(w)
	s.settleEvent(d.event)
}

// rekeyEnded puts w where it belongs in oldest and fullest. It is to be called
// after every change of its ended deliveries.
func (s *Store) rekeyEnded(w *webhook) {
	if w.ended.n == 0 {
		s.oldest.remove(w)
		s.fullest.remove(w)
		return
	}
	s.oldest.set(w, w.ended.head.key())
	s.fullest.set(w, key{at: -int64(w.ended.n)})
}
