package memstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

// Audit looks whether the indexes inside of the store agree with its records, and names
// the promise that is broken.
func (s *Store) Audit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &audit{Store: s, now: s.opts.Now().UnixMilli(), pending: map[*event]int32{}}
	a.auditMerchants()
	a.auditClaims()
	a.auditNotices()
	a.auditJobs()
	a.auditSeen()
	return errors.Join(a.broken...)
}

// audit collects what is wrong.
type audit struct {
	*Store

	now     int64
	broken  []error
	pending map[*event]int32 // deliveries that have not ended
	leased  int              // by a claim with a key
}

// want reports a broken promise unless ok.
func (a *audit) want(ok bool, promise, format string, args ...any) {
	if !ok && len(a.broken) < 10 {
		a.broken = append(a.broken, fmt.Errorf("%s: "+format, append([]any{promise}, args...)...))
	}
}

func (a *audit) auditMerchants() {
	var directory []string
	var webhooks []*webhook
	var events []*event
	for id, m := range a.merchants {
		a.want(m.id == id && len(m.webhooks)+len(m.events) > 0, "a merchant has something", "%s", id)
		if len(m.webhooks) > 0 {
			directory = append(directory, id)
		}
		sorted := slices.SortedFunc(maps.Values(m.webhooks), byAge)
		a.want(slices.Equal(sorted, m.byAge), "the list holds each webhook of the merchant, by age", "%s", id)
		a.auditSubscribers(m)
		for _, w := range sorted {
			a.want(w.owner == m && w.MerchantID == id, "a webhook belongs to its merchant", "%s", w.ID)
			a.auditQueues(w)
			a.auditHistory(w)
		}
		webhooks = append(webhooks, sorted...)
		events = slices.AppendSeq(events, maps.Values(m.events))
	}
	slices.Sort(directory)
	a.want(slices.Equal(directory, a.directory), "the directory holds the merchants that have webhooks", "%v", a.directory)
	a.auditPlaces(webhooks)
	a.auditEvents(events)
}

func (a *audit) auditSubscribers(m *merchant) {
	index := map[string][]*webhook{}
	for _, w := range m.byAge {
		for _, kind := range w.kinds() {
			if w.active() {
				index[kind] = append(index[kind], w)
			}
		}
	}
	same := maps.EqualFunc(index, m.subscribers, func(want, got []*webhook) bool {
		return slices.Equal(want, slices.SortedFunc(slices.Values(got), byAge))
	})
	a.want(same, "a webhook is found under a type if it is active and subscribes to it", "merchant %s", m.id)
}

// auditQueues looks where the deliveries of a webhook are.
func (a *audit) auditQueues(w *webhook) {
	in := map[*delivery]int{}
	see := func(h *heap[*delivery], right func(*delivery, key) bool) {
		auditHeap(a, h)
		for _, n := range h.nodes {
			in[n.v]++
			a.want(n.v.webhook == w, "a webhook queues its own deliveries only", "%s", w.ID)
			a.want(right(n.v, n.key), "a delivery is where its phase says", "%s", w.ID)
		}
	}
	see(&w.tests, func(d *delivery, k key) bool { return d.phase == waiting && d.event.test && k == d.key() })
	see(&w.leased, func(d *delivery, k key) bool { return d.phase == leased && d.open && k == d.key() })
	see(&w.ended, func(d *delivery, k key) bool { return !d.pending() && !d.open && k == key{number: d.number} })
	see(&w.pending.later, func(d *delivery, k key) bool { return d.phase == waiting && !d.event.test && k == d.key() })
	made := int64(distantPast)
	for d := range w.deliveries.after(0) {
		if d.isNew() {
			in[d]++
			a.want(d.number >= w.pending.next && d.at >= made && d.at <= w.pending.newest && !d.event.test,
				"what is new is in order", "%s", d.id())
			made = d.at
		}
		a.want(in[d] == 1, "a delivery is in exactly one of tests, pending, leased and ended", "%s is in %d", d.id(), in[d])
	}
	auditHeap(a, &w.byEnd)
	for _, n := range w.byEnd.nodes {
		a.want(n.v.place > 0 && !n.v.pending() && n.key == n.v.key(), "what ended is found by its end", "webhook %s", w.ID)
	}
	a.want(len(w.byEnd.nodes) == len(w.ended.nodes), "what ended is found by its end", "webhook %s", w.ID)
}

