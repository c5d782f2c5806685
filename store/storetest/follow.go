package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// The calls of this file leave the store a choice. It is checked against what the
// contract allows, and then the model makes the same one.

func (d *duel) playClaim() bool {
	for range one(d, []int{0, 0, 0, 0, 0, 2}) { // A caller crashes, and again.
		d.claim()
		d.wait(40 * time.Second)
	}
	d.claim()
	return true
}

func (d *duel) claim() {
	req := store.ClaimRequest{Limit: 1 + d.rand.IntN(5), Lease: d.x.lease, PerWebhook: d.x.per}
	if d.chance(30) {
		req.MaxBytes = 10 + d.rand.IntN(100)
	}
	if d.chance(50) {
		req.Key = d.x.id("claim")
	}
	if len(d.claims) > 0 && d.chance(20) {
		req = d.claims[len(d.claims)-1]
		if d.chance(30) {
			req = one(d, d.claims)
		}
		if d.chance(50) {
			d.wait(10 * time.Second)
		}
	}
	d.call("Claim %d, at most %d bytes, key %q", req.Limit, req.MaxBytes, req.Key)
	if req.Key != "" {
		d.claims = append(d.claims, req)
	}
	for range endless {
		got := d.x.claimBy(req)
		d.followClaim(req, got)
		if len(got.Leases) > 0 || got.Next != 0 {
			return
		}
	}
	d.fatalf("Claim was asked %d times and still answers nothing and a Next of 0", endless)
}

// followClaim checks an answer and lets the model give the same leases.
func (d *duel) followClaim(req store.ClaimRequest, got store.Claimed) {
	again := d.model.leasesOf(req.Key)
	d.fatalIf(got.Again != (len(again) > 0), "Again is %t, but %d leases of the claim last", got.Again, len(again))
	if len(again) > 0 {
		d.matchAgain(got.Leases, again)
	} else {
		d.followTurns(got.Leases)
		bodies := map[string]int{}
		for _, l := range got.Leases {
			bodies[l.MerchantID+l.EventID] = len(l.Body)
			d.followLease(l, req.Key)
		}
		bytes := 0
		for _, n := range bodies {
			bytes += n
		}
		if req.MaxBytes > 0 && bytes > req.MaxBytes && len(got.Leases) > 1 {
			d.fatalf("the bodies of %d leases have %d bytes, at most %d were asked for", len(got.Leases), bytes, req.MaxBytes)
		}
		d.model.change()()
	}
	if want := d.model.next(req.PerWebhook); got.Next != 0 && want >= 0 && (got.Next < 0 || got.Next > want) {
		d.fatalf("Next is %s, but something is claimable in %s; claimed were %v", got.Next, want, pick(got.Leases, leaseID))
	}
	if notices := d.model.noticed(); got.Notices && !notices || !got.Notices && notices && got.Next != 0 {
		d.fatalf("Notices is %t, want %t", got.Notices, notices)
	}
	if jobs := len(d.model.claimableJobs(d.model.kinds())) > 0; got.Jobs && !jobs || !got.Jobs && jobs && got.Next != 0 {
		d.fatalf("Jobs is %t, want %t", got.Jobs, jobs)
	}
}

// matchAgain compares the answer to a claim that is asked for again. Whether it
// shows the webhook as it was or as it is now is open.
func (d *duel) matchAgain(got, want []store.Lease) {
	d.fatalIf(len(got) != len(want), "the claim has the leases %v, want %v", pick(got, leaseID), pick(want, leaseID))
	for _, w := range want {
		i := slices.IndexFunc(got, func(l store.Lease) bool { return l.DeliveryID == w.DeliveryID })
		d.fatalIf(i < 0, "the claim has the leases %v, want %v", pick(got, leaseID), pick(want, leaseID))
		d.match("the lease of "+w.DeliveryID, got[i], w, "URL", "Encoding", "Secret", "PreviousSecret", "Headers")
	}
}

// followTurns checks whose turn it was: no webhook of the merchant that has waited
// longer than another one went away with nothing.
func (d *duel) followTurns(leases []store.Lease) {
	got := func(w *modelWebhook) bool {
		return slices.ContainsFunc(leases, func(l store.Lease) bool { return l.MerchantID == w.MerchantID && l.WebhookID == w.ID })
	}
	for _, w := range d.model.turns() {
		for _, other := range d.model.turns() {
			if w.MerchantID == other.MerchantID && !got(w) && got(other) && millis(w.line.latest, other.line.from) < 0 {
				d.fatalf("webhook %s got nothing although it waits longer than %s: since %s, and not %s",
					w.ID, other.ID, show(w.line.latest), show(other.line.from))
			}
		}
	}
}

