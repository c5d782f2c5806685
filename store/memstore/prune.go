package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Prune implements [store.Queue]. With nothing to do it costs next to nothing.
func (s *Store) Prune(ctx context.Context, p store.PruneRequest) (done store.Pruned, err error) {
	now, err := s.lock(ctx)
	if err != nil {
		return done, err
	}
	defer s.unlock()
	// What is of this moment or later is kept.
	before := func(age time.Duration) int64 { return now - age.Milliseconds() }
	left := p.Limit
	if p.PausedAge > 0 {
		done.Paused = sweep(&left, &done.More,
			func() *delivery { return s.longPaused(before(p.PausedAge)) },
			func(d *delivery) { s.giveUp(d, p.PausedCode, now) })
	}
	if p.DeliveryAge > 0 {
		done.Deliveries = sweep(&left, &done.More,
			func() *delivery { return s.longEnded(before(p.DeliveryAge)) }, s.remove)
	}
	if p.DeliveriesPerWebhook > 0 {
		done.Deliveries += sweep(&left, &done.More,
			func() *delivery { return s.tooMany(p.DeliveriesPerWebhook) }, s.remove)
	}
	if p.EventAge > 0 {
		done.Events = sweep(&left, &done.More,
			func() *event { return s.idle.until(before(p.EventAge) - 1) }, s.removeEvent)
	}
	if p.NoticeAge > 0 {
		done.Notices = sweep(&left, &done.More,
			func() *notice { return s.longUnread(before(p.NoticeAge)) }, s.removeNotice)
	}
	if p.JobAge > 0 {
		done.Jobs = sweep(&left, &done.More,
			func() *job { return s.outdated.until(before(p.JobAge) - 1) }, s.forgetJob)
	}
	return done, nil
}

// sweep does away with what find finds, as much as is left to do, and notes whether there
// is more.
func sweep[T any](left *int, more *bool, find func() *T, do func(*T)) (n int) {
	for r := find(); r != nil; r = find() {
		if *left <= 0 {
			*more = true
			break
		}
		*left--
		n++
		do(r)
	}
	return n
}

// longPaused finds a delivery that was made before the given moment and waits for a
// disabled webhook.
func (s *Store) longPaused(before int64) *delivery {
	for w := s.paused.until(before - 1); w != nil; w = s.paused.until(before - 1) {
		d := w.firstPaused()
		switch {
		case d == nil:
			s.paused.remove(w)
		case d.created >= before:
			s.paused.set(w, key{at: d.created})
		default:
			return d
		}
	}
	return nil
}

// firstPaused finds the oldest delivery that waits and is no test. It goes on where it was
// the last time, so that a long backlog is walked through once and not with each Prune.
func (w *webhook) firstPaused() *delivery {
	for d := range w.deliveries.after(w.walked) {
		if d.phase == waiting && !d.event.test {
			return d
		}
		w.walked = d.number
	}
	return nil
}

// giveUp ends a pending delivery as failed.
func (s *Store) giveUp(d *delivery, why string, now int64) {
	if d.phase == leased {
		s.endLease(d)
	} else {
		s.unwait(d)
	}
	d.code = why
	d.open, d.token = false, 0 // Every result of a lease is stale from now on.
	s.end(d, failed, now)
	s.rekey(d.webhook, now)
}

// longEnded finds a delivery that ended before the given moment.
func (s *Store) longEnded(before int64) *delivery {
	if w := s.oldest.until(before - 1); w != nil {
		return w.byEnd.first()
	}
	return nil
}

// tooMany finds the oldest of the ended deliveries of a webhook that has more than keep.
func (s *Store) tooMany(keep int) *delivery {
	if w := s.fullest.until(-int64(keep) - 1); w != nil {
		return w.ended.first()
	}
	return nil
}

// remove forgets an ended delivery.
func (s *Store) remove(d *delivery) {
	w := d.webhook
	if at := stamp(d.created); !d.event.test && at.After(w.PrunedUntil) {
		w.PrunedUntil = at
	}
	w.ended.remove(d)
	w.byEnd.remove(d)
	s.rekeyEnded(w)
	w.deliveries.remove(d.number)
	if made := w.enqueued[d.event]; made != nil {
		made = slices.DeleteFunc(made, func(m enqueued) bool { return m.delivery == d })
		if w.enqueued[d.event] = made; len(made) == 0 {
			delete(w.enqueued, d.event)
		}
	}
	w.stats.Total--
	if d.phase == succeeded {
		w.stats.Succeeded--
	} else {
		w.stats.Failed--
	}
	w.stats.Attempts -= int64(len(d.log))
}

// removeEvent forgets an event. Deliveries that are kept still name it.
func (s *Store) removeEvent(e *event) {
	s.idle.remove(e)
	delete(e.owner.events, e.id)
	if !e.test {
		e.owner.log.remove(e.number)
	}
	e.body, e.first, e.fingerprint, e.trace = nil, nil, "", ""
	s.leave(e.owner)
}

// longUnread finds a notice from before the given moment.
func (s *Store) longUnread(before int64) *notice {
	for n := range s.notices.after(0) {
		if n.At.UnixMilli() < before {
			return n
		}
		break
	}
	return nil
}