// auditHistory counts what a webhook says of its deliveries.
func (a *audit) auditHistory(w *webhook) {
	var stats store.Stats
	auditSeries(a, &w.deliveries, func(d *delivery) uint64 { return d.number })
	byEnqueue := 0
	for e, list := range w.enqueued {
		byEnqueue += len(list)
		for _, m := range list {
			a.want(m.delivery.event == e && w.deliveries.at(m.delivery.number) == m.delivery && m.nonce != "" && len(list) <= store.MaxEnqueued,
				"what Enqueue made is kept", "webhook %s", w.ID)
		}
	}
	for d := range w.deliveries.after(0) {
		a.want(w.find(d.id()) == d && d.webhook == w, "a delivery is found by its id", "%s", w.ID)
		a.want(d.phase != waiting || d.event.test || d.number > w.walked, "Prune passes no paused delivery", "%s", d.id())
		stored := w.owner.events[d.event.id] == d.event
		a.want(stored || !d.pending(), "an event outlives its pending deliveries", "%s", d.id())
		if stored && d.event.youngest(w).number < d.number {
			a.want(false, "an event knows its youngest delivery", "%s", d.id())
		}
		stats.Total++
		stats.Attempts += int64(len(d.log))
		switch d.phase {
		case succeeded:
			stats.Succeeded++
		case failed:
			stats.Failed++
		case waiting, leased:
			stats.Pending++
			a.pending[d.event]++
		}
	}
	a.want(stats == w.stats, "stats are what a count gives", "webhook %s: %+v, want %+v", w.ID, w.stats, stats)
	full := w.RateLimit > 0 && w.bucket.level >= 0 && w.bucket.level <= token*int64(w.RateLimit)
	a.want(full || w.bucket.level == 0, "a bucket holds no more than a second's worth", "%s: %d at %d per second", w.ID, w.bucket.level, w.RateLimit)
}

// auditPlaces looks where webhooks are in the heaps of the store.
func (a *audit) auditPlaces(all []*webhook) {
	s := a.Store
	members := map[*heap[*webhook]]int{}
	place := func(h *heap[*webhook], w *webhook, want bool, right func(key) bool) {
		k, in := h.key(w)
		if in {
			members[h]++
		}
		a.want(in == want && (!in || right(k)), "a webhook is in each heap under what its queues say", "%s is at %v, %t", w.ID, k, in)
	}
	for _, w := range all {
		at := w.claimable(s.perWebhook)
		place(&s.ready, w, at != never, func(k key) bool { return k.at == at || max(k.at, at) <= a.now })
		place(&s.expiring, w, len(w.leased.nodes) > 0, func(k key) bool { return k == w.leased.nodes[0].key })
		place(&s.oldest, w, len(w.byEnd.nodes) > 0, func(k key) bool { return k == w.byEnd.nodes[0].key })
		place(&s.fullest, w, len(w.ended.nodes) > 0, func(k key) bool { return k == key{at: -int64(len(w.ended.nodes))} })
		var first *delivery // that is paused
		for d := range w.deliveries.after(0) {
			if first == nil && d.phase == waiting && !d.event.test && !w.active() {
				first = d
			}
		}
		_, in := s.paused.key(w)
		a.want(!in || !w.active(), "an active webhook is not looked through for paused deliveries", "%s", w.ID)
		place(&s.paused, w, in || first != nil, func(k key) bool { return first == nil || k.at <= first.created })
	}
	for _, h := range []*heap[*webhook]{&s.ready, &s.expiring, &s.oldest, &s.fullest, &s.paused} {
		auditHeap(a, h)
		a.want(len(h.nodes) == members[h], "a heap holds no webhook that is gone", "%d, want %d", len(h.nodes), members[h])
	}
}