// followLease checks one lease and lets the model give it too. Whether a delivery
// whose lease has ended waits since then, or since it was due before, is open.
func (d *duel) followLease(l store.Lease, key string) {
	t := d.model.delivery(l.MerchantID, l.WebhookID, l.DeliveryID)
	d.fatalIf(t == nil, "delivery %s of %s is claimed, and is not there", l.DeliveryID, l.WebhookID)
	due := d.model.claimable(d.model.webhookOf(t), d.x.per)
	d.fatalIf(!slices.Contains(due, t), "delivery %s of %s is claimed, and must not be", l.DeliveryID, l.WebhookID)
	for _, o := range due {
		d.fatalIf(o.Test && !t.Test || o.Test == t.Test && millis(dueAt(o), t.DueAt) < 0, "delivery %s of %s is claimed before %s", t.ID, t.WebhookID, o.ID)
	}
	d.fatalIf(l.Token <= t.token, "Token of %s is %d, and was %d before", l.DeliveryID, l.Token, t.token)
	t.token = l.Token - 1
	d.match("the lease of "+l.DeliveryID, l, d.model.take(t, d.x.lease, key))
	d.leases = append(d.leases, l)
	d.touched = append(d.touched, t)
}

func (d *duel) playFinish() bool {
	open := d.open()
	if len(d.leases) == 0 || len(open) == 0 && d.chance(70) {
		return false
	}
	var results []store.Result
	for range one(d, []int{1, 1, 2, 3, 1 + len(open)}) {
		l := one(d, d.leases)
		if len(open) > 0 && d.chance(75) {
			l = one(d, open)
		}
		if lost := d.lost(); len(lost) > 0 && d.chance(40) {
			l = one(d, lost)
		}
		r := d.result(l)
		if d.chance(3) {
			r.MerchantID = d.merchant()
		}
		if d.chance(3) {
			r.Token++
		}
		results = append(results, r)
	}
	d.finish(results)
	return true
}

// finish settles leases on both stores.
func (d *duel) finish(results []store.Result) {
	var text strings.Builder
	for _, r := range results {
		fmt.Fprintf(&text, " [%s of %s, token %d, %s, delay %s, streak %d, hold %s]", r.DeliveryID, r.MerchantID, r.Token, r.Outcome, r.Delay, r.Streak, r.Hold)
		if t := find(d.model.deliveries, func(t *modelDelivery) bool { return t.ID == r.DeliveryID }); t != nil {
			d.touched = append(d.touched, t)
		}
	}
	d.call("Finish%s", text.String())
	all := d.x.finishAll(results...)
	for i, r := range results {
		got, want := all[i], d.model.finish(r)
		t := d.model.delivery(r.MerchantID, r.WebhookID, r.DeliveryID)
		if t != nil && t.paused && got.State != store.FinishAccepted {
			want.State = got.State // what a late result gets whose delivery Prune has ended is open
			want.Disabled = want.Disabled && got.State == store.FinishRepeated
		}
		if s := want.Standing; s != nil && got.Standing == nil && r.Streak == store.StreakReset && s.Mark == "" && s.Disablings == 0 {
			want.Standing = nil // it may be left out
		}
		d.match(nth("answer", i+1), got, want)
	}
	d.model.change()()
}

// open lists the leases that can still be settled.
func (d *duel) open() []store.Lease {
	return d.leasesWhere(func(l store.Lease, t *modelDelivery) bool { return t.token == l.Token && !t.settled })
}

// lost lists the leases of deliveries that somebody else holds by now, or that Prune
// or Cancel has ended.
func (d *duel) lost() []store.Lease {
	return d.leasesWhere(func(l store.Lease, t *modelDelivery) bool {
		return t.paused || t.gaveUp || t.token != l.Token && d.model.leased(t)
	})
}

func (d *duel) leasesWhere(is func(l store.Lease, t *modelDelivery) bool) []store.Lease {
	return slices.DeleteFunc(slices.Clone(d.leases), func(l store.Lease) bool {
		t := d.model.delivery(l.MerchantID, l.WebhookID, l.DeliveryID)
		return t == nil || !is(l, t)
	})
}

