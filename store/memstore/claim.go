package memstore

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	distantPast = math.MinInt64 // before every moment of a clock
	never       = math.MaxInt64 // after every moment of a clock
)

// claim is what a Claim with a key has leased.
type claim struct {
	key    string
	leases []*delivery
	open   int // leases that last and have no result
}

// Claim implements [store.Queue]. Its cost grows with the logarithm of the number of
// webhooks that wait, and hardly with that of deliveries. Claims that differ in PerWebhook
// share a store correctly, but each change costs a look at every webhook that has leases.
func (s *Store) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Claimed{}, err
	}
	defer s.unlock()
	if c.PerWebhook != s.perWebhook {
		s.perWebhook = c.PerWebhook
		for _, n := range s.expiring.nodes {
			s.rekey(n.v, now)
		}
	}
	out := store.Claimed{At: stamp(now), Notices: s.visible.until(now) != nil, Jobs: s.claimable.until(now) != nil}
	if old := s.claims[c.Key]; old != nil {
		out.Again = true
		for _, d := range old.leases {
			if d.claim == old {
				out.Leases = append(out.Leases, d.lease())
			}
		}
	} else {
		out.Leases = s.claim(c, now)
	}
	at := s.nextClaimable()
	s.announced = max(s.announced, at)
	out.Next = -1
	if at != never { // The clock's own time counts, since the millisecond has begun already.
		out.Next = max(stamp(at).Sub(s.opts.Now()), 0)
	}
	return out, nil
}

// claim leases what is due, as much as c allows.
func (s *Store) claim(c store.ClaimRequest, now int64) []store.Lease {
	var out []store.Lease
	var keyed *claim
	if c.Key != "" {
		keyed = &claim{key: c.Key}
	}
	bytes, full := 0, false
	for w := s.ready.until(now); w != nil && !full; w = s.ready.until(now) {
		w.dropPrevious(now)
		taken, room := 0, min(c.PerWebhook-len(w.leased.nodes), c.Limit-len(out), w.tokens(now))
		out = slices.Grow(out, min(room, int(w.stats.Pending)-len(w.leased.nodes)))
		for d := w.next(now); d != nil && taken < room; d = w.next(now) {
			bytes += len(d.event.body)
			if c.MaxBytes > 0 && bytes > c.MaxBytes && len(out) > 0 {
				full = true
				break
			}
			s.unwait(d)
			s.startLease(d, keyed, now+c.Lease.Milliseconds())
			out = append(out, d.lease())
			taken++
		}
		if full = full || len(out) == c.Limit; taken > 0 || !full {
			w.take(taken, now)
			s.ready.remove(w) // It goes behind those that are claimable already.
			s.rekey(w, now)
		}
	}
	if keyed != nil && keyed.open > 0 {
		s.claims[keyed.key] = keyed
	}
	return out
}

// next returns the delivery of w that is to be claimed now, or nil.
func (w *webhook) next(now int64) *delivery {
	if d := w.tests.until(now); d != nil {
		return d
	}
	if d := w.pending.first(); d != nil && d.at <= now && w.active() && w.held <= now {
		return d
	}
	return nil
}

// startLease hides d until the given moment. The caller has taken it from where it waited.
func (s *Store) startLease(d *delivery, by *claim, until int64) {
	if d.open {
		d.reclaims++
	}
	d.phase, d.at, d.open = leased, until, true
	d.token++
	d.epoch = d.webhook.Epoch
	d.webhook.leased.set(d, d.key())
	if by != nil {
		d.claim = by
		by.leases = append(by.leases, d)
		by.open++
	}
}

// endLease takes d from the leased ones. The caller puts it elsewhere.
func (s *Store) endLease(d *delivery) {
	d.webhook.leased.remove(d)
	if c := d.claim; c != nil {
		d.claim = nil
		if c.open--; c.open == 0 {
			delete(s.claims, c.key)
		}
	}
}

// lease shows d as it was leased.
func (d *delivery) lease() store.Lease {
	w, e := d.webhook, d.event
	return store.Lease{
		MerchantID: w.MerchantID, WebhookID: w.ID, DeliveryID: d.id(),
		EventID: e.id, EventType: e.kind, Test: e.test, Forged: e.forged, Body: e.body, Trace: e.trace,
		Token: d.token, Attempts: len(d.log), Reclaims: int(d.reclaims),
		URL: w.URL, Encoding: w.Encoding, Secret: w.Secret, PreviousSecret: w.PreviousSecret, Headers: w.Headers,
	}
}

// recover puts back what was leased and not finished in time.
func (s *Store) recover(now int64) {
	for w := s.expiring.until(now); w != nil; w = s.expiring.until(now) {
		end := w.leased.first().at
		for d := w.leased.until(now); d != nil; d = w.leased.until(now) {
			s.endLease(d)
			s.wait(d, d.at)
		}
		s.rekey(w, end)
	}
}

// wait makes d wait until it is due. The caller has taken it from wherever it was.
func (s *Store) wait(d *delivery, due int64) {
	w := d.webhook
	d.phase, d.at = waiting, due
	if d.event.test {
		w.tests.set(d, d.key())
		return
	}
	w.pending.add(d)
	w.walked = min(w.walked, d.number-1)
	if k, ok := s.paused.key(w); !w.active() && (!ok || d.created < k.at) {
		s.paused.set(w, key{at: d.created})
	}
}

// unwait takes d from where it waits. The caller puts it elsewhere.
func (s *Store) unwait(d *delivery) {
	if d.event.test {
		d.webhook.tests.remove(d)
	} else {
		d.webhook.pending.remove(d)
	}
}

// rekey puts w where it belongs in expiring and ready. Every change of what waits, of
// leases, status or bucket calls for it, with the moment of the change.
//
// The key in ready is the moment at which w became or will become claimable. A webhook
// that is claimable before and after a change keeps its key, and with it its turn.
func (s *Store) rekey(w *webhook, changed int64) {
	if d := w.leased.first(); d != nil {
		s.expiring.set(w, d.key())
	} else {
		s.expiring.remove(w)
	}
	at := w.claimable(s.perWebhook)
	if at == never {
		s.ready.remove(w)
		return
	}
	if old, in := s.ready.key(w); in && max(old.at, at) <= changed {
		return
	}
	s.seq++
	s.ready.set(w, key{max(at, changed), s.seq})
}

// claimable returns since when or from when on Claim can take something of w.
func (w *webhook) claimable(perWebhook int) int64 {
	at := int64(never)
	if len(w.leased.nodes) >= perWebhook {
		return at
	}
	if d := w.tests.first(); d != nil {
		at = d.at
	}
	if d := w.pending.first(); d != nil && w.active() {
		at = min(at, max(d.at, w.held))
	}
	return max(at, w.refilled())
}

// nextClaimable returns the moment of the next change that time brings: when a webhook
// becomes claimable or a lease ends. It is past if a webhook is claimable.
func (s *Store) nextClaimable() int64 {
	at := int64(never)
	for _, h := range []*heap[*webhook]{&s.ready, &s.expiring} {
		if len(h.nodes) > 0 {
			at = min(at, h.nodes[0].at)
		}
	}
	return at
}

// Backlog implements [store.Backlogs]. It looks at each webhook that is claimable.
func (s *Store) Backlog(ctx context.Context) (store.Backlog, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Backlog{}, err
	}
	defer s.unlock()
	oldest := now
	for _, n := range s.ready.nodes {
		oldest = min(oldest, n.v.claimable(s.perWebhook))
	}
	return store.Backlog{Pending: s.waiting, OldestDue: time.Duration(now-oldest) * time.Millisecond}, nil
}