func (a *audit) auditEvents(all []*event) {
	waiting, idle, listed := int64(0), 0, 0
	for _, e := range all {
		m := e.owner
		if m == nil || m.events[e.id] != e {
			a.want(false, "an event belongs to its merchant and is found by its id", "%s", e.id)
			continue
		}
		waiting += int64(a.pending[e])
		a.want(e.pending == a.pending[e], "an event counts its pending deliveries", "%s: %d, want %d", e.id, e.pending, a.pending[e])
		k, in := a.idle.key(e)
		a.want(in == (e.pending == 0) && (!in || k == e.key()), "an event without pending deliveries can age", "%s", e.id)
		if in {
			idle++
		}
		if !e.test {
			listed++
			a.want(m.log.at(e.number) == e, "a log holds each event but tests", "%s", e.id)
		}
	}
	a.want(a.waiting == waiting, "the store counts its pending deliveries", "%d, want %d", a.waiting, waiting)
	for _, m := range a.merchants {
		auditSeries(a, &m.log, func(e *event) uint64 { return e.number })
		for range m.log.after(0) {
			listed--
		}
	}
	a.want(listed == 0, "a log holds each event but tests", "%d missing", listed)
	auditHeap(a, &a.idle)
	a.want(idle == len(a.idle.nodes), "only stored events age", "%d, want %d", len(a.idle.nodes), idle)
}

func (a *audit) auditClaims() {
	for k, c := range a.claims {
		open := 0
		for _, d := range c.leases {
			if d.claim == c {
				open++
				a.want(d.phase == leased && a.webhook(d.webhook.MerchantID, d.webhook.ID) == d.webhook, "a claim keeps leases that last", "%s", k)
			}
		}
		a.leased += open
		a.want(k == c.key && open > 0 && open == c.open, "a claim counts its leases", "%s: %d, want %d", k, c.open, open)
	}
	for _, n := range a.expiring.nodes {
		for _, l := range n.v.leased.nodes {
			if l.v.claim != nil {
				a.leased--
			}
		}
	}
	a.want(a.leased == 0, "a lease is found by the key of its claim", "%d", a.leased)
}

func (a *audit) auditNotices() {
	ns := &a.notices
	auditSeries(a, ns, func(n *notice) uint64 { return n.number })
	auditHeap(a, &a.visible)
	n := 0
	for o := range ns.after(0) {
		n++
		a.want(a.webhook(o.MerchantID, o.WebhookID) != nil && a.notice(o.MerchantID, o.ID) == o, "a notice is of a webhook that is there", "%s", o.ID)
		a.want(o.place > 0, "a notice can become visible", "%s", o.ID)
	}
	a.want(n == len(a.visible.nodes), "only kept notices are visible", "%d", n)
}

func (a *audit) auditJobs() {
	auditHeap(a, &a.claimable)
	auditHeap(a, &a.outdated)
	open, ended := 0, 0
	for id, g := range a.agendas {
		auditSeries(a, &g.jobs, func(j *job) uint64 { return j.number })
		auditHeap(a, &g.ended)
		n := 0
		for j := range g.jobs.after(0) {
			n++
			a.want(j.MerchantID == id && j.owner == g && a.job(id, j.ID) == j, "a job is found by its id", "%s", j.ID)
			a.want(j.place > 0 && j.EndedAt.IsZero() == (g.open[j.Scope] == j), "a job that has not ended holds its scope", "%s", j.ID)
		}
		a.want(n > 0 && n == len(g.byID) && n == len(g.open)+len(g.ended.nodes), "a job is open or has ended", "%d of %s", n, id)
		open, ended = open+len(g.open), ended+len(g.ended.nodes)
	}
	a.want(open == len(a.claimable.nodes) && ended == len(a.outdated.nodes), "only kept jobs are claimable or can age", "%d and %d", open, ended)
}