// result makes a random result for a lease.
func (d *duel) result(l store.Lease) store.Result {
	delay := one(d, []time.Duration{0, tick, 10 * time.Second, time.Minute})
	var r store.Result
	switch d.rand.IntN(10) {
	case 0, 1, 2:
		r = succeed(l)
	case 3, 4, 5:
		r = fail(l)
	case 6, 7:
		r = retry(l, delay)
		r.Streak = one(d, []store.Streak{store.StreakSame, store.StreakTry, store.StreakTry, store.StreakExtend})
	default:
		r = release(l, delay)
		r.Fault = d.chance(50)
		r.Streak = one(d, []store.Streak{store.StreakSame, store.StreakExtend}) // never applies
		return r
	}
	if d.chance(10) {
		r.Streak = one(d, []store.Streak{store.StreakSame, store.StreakReset, store.StreakExtend, store.StreakTry})
	}
	if d.chance(20) { // What is not the caller's.
		r.Attempt.Number, r.Attempt.At = 99, d.model.now.Add(-time.Hour)
	}
	if d.chance(50) {
		r.Attempt.Exchange = "sealed\x00\xff" + d.x.id("exchange")
	}
	r.Attempt.Duration = time.Duration(d.rand.IntN(1000)) * time.Millisecond
	r.DisableAfter, r.DisableAfterFailingFor, r.DisableReason = d.disableAt, d.failingFor, d.x.id("reason")
	return r
}

// playPrune prunes by one rule, most often one that has something to do.
func (d *duel) playPrune() bool {
	p := d.policy()
	for range one(d, []int{0, 5}) {
		if d.model.prunable(p) == nil {
			p = d.policy()
		}
	}
	d.call("Prune %s", show(p))
	got := d.x.prune(p)
	var want store.Pruned
	if p.DeliveriesPerWebhook > 0 {
		want.Deliveries = d.followSurplus(p.DeliveriesPerWebhook)
	} else {
		p.Limit = endless
		want, _ = d.model.Prune(d.x.Context(), p)
	}
	d.match("what Prune did", got, want)
	d.model.deleted = 0
	return true
}

func (d *duel) policy() store.PruneRequest {
	p := store.PruneRequest{Limit: 1 + d.rand.IntN(8)}
	age := one(d, []time.Duration{time.Minute, 10 * time.Minute, time.Hour}) + tick/2
	switch d.rand.IntN(7) {
	case 0:
		p.DeliveryAge = age
	case 1, 5:
		p.DeliveriesPerWebhook = 1 + d.rand.IntN(4)
	case 2:
		p.PausedAge, p.PausedCode = age, "webhook_disabled"
	case 3, 6:
		p.EventAge = age
	case 4:
		p.NoticeAge = age
	}
	return p
}

// followSurplus checks which ended deliveries the store has removed beyond the
// limit, and lets the model remove them too. How many more it keeps, and which of
// those that were made in the same millisecond go, is open.
func (d *duel) followSurplus(limit int) int {
	removed := 0
	for _, w := range d.model.webhooks {
		shown := pick(d.x.deliveries(w.Webhook, store.DeliveryQuery{Limit: endless}), deliveryID)
		var kept, gone []*modelDelivery
		for _, t := range d.model.deliveries {
			if !t.of(w) || t.Status == store.DeliveryPending {
				continue
			}
			if slices.Contains(shown, t.ID) {
				kept = append(kept, t)
			} else {
				gone = append(gone, t)
			}
		}
		if n := min(limit, len(kept)+len(gone)); len(kept) < n || len(kept) > n+store.PruneSlack {
			d.fatalf("%s keeps %d ended deliveries, want %d and at most %d more", w.ID, len(kept), n, store.PruneSlack)
		}
		for _, g := range gone {
			for _, k := range kept {
				d.fatalIf(millis(k.CreatedAt, g.CreatedAt) < 0, "Prune removed %s and kept %s, which was made before", g.ID, k.ID)
			}
			d.model.outlived(g)
			removed++
		}
	}
	return removed
}

func (d *duel) playClaimNotices() bool {
	d.claimNotices(1 + d.rand.IntN(3))
	return true
}

// playAllNotices claims until no notice is left to claim.
func (d *duel) playAllNotices() bool {
	d.x.promise = noticesPromise
	for d.claimNotices(endless) > 0 {
		continue
	}
	return true
}

