package memstore

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// distantPast is before every moment of a clock.
const distantPast = math.MinInt64

// Claim implements [store.Queue]. Its cost grows with the logarithm of the
// number of webhooks that wait, and hardly with that of deliveries. Claims that
// differ in PerWebhook share a store correctly, but each change costs a look at
// every webhook that has leases.
func (s *Store) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Claimed{}, err
	}
	defer s.unlock()
	if c.PerWebhook != s.cap {
		s.cap = c.PerWebhook // Only webhooks that have leases can be at it.
		for _, n := range s.expiring.nodes {
			s.rekey(n.v)
		}
	}
	s.recover(now)

	var out store.Claimed
	until := now + c.Lease.Milliseconds()
	for len(out.Leases) < c.Limit {
		top, ok := s.ready.top()
		if !ok || top.at > now {
			break
		}
		w := top.v
		w.dropPrevious(now)
		before := len(out.Leases)
		room := min(c.PerWebhook-w.leased.len(), c.Limit-before, w.tokens(now))
		out.Leases = slices.Grow(out.Leases, min(room, w.tests.len()+w.pending.len()))
		for range room {
			d := w.next(now)
			if d == nil {
				break
			}
			w.waiting(d).remove(d)
			d.lease(until)
			w.leased.push(d, true)
			out.Leases = append(out.Leases, d.claimed())
		}
		w.take(len(out.Leases)-before, now)
		s.rekey(w)
	}
	out.Next = s.wait()
	out.Notices = s.notices.any(now)
	return out, nil
}

// recover puts back what was leased and not finished in time.
func (s *Store) recover(now int64) {
	for {
		top, ok := s.expiring.top()
		if !ok || top.at > now {
			return
		}
		w := top.v
		for d := w.leased.first(); d != nil && d.at <= now; d = w.leased.first() {
			w.leased.remove(d)
			s.queue(d, d.at, now)
		}
		s.rekey(w)
	}
}

// queue makes d wait for the moment due. The caller has taken it from wherever
// it was, and rekeys or offers the webhook.
func (s *Store) queue(d *delivery, due, now int64) {
	w := d.webhook
	d.phase, d.at = waiting, due
	w.waiting(d).push(d, due <= now)
	if d.event.test {
		return
	}
	w.walked = min(w.walked, d.seq-1)
	if k, ok := s.paused.key(w); !w.active() && (!ok || d.created < k.at) {
		s.paused.set(w, key{at: d.created})
	}
}

// rekey puts w where it belongs in ready and expiring. It is to be called after
// every change of a webhook's queues, status, leases or bucket.
func (s *Store) rekey(w *webhook) {
	if d := w.leased.first(); d != nil {
		s.expiring.set(w, d.key())
	} else {
		s.expiring.remove(w)
	}
	if k, ok := w.readyAt(s.cap); ok {
		s.ready.set(w, k)
	} else {
		s.ready.remove(w)
	}
}

// readyAt returns when w has something to give away, or false for never.
func (w *webhook) readyAt(limit int) (k key, ok bool) {
	if w.leased.len() >= limit {
		return key{}, false
	}
	if d := w.tests.first(); d != nil {
		k, ok = d.key(), true
	}
	if d := w.pending.first(); d != nil && w.active() && (!ok || d.key().before(k)) {
		k, ok = d.key(), true
	}
	k.at = max(k.at, w.refilled())
	return k, ok
}

// offer is rekey after a change that may make w ready sooner than claimers know.
func (s *Store) offer(w *webhook) {
	s.rekey(w)
	if k, ok := s.ready.key(w); ok && k.at < s.announced {
		s.alarm = true
	}
}

// wait says how long nothing will be claimable, and remembers that it said so.
func (s *Store) wait() time.Duration {
	at := int64(math.MaxInt64)
	for _, h := range []*heap[*webhook]{&s.ready, &s.expiring} {
		if top, ok := h.top(); ok {
			at = min(at, top.at)
		}
	}
	s.announced = max(s.announced, at)
	if at == math.MaxInt64 {
		return -1
	}
	// The clock's own time, since the millisecond has begun already.
	return max(stamp(at).Sub(s.opts.Now()), 0)
}

// lease hides d until the given moment.
func (d *delivery) lease(until int64) {
	if d.open {
		d.reclaims++
	}
	d.phase, d.at, d.open = leased, until, true
	d.token++
	d.epoch = d.webhook.Epoch
}

func (d *delivery) claimed() store.Lease {
	w, e := d.webhook, d.event
	return store.Lease{
		MerchantID: w.MerchantID, WebhookID: w.ID, DeliveryID: d.id.String(),
		EventID: e.id, EventType: e.kind, Test: e.test, Body: e.body, Trace: e.trace,
		Token: d.token, Attempts: len(d.log), Reclaims: int(d.reclaims),
		URL: w.URL, Encoding: w.Encoding, Secret: w.Secret, PreviousSecret: w.PreviousSecret, Headers: w.Headers,
	}
}
