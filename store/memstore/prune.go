package memstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Prune implements [store.History]. With nothing to do it costs next to nothing.
func (s *Store) Prune(ctx context.Context, p store.PruneRequest) (store.Pruned, error) {
	var done store.Pruned
	now, err := s.lock(ctx)
	if err != nil {
		return done, err
	}
	defer s.unlock()
	s.recover(now) // A lease that has ended protects nothing.

	// What ended, or waited, at this moment or later is kept.
	before := func(age time.Duration) int64 { return now - age.Milliseconds() }
	left := p.Limit
	if p.PausedAge > 0 {
		done.Paused = sweep(&left, &done.More,
			func() *delivery { return s.longPaused(before(p.PausedAge)) },
			func(d *delivery) { s.giveUp(d, p.PausedError, now) })
	}
	if p.DeliveryAge > 0 {
		done.Deliveries = sweep(&left, &done.More,
			func() *delivery { return s.longEnded(before(p.DeliveryAge)) }, s.outlived)
	}
	if p.DeliveriesPerWebhook > 0 {
		done.Deliveries += sweep(&left, &done.More,
			func() *delivery { return s.tooMany(p.DeliveriesPerWebhook) }, s.outlived)
	}
	if p.EventAge > 0 {
		done.Events = sweep(&left, &done.More,
			func() *event { return s.longIdle(before(p.EventAge)) }, s.removeEvent)
	}
	if p.NoticeAge > 0 {
		done.Notices = sweep(&left, &done.More,
			func() *notice { return s.notices.before(before(p.NoticeAge)) },
			func(n *notice) { s.notices.remove(s.merchants[n.MerchantID], n) })
	}
	return done, nil
}

// sweep does away with what find finds, as much as is left to do, and says
// whether there is more.
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

// longPaused finds a delivery that was created before the given time and waits
// for a disabled webhook. Each webhook is walked through once, not once a call.
func (s *Store) longPaused(before int64) *delivery {
	for {
		top, ok := s.paused.top()
		if !ok || top.at >= before {
			return nil
		}
		w := top.v
		first := w.firstPaused()
		switch {
		case first == nil:
			s.paused.remove(w)
		case first.created >= before:
			s.paused.set(w, key{at: first.created})
		default:
			return first
		}
	}
}

// firstPaused finds the oldest delivery that waits and is no test.
func (w *webhook) firstPaused() *delivery {
	for d := range w.log.oldest(w.walked, always()) {
		if d.phase == waiting && !d.event.test {
			return d
		}
		w.walked = d.seq
	}
	return nil
}

// giveUp ends a paused delivery as failed.
func (s *Store) giveUp(d *delivery, why string, now int64) {
	d.webhook.waiting(d).remove(d)
	d.fault = why
	if d.open {
		d.open = false
		d.token++ // The last lease has no result, and now none is accepted any more.
	}
	s.end(d, failed, now)
	s.rekey(d.webhook)
}

// longEnded finds a delivery that ended before the given time.
func (s *Store) longEnded(before int64) *delivery {
	if top, ok := s.oldest.top(); ok && top.at < before {
		return top.v.ended.head
	}
	return nil
}

// tooMany finds the oldest ended delivery of a webhook that has more than keep.
func (s *Store) tooMany(keep int) *delivery {
	if top, ok := s.fullest.top(); ok && -top.at > int64(keep) {
		return top.v.ended.head
	}
	return nil
}

// outlived forgets an ended delivery that retention no longer keeps.
func (s *Store) outlived(d *delivery) {
	if at := stamp(d.created); !d.event.test && at.After(d.webhook.PrunedUntil) {
		d.webhook.PrunedUntil = at
	}
	s.remove(d)
}

// remove forgets an ended delivery.
func (s *Store) remove(d *delivery) {
	w := d.webhook
	w.ended.remove(d)
	s.rekeyEnded(w)
	w.log.remove(d)
	delete(w.deliveries, d.id)
	d.event.disown(d)
	w.stats.Total--
	if d.phase == succeeded {
		w.stats.Succeeded--
	} else {
		w.stats.Failed--
	}
	w.stats.Attempts -= int64(len(d.log))
}

// longIdle finds an event that was published before the given time and has no
// pending delivery.
func (s *Store) longIdle(before int64) *event {
	if top, ok := s.idle.top(); ok && top.at < before {
		return top.v
	}
	return nil
}

// removeEvent forgets an event. Deliveries that are kept still name it.
func (s *Store) removeEvent(e *event) {
	s.idle.remove(e)
	m := e.owner
	m.events.remove(e)
	if !e.test {
		m.log.remove(e)
	}
	e.body, e.first, e.fingerprint, e.trace = nil, nil, "", ""
	s.leave(m)
}

// before finds a notice from before the given time.
func (ns *notices) before(t int64) *notice {
	if n, ok := ns.log.first(); ok && n.created < t {
		return n
	}
	return nil
}