// claimNotices says how many it got.
func (d *duel) claimNotices(limit int) int {
	d.call("ClaimNotices %d", limit)
	got, err := d.x.st.ClaimNotices(d.x.Context(), limit, duelLease)
	d.x.must(err, "ClaimNotices")
	waiting := slices.DeleteFunc(slices.Clone(d.model.notices), func(n *modelNotice) bool { return !d.model.over(n.leaseEnd) })
	d.fatalIf(len(got) > limit || len(got) == 0 && len(waiting) > 0, "%d notices of %d, limit %d", len(got), len(waiting), limit)
	for _, l := range got {
		n := d.followNotice(l, waiting)
		for _, o := range waiting {
			if o.MerchantID == n.MerchantID && millis(o.At, n.At) < 0 {
				d.fatalf("notice %s is claimed before %s", show(n.Notice), show(o.Notice))
			}
		}
		waiting = without(waiting, n)
	}
	return len(got)
}

// followNotice checks one notice that was claimed, and lets the model give it too. A
// notice that is claimed for the first time is known by what it says.
func (d *duel) followNotice(l store.NoticeLease, waiting []*modelNotice) *modelNotice {
	id := l.MerchantID + "|" + l.ID
	i := slices.IndexFunc(waiting, func(n *modelNotice) bool {
		return d.given[id] == (n.token > 0) && diff(l.Notice, n.Notice, "ID") == "" && (n.token == 0 || n.ID == l.ID)
	})
	if i < 0 || l.ID == "" {
		d.fatalf("notice %s is claimed, and must not be; there are %s", show(l), show(pick(waiting, func(n *modelNotice) store.Notice { return n.Notice })))
	}
	n := waiting[i]
	d.fatalIf(l.Token <= n.token, "Token of notice %s is %d, and was %d before", l.ID, l.Token, n.token)
	if !d.given[id] {
		d.notices = append(d.notices, n)
	}
	d.given[id] = true
	n.ID, n.token, n.leaseEnd = l.ID, l.Token, d.model.now.Add(duelLease)
	d.tokens[n] = append(d.tokens[n], l.Token)
	return n
}

func (d *duel) playDeliveries() bool {
	for range 2 {
		w := store.Webhook{MerchantID: d.merchant()}
		w.ID = d.webhookID(w.MerchantID)
		d.matchFiltered(w, store.DeliveryQuery{
			Status:    one(d, []store.DeliveryStatus{"", store.DeliveryPending, store.DeliverySucceeded, store.DeliveryFailed}),
			EventType: one(d, append([]string{"", "", "", ""}, d.types...)),
			Since:     d.moment(), Until: d.moment(),
			Limit: 1 + d.rand.IntN(2),
		})
	}
	return true
}

func (d *duel) matchFiltered(w store.Webhook, q store.DeliveryQuery) {
	d.call("Deliveries of %s %s for %s", w.MerchantID, w.ID, show(q))
	whole := q
	whole.Limit = endless
	want, wantErr := d.model.Deliveries(d.x.Context(), w.MerchantID, w.ID, whole)
	if _, err := d.x.st.Deliveries(d.x.Context(), w.MerchantID, w.ID, q); !d.agree(err, wantErr) || err != nil {
		return
	}
	if g, w := pick(d.x.deliveries(w, q), deliveryID), pick(want.Deliveries, deliveryID); changes(w, g) != "" || len(g) != len(w) {
		d.fatalf("the deliveries are %v, want %v", g, w)
	}
}

// playWebhooks reads a merchant's webhooks in pages.
func (d *duel) playWebhooks() bool {
	m := d.merchant()
	if d.chance(10) {
		m = "nobody"
	}
	q := store.WebhookQuery{ActiveOnly: d.chance(50), Limit: 1 + d.rand.IntN(2)}
	d.call("ListWebhooks of %s for %s", m, show(q))
	whole := q
	whole.Limit = endless
	want, _ := d.model.ListWebhooks(d.x.Context(), m, whole)
	if g, w := pick(d.x.webhooks(m, q), webhookID), pick(want.Webhooks, webhookID); !slices.Equal(g, w) {
		d.fatalf("the webhooks are %v, want %v", g, w)
	}
	return true
}

// moment is a moment of the past or none.
func (d *duel) moment() time.Time {
	if t := one(d, d.model.deliveries); t != nil && d.chance(30) {
		return t.CreatedAt
	}
	return time.Time{}
}

func (d *duel) playEvents() bool {
	for range 2 {
		m := d.merchant()
		q := store.EventQuery{
			Newest: d.chance(30), Type: one(d, append(slices.Repeat([]string{""}, 9), d.types...)),
			Since: d.moment(), Until: d.moment(), WebhookID: d.webhookID(m), Limit: 1 + d.rand.IntN(4),
		}
		d.call("Events of %s for %s", m, show(q))
		d.matchEvents(m, q)
	}
	return true
}
