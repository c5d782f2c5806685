package memstore

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/rag-assistant/webhooks/store"
)

// Audit looks whether the indexes inside of the store agree with its records,
// and names the promise that is broken. It is for tests: it takes long and
// holds up every other call.
func (s *Store) Audit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := audit{store: s}
	a.merchants()
	a.webhooks()
	a.events()
	a.notices()
	a.seen()
	return errors.Join(a.broken...)
}

// audit collects what is wrong.
type audit struct {
	store  *Store
	broken []error
}

// want reports a broken promise unless ok.
func (a *audit) want(ok bool, promise, format string, args ...any) {
	if !ok && len(a.broken) < 10 {
		a.broken = append(a.broken, fmt.Errorf("%s: "+format, append([]any{promise}, args...)...))
	}
}

func (a *audit) merchants() {
	for id, m := range a.store.merchants {
		a.want(m.id == id && len(m.webhooks)+m.events.n > 0, "a merchant has something", "%s", id)
		sorted := slices.SortedFunc(maps.Values(m.webhooks), byAge)
		a.want(slices.Equal(sorted, m.list), "the list holds each webhook of the merchant, by age", "%s", id)
		index := map[string][]*webhook{}
		for _, w := range slices.SortedFunc(maps.Values(m.webhooks), byID) {
			a.want(w.owner == m && w.MerchantID == id, "a webhook belongs to its merchant", "%s", w.ID)
			kinds := slices.Compact(slices.Sorted(slices.Values(w.Events)))
			for _, kind := range kinds {
				if w.active() {
					index[kind] = append(index[kind], w)
				}
			}
		}
		same := maps.EqualFunc(index, m.subscribers, slices.Equal[[]*webhook])
		a.want(same, "a webhook is found under a type if it is active and subscribes to it", "merchant %s", id)
		auditLedger(a, &m.log)
	}
}

func (a *audit) webhooks() {
	members := map[*heap[*webhook]]int{}
	for _, m := range a.store.merchants {
		for _, w := range m.webhooks {
			a.queues(w)
			a.history(w)
			a.want(w.alarm.epoch <= w.Epoch && w.alarm.since <= w.alarm.streak, "an alarm is of the past", "%s: %+v", w.ID, w.alarm)
			a.want(w.RateLimit > 0 && w.bucket.level >= 0 && w.bucket.level <= token*int64(w.RateLimit) || w.bucket.level == 0,
				"a bucket holds no more than a second's worth", "%s: %d at %d per second", w.ID, w.bucket.level, w.RateLimit)
			for h, k := range a.keys(w) {
				got, in := h.key(w)
				a.want(in == (k != nil) && (k == nil || *k == got),
					"a webhook is in ready, expiring, oldest and fullest under what its queues say",
					"%s is at %v, %t", w.ID, got, in)
				if in {
					members[h]++
				}
			}
			k, in := a.store.paused.key(w)
			first := firstWaiting(w)
			a.want(!in || !w.active(), "an active webhook is not looked through for paused deliveries", "%s", w.ID)
			a.want(w.active() || first == nil || in && k.at <= first.created,
				"a disabled webhook is looked through no later than its first delivery demands", "%s", w.ID)
			if in {
				members[&a.store.paused]++
			}
		}
	}
	s := a.store
	for _, h := range []*heap[*webhook]{&s.ready, &s.expiring, &s.oldest, &s.fullest, &s.paused} {
		auditHeap(a, h)
		a.want(len(h.nodes) == members[h], "a heap holds no webhook that is gone", "%d, want %d", len(h.nodes), members[h])
	}
}

// firstWaiting is firstPaused without its memory.
func firstWaiting(w *webhook) *delivery {
	for d := range each(&w.log) {
		if d.phase == waiting && !d.event.test {
			return d
		}
	}
	return nil
}