func (a *audit) auditSeen() {
	auditHeap(a, &a.held)
	auditHeap(a, &a.done)
	a.want(len(a.seen) == len(a.held.nodes)+len(a.done.nodes), "each id is held or done", "%d", len(a.seen))
	for _, n := range a.done.nodes {
		a.want(n.v.done, "each id is held or done", "%s", n.v.id)
	}
	ids, done := 0, 0
	for name, of := range a.scopes {
		auditHeap(a, &of.done)
		a.want(of.ids <= a.opts.MaxSeen || len(of.done.nodes) == 0, "what is done is bounded", "%d ids of %s", of.ids, name)
		a.want(of.ids > 0, "a scope has ids", "%s", name)
		ids, done = ids+of.ids, done+len(of.done.nodes)
	}
	a.want(ids == len(a.seen) && done == len(a.done.nodes), "a scope knows its ids", "%d and %d", ids, done)
}

// auditHeap looks at the order of a heap, and whether its members know their places.
func auditHeap[T any](a *audit, h *heap[T]) {
	for i, n := range h.nodes {
		a.want(i == 0 || !n.before(h.nodes[(i-1)/4].key), "a heap is in order", "%v", n.key)
		a.want(int(*h.place(n.v)) == i+1, "a member knows its place", "%v", n.key)
	}
}

// auditSeries looks whether records know their numbers, and none is gone at the front.
func auditSeries[T any](a *audit, s *series[T], number func(*T) uint64) {
	a.want(len(s.records) == 0 || s.records[0] != nil, "a series begins with a record", "%s", s.prefix)
	for i, r := range s.records {
		a.want(r == nil || number(r) == s.gone+uint64(i)+1, "a record knows its number", "%s", s.prefix)
	}
}

// crowded returns a store in which something is everywhere, and its webhook.
func crowded(t *testing.T) (*Store, *webhook) {
	t.Helper()
	ctx := t.Context()
	now := time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC)
	s := New(&Options{Now: func() time.Time { return now }})
	for _, id := range []string{"whk_1", "whk_2"} {
		_, err := s.CreateWebhook(ctx, "m", store.Webhook{ID: id, Events: []string{"a", id}, Status: store.Active}, 0)
		require.NoError(t, err)
	}
	publish := func(events ...store.NewEvent) {
		_, err := s.Publish(ctx, "m", events)
		require.NoError(t, err)
	}
	for i := range 6 {
		publish(store.NewEvent{ID: fmt.Sprint(i + 1), Type: "whk_1"})
	}
	publish(store.NewEvent{ID: "7", Type: "nobody"}, store.NewEvent{ID: "8", Type: "test", Test: "whk_1"}, store.NewEvent{ID: "9", Type: "whk_2"})
	finish := func(ls []store.Lease, as store.Outcome) {
		for _, l := range ls {
			r := store.Result{
				MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token,
				Outcome: as, Delay: time.Minute, DisableAfter: 1,
			}
			if l.WebhookID == "whk_2" {
				r.Streak = store.StreakExtend
			}
			_, err := s.Finish(ctx, []store.Result{r})
			require.NoError(t, err)
		}
	}
	claim := func(n int) []store.Lease {
		c, err := s.Claim(ctx, store.ClaimRequest{Limit: n, Lease: time.Minute, PerWebhook: 4, Key: fmt.Sprint(n)})
		require.NoError(t, err)
		return c.Leases
	}
	finish(claim(4), store.Retry)
	all := claim(5) // 2 of whk_1, and 1 of whk_2
	finish(all[:1], store.Succeeded)
	finish(all[2:], store.Failed)
	publish(store.NewEvent{ID: "10", Type: "test", Test: "whk_1"}, store.NewEvent{ID: "11", Type: "a"})
	for _, id := range []string{"whk_1", "whk_2"} {
		_, err := s.Enqueue(ctx, "m", id, []string{"1"}, "again", 0)
		require.NoError(t, err)
	}
	for _, id := range []string{"job_1", "job_2"} {
		_, err := s.AddJob(ctx, "m", store.Job{ID: id, Scope: id})
		require.NoError(t, err)
	}
	_, err := s.UpdateJob(ctx, "m", "job_1", store.JobUpdate{End: true})
	require.NoError(t, err)
	_, err = s.BeginSeen(ctx, "r", "1", store.SeenBegin{Holder: "h", Lease: time.Minute})
	require.NoError(t, err)
	require.NoError(t, s.Audit())
	return s, s.webhook("m", "whk_1")
}

// An audit that finds nothing proves nothing, unless it finds what is broken.
func TestAuditNamesTheBrokenPromise(t *testing.T) {
	t.Parallel()
	event7 := func(w *webhook) *event { return w.owner.events["7"] }
	tests := []struct {
		promise string
		sever   func(s *Store, w *webhook)
	}{
		{"a merchant has something", func(s *Store, _ *webhook) { s.merchant("x") }},
		{"the list holds each webhook", func(_ *Store, w *webhook) { w.owner.byAge = w.owner.byAge[1:] }},
		{"a webhook belongs to its merchant", func(_ *Store, w *webhook) { w.MerchantID = "x" }},
		{"a webhook is found under a type", func(_ *Store, w *webhook) { w.Events = w.Events[:1] }},
		{"a webhook is found under a type", func(_ *Store, w *webhook) { w.Status = store.Disabled }},
		{"the directory holds the merchants", func(s *Store, _ *webhook) { s.directory = nil }},
		{"a webhook is in each heap", func(s *Store, w *webhook) { s.ready.remove(w) }},
		{"a webhook is in each heap", func(s *Store, w *webhook) { s.ready.set(w, key{at: 1 << 60}) }},
		{"a webhook is in each heap", func(s *Store, w *webhook) { s.expiring.remove(w) }},
		{"a webhook is in each heap", func(s *Store, w *webhook) { s.oldest.set(w, key{at: 1}) }},
		{"a webhook is in each heap", func(s *Store, w *webhook) { s.fullest.remove(w) }},
		{"a webhook is in each heap", func(s *Store, _ *webhook) { s.perWebhook = 1 }},
		{"a webhook is in each heap", func(_ *Store, w *webhook) { w.RateLimit, w.bucket = 1, bucket{taken: 1 << 60} }},
		{"a webhook is in each heap", func(s *Store, w *webhook) { s.paused.remove(w.owner.webhooks["whk_2"]) }},
		{"an active webhook is not looked through", func(s *Store, w *webhook) { s.paused.set(w, key{}) }},
		{"a heap holds no webhook that is gone", func(s *Store, _ *webhook) { s.ready.set(&webhook{}, key{at: 1 << 60}) }},
		{"a heap is in order", func(s *Store, _ *webhook) { s.oldest.nodes[0].at = 1 << 60 }},
		{"a member knows its place", func(s *Store, _ *webhook) { s.idle.nodes[0].v.inIdle++ }},
		{"a bucket holds no more", func(_ *Store, w *webhook) { w.RateLimit, w.bucket.level = 1, 1001 }},
		{"a bucket holds no more", func(_ *Store, w *webhook) { w.RateLimit, w.bucket.level = 1, -1 }},
		{"a bucket holds no more", func(_ *Store, w *webhook) { w.bucket.level = 1 }},
		{"a delivery is where its phase says", func(_ *Store, w *webhook) { w.leased.first().phase = waiting }},
		{"a delivery is where its phase says", func(_ *Store, w *webhook) { w.pending.later.first().at++ }},
		{"what is new is in order", func(_ *Store, w *webhook) { w.pending.next = 1 << 60 }},
		{"what is new is in order", func(_ *Store, w *webhook) { w.pending.newest = 0 }},
		{"exactly one of tests, pending, leased and ended", func(_ *Store, w *webhook) { w.leased.first().phase, w.leased = waiting, heap[*delivery]{} }},
		{"a webhook queues its own", func(_ *Store, w *webhook) {
			w.tests.set(&delivery{webhook: &webhook{}, event: &event{}}, key{at: 1 << 60})
		}},
		{"what ended is found by its end", func(_ *Store, w *webhook) { w.byEnd.remove(w.byEnd.first()) }},
		{"what ended is found by its end", func(_ *Store, w *webhook) { w.ended.first().at++ }},
		{"a delivery is found by its id", func(_ *Store, w *webhook) { w.ended.first().webhook = w.owner.webhooks["whk_2"] }},
		{"a record knows its number", func(_ *Store, w *webhook) { w.ended.first().number++ }},
		{"a series begins with a record", func(_ *Store, w *webhook) { w.deliveries.records[0] = nil }},
		{"what Enqueue made is kept", func(_ *Store, w *webhook) { w.enqueued[w.owner.events["1"]][0].nonce = "" }},
		{"an event knows its youngest delivery", func(_ *Store, w *webhook) { clear(w.enqueued) }},
		{"Prune passes no paused delivery", func(_ *Store, w *webhook) { w.walked = 1 << 60 }},
		{"stats are what a count gives", func(_ *Store, w *webhook) { w.stats.Attempts++ }},
		{"an event outlives its pending deliveries", func(_ *Store, w *webhook) { delete(w.owner.events, w.leased.first().event.id) }},
		{"an event belongs to its merchant", func(_ *Store, w *webhook) { event7(w).owner = nil }},
		{"is found by its id", func(_ *Store, w *webhook) { event7(w).id = "x" }},
		{"an event counts its pending deliveries", func(_ *Store, w *webhook) { w.owner.events["1"].pending-- }},
		{"the store counts its pending deliveries", func(s *Store, _ *webhook) { s.waiting++ }},
		{"an event without pending deliveries can age", func(s *Store, w *webhook) { s.idle.remove(event7(w)) }},
		{"only stored events age", func(s *Store, _ *webhook) { s.idle.set(&event{}, key{at: 1 << 60}) }},
		{"a log holds each event but tests", func(_ *Store, w *webhook) { w.owner.log.remove(event7(w).number) }},
		{"a log holds each event but tests", func(_ *Store, w *webhook) { w.owner.log.add(&event{number: w.owner.log.last() + 1}) }},
		{"a claim counts its leases", func(s *Store, _ *webhook) { s.claims["5"].open++ }},
		{"a claim keeps leases that last", func(s *Store, w *webhook) { w.ended.first().claim = s.claims["5"] }},
		{"a lease is found by the key", func(s *Store, _ *webhook) { clear(s.claims) }},
		{"a notice is of a webhook that is there", func(s *Store, _ *webhook) { s.notices.at(1).WebhookID = "x" }},
		{"a notice can become visible", func(s *Store, _ *webhook) { s.visible.remove(s.notices.at(1)) }},
		{"only kept notices are visible", func(s *Store, _ *webhook) { s.notices.remove(1) }},
		{"a job is found by its id", func(s *Store, _ *webhook) { s.job("m", "job_1").ID = "x" }},
		{"a job that has not ended holds its scope", func(s *Store, _ *webhook) { s.job("m", "job_1").EndedAt = time.Time{} }},
		{"a job is open or has ended", func(s *Store, _ *webhook) { s.agendas["m"].ended.remove(s.job("m", "job_1")) }},
		{"only kept jobs are claimable or can age", func(s *Store, _ *webhook) { s.outdated.set(&job{}, key{at: 1 << 60}) }},
		{"each id is held or done", func(s *Store, _ *webhook) { clear(s.seen) }},
		{"what is done is bounded", func(s *Store, _ *webhook) {
			s.opts.MaxSeen = 0
			for _, of := range s.scopes {
				of.done.set(s.held.first(), key{})
			}
		}},
		{"a scope has ids", func(s *Store, _ *webhook) { s.scopes["none"] = &scope{} }},
		{"a scope knows its ids", func(s *Store, _ *webhook) { clear(s.scopes) }},
	}
	for _, tt := range tests {
		t.Run(tt.promise, func(t *testing.T) {
			t.Parallel()
			s, w := crowded(t)
			tt.sever(s, w)
			require.ErrorContains(t, s.Audit(), tt.promise)
		})
	}
}