// keys says where a webhook has to be in each heap, nil for nowhere.
func (a *audit) keys(w *webhook) map[*heap[*webhook]]*key {
	s := a.store
	out := map[*heap[*webhook]]*key{&s.ready: nil, &s.expiring: nil, &s.oldest: nil, &s.fullest: nil}
	least := func(h *heap[*webhook], k key) {
		if out[h] == nil || k.before(*out[h]) {
			out[h] = &k
		}
	}
	for _, d := range w.deliveries {
		switch {
		case d.phase == leased:
			least(&s.expiring, d.key())
		case d.phase == waiting && w.leased.len() < s.cap && (w.active() || d.event.test):
			least(&s.ready, d.key())
		}
	}
	if k := out[&s.ready]; k != nil {
		k.at = max(k.at, w.refilled())
	}
	if w.ended.n > 0 {
		least(&s.oldest, w.ended.head.key())
		least(&s.fullest, key{at: -int64(w.ended.n)})
	}
	return out
}

// queues looks where the deliveries of a webhook are.
func (a *audit) queues(w *webhook) {
	in := map[*delivery]int{}
	walk := func(c *chain, right func(*delivery) bool, sorted bool) {
		n := 0
		for d := c.head; d != nil; d = d.next {
			n++
			in[d]++
			a.want(right(d) && d.inRest == 0, "a delivery is where its phase says", "%s", d.id)
			linked := d.next == nil && c.tail == d || d.next != nil && d.next.prev == d
			a.want(linked && (!sorted || d.next == nil || d.key().before(d.next.key())),
				"the chain of a queue is linked and in order", "%s", d.id)
		}
		a.want(n == c.n, "a chain counts its deliveries", "webhook %s: %d, want %d", w.ID, c.n, n)
	}
	queue := func(q *queue, right func(*delivery) bool) {
		walk(&q.chain, right, true)
		auditHeap(a, &q.rest.order)
		n := 0
		for number, t := range q.rest.ticks {
			auditHeap(a, &t.heap)
			a.want(len(t.nodes) > 0 && t.inOrder > 0 && t.number == number, "a calendar holds ticks that have deliveries", "webhook %s", w.ID)
			n += len(t.nodes)
			for _, o := range t.nodes {
				in[o.v]++
				a.want(right(o.v) && o.key == o.v.key() && o.at>>tickBits == number, "a delivery is where its phase says", "%s", o.v.id)
			}
		}
		a.want(n == q.rest.n && len(q.rest.order.nodes) == len(q.rest.ticks), "a calendar counts its deliveries", "webhook %s", w.ID)
	}
	queue(&w.tests, func(d *delivery) bool { return d.phase == waiting && d.event.test })
	queue(&w.pending, func(d *delivery) bool { return d.phase == waiting && !d.event.test })
	queue(&w.leased, func(d *delivery) bool { return d.phase == leased && d.open })
	walk(&w.ended, func(d *delivery) bool { return !d.pending() && !d.open }, false)
	a.want(len(in) == len(w.deliveries), "a webhook queues its own deliveries only", "%s", w.ID)
	for id, d := range w.deliveries {
		a.want(in[d] == 1, "a delivery is in exactly one of tests, pending, leased and ended", "%s is in %d", id, in[d])
	}
}

// history counts what a webhook says of its deliveries.
func (a *audit) history(w *webhook) {
	var stats store.Stats
	auditLedger(a, &w.log)
	for d := range each(&w.log) {
		a.want(w.deliveries[d.id] == d && d.webhook == w, "a delivery is found by its id", "%s", d.id)
		a.want(d.phase != waiting || d.event.test || d.seq > w.walked, "Prune passes no paused delivery", "%s", d.id)
		stats.Total++
		stats.Attempts += int64(len(d.log))
		switch d.phase {
		case succeeded:
			stats.Succeeded++
		case failed:
			stats.Failed++
		default:
			stats.Pending++
		}
	}
	a.want(stats == w.stats, "stats are what a count gives", "webhook %s: %+v, want %+v", w.ID, w.stats, stats)
	a.want(w.log.n == len(w.deliveries), "a ledger holds each delivery", "webhook %s", w.ID)
}

func (a *audit) events() {
	s := a.store
	pending, all := map[*event]int{}, int64(0)
	family := map[*delivery]bool{}
	for _, m := range s.merchants {
		for _, w := range m.webhooks {
			for _, d := range w.deliveries {
				if d.pending() {
					pending[d.event]++
					all++
				}
				for o := d.event.last; o != nil && !family[d]; o = o.older {
					family[o] = true
				}
				a.want(family[d], "an event leads to its deliveries", "%s", d.id)
				stored := m.events.find(d.event.id) == d.event
				a.want(stored || !d.pending(), "an event outlives its pending deliveries", "%s", d.id)
			}
		}
	}
	a.want(s.waiting == all || s.sweeping > 0, "the store counts its pending deliveries", "%d, want %d", s.waiting, all)
	idle := 0
	for _, m := range s.merchants {
		listed := 0
		n := 0
		for e := range m.events.all() {
			n++
			a.want(m.events.find(e.id) == e, "an event is found by its id", "%s", e.id)
			a.want(e.owner == m, "an event belongs to its merchant", "%s", e.id)
			a.want(e.pending == pending[e] || s.sweeping > 0, "an event counts its pending deliveries",
				"%s: %d, want %d", e.id, e.pending, pending[e])
			k, in := s.idle.key(e)
			a.want(in == (e.pending == 0) && (!in || k == e.born()), "an event without pending deliveries can age", "%s", e.id)
			if in {
				idle++
			}
			if !e.test {
				listed++
			}
		}
		a.want(n == m.events.n, "a merchant counts its events", "%s: %d, want %d", m.id, m.events.n, n)
		a.want(listed == m.log.n, "a ledger holds each event but tests", "merchant %s", m.id)
	}
	auditHeap(a, &s.idle)
	a.want(idle == len(s.idle.nodes), "only stored events age", "%d, want %d", len(s.idle.nodes), idle)
}

func (a *audit) notices() {
	ns := &a.store.notices
	auditLedger(a, &ns.log)
	auditHeap(a, &ns.visible)
	auditHeap(a, &ns.hidden)
	n := 0
	for _, m := range a.store.merchants {
		n += len(m.notices)
		for id, o := range m.notices {
			a.want(m.webhooks[o.WebhookID] != nil && o.ID == id, "a notice is of a webhook that is there", "%s", id)
			a.want((o.inVisible > 0) != (o.inHidden > 0), "a notice is visible or hidden", "%s", id)
		}
	}
	a.want(n == ns.log.n && n == len(ns.visible.nodes)+len(ns.hidden.nodes), "each notice is kept once", "%d", n)
}

func (a *audit) seen() {
	n := &a.store.seen
	n.mu.Lock()
	defer n.mu.Unlock()
	a.want(len(n.ids) == n.held.Len()+n.done.Len(), "each id is held or done", "%d", len(n.ids))
	a.want(len(n.ids) <= n.max || n.done.Len() == 0, "what is done is bounded", "%d ids", len(n.ids))
}

// auditHeap looks at the order of a heap, and whether its members know their places.
func auditHeap[T any](a *audit, h *heap[T]) {
	for i, n := range h.nodes {
		a.want(i == 0 || !n.before(h.nodes[(i-1)/4].key), "a heap is in order", "%v", n.key)
		a.want(int(*h.place(n.v)) == i+1, "a member knows its place", "%v", n.key)
	}
}

// each walks through a ledger that may be broken.
func each[T dated](l *ledger[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, p := range l.pages {
			for _, r := range p.records {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// all walks through the events in any order.
func (x *index) all() iter.Seq[*event] {
	return func(yield func(*event) bool) {
		for _, e := range x.first {
			for ; e != nil; e = e.twin {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// auditLedger looks at the order and the pages of a ledger.
func auditLedger[T dated](a *audit, l *ledger[T]) {
	n, last := 0, uint64(0)
	for _, p := range l.pages {
		a.want(len(p.records) > 0, "no page is empty", "after %d", last)
		n += len(p.records)
		for _, r := range p.records {
			k := r.born()
			a.want(cmp.Less(last, k.seq), "a ledger is in order", "%d after %d", k.seq, last)
			a.want(k.at >= p.since && k.at <= p.until, "a page knows its span", "%d", k.seq)
			last = k.seq
		}
	}
	a.want(n == l.n, "a ledger counts its records", "%d, want %d", l.n, n)
}
