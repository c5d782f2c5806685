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
	req := store.ClaimRequest{Limit: 1 + d.rand.IntN(5), Lease: d.x.lease, PerWebhook: d.x.per}
	worker := 1 + d.rand.IntN(3)
	d.call("Claim %d by worker %d", req.Limit, worker)
	for range endless {
		got, err := d.x.st.Claim(d.x.Context(), req)
		d.x.must(err, "Claim")
		if len(got.Leases) > req.Limit {
			d.fatalf("%d leases", len(got.Leases))
		}
		d.followTurns(got.Leases)
		for _, l := range got.Leases {
			d.followLease(l, worker)
		}
		if want := d.model.next(req.PerWebhook); got.Next != 0 && want >= 0 && (got.Next < 0 || got.Next > want) {
			d.fatalf("Next is %s, but something is claimable in %s; claimed were %v", got.Next, want, pick(got.Leases, leaseID))
		}
		notices := slices.ContainsFunc(d.model.notices, func(n *modelNotice) bool { return d.model.over(n.leaseEnd) })
		if got.Notices && !notices || !got.Notices && notices && got.Next != 0 {
			d.fatalf("Notices is %t, want %t", got.Notices, notices)
		}
		if len(got.Leases) > 0 || got.Next != 0 {
			return true
		}
	}
	d.fatalf("Claim was asked %d times and still answers nothing and a Next of 0", endless)
	return true
}

// since is the span of time since when t waits: from the end of its lease or, by
// another reading, from when it was due before.
func since(t *modelDelivery) (earliest, latest time.Time) {
	return t.DueAt, dueAt(t)
}

// followTurns checks whose turn it was: no webhook of the merchant that has room
// and a token and waits longer went away with nothing.
func (d *duel) followTurns(leases []store.Lease) {
	due := d.model.claimable(d.x.per)
	got := map[string]bool{}
	tests := map[string]bool{}
	for _, l := range leases {
		got[l.MerchantID+"|"+l.WebhookID] = true
		tests[l.MerchantID+"|"+l.WebhookID] = tests[l.MerchantID+"|"+l.WebhookID] || l.Test
	}
	oldest := map[string]time.Time{}
	token := func(t *modelDelivery) time.Time { return d.model.tokenAt(d.model.webhook(t.MerchantID, t.WebhookID)) }
	for _, t := range due {
		from, _ := since(t)
		from = later(from, token(t))
		if was, ok := oldest[owner(t)]; !ok || from.Before(was) {
			oldest[owner(t)] = from
		}
	}
	for _, t := range due {
		_, latest := since(t)
		latest = later(latest, token(t))
		if got[owner(t)] {
			continue
		}
		for other := range got {
			if from, ok := oldest[other]; ok && !tests[other] && other[:len(t.MerchantID)+1] == t.MerchantID+"|" && latest.Before(from) {
				d.fatalf("webhook %s got nothing although it waits longer than %s", t.WebhookID, other)
			}
		}
	}
}

// followLease checks one lease and lets the model give it too.
func (d *duel) followLease(l store.Lease, worker int) {
	due := d.model.claimable(d.x.per)
	i := slices.IndexFunc(due, func(t *modelDelivery) bool {
		return t.MerchantID == l.MerchantID && t.WebhookID == l.WebhookID && t.ID == l.DeliveryID
	})
	if i < 0 {
		d.fatalf("delivery %s of %s is claimed, and must not be", l.DeliveryID, l.WebhookID)
	}
	t := due[i]
	from, _ := since(t)
	for _, o := range due {
		if _, latest := since(o); owner(o) == owner(t) && (o.Test && !t.Test || o.Test == t.Test && latest.Before(from)) {
			d.fatalf("delivery %s of %s is claimed before %s", t.ID, t.WebhookID, o.ID)
		}
	}
	want := d.model.take(t, d.x.lease)
	d.match("the lease of "+l.DeliveryID, l, want, "Token")
	for _, before := range d.leases {
		if before.DeliveryID == l.DeliveryID && l.Token-before.Token != want.Token-before.modelToken {
			d.fatalf("Token of %s is %d, and was %d %d claims ago", l.DeliveryID, l.Token, before.Token, want.Token-before.modelToken)
		}
	}
	d.leases = append(d.leases, heldLease{Lease: l, modelToken: want.Token, worker: worker})
	d.touched = append(d.touched, t)
}

func (d *duel) playFinish() bool {
	open := d.open()
	if len(d.leases) == 0 || len(open) == 0 && d.chance(70) {
		return false
	}
	var mine, theirs []store.Result
	var text strings.Builder
	for range 1 + d.rand.IntN(3) {
		l := one(d, d.leases)
		if len(open) > 0 && d.chance(75) {
			l = one(d, open)
		}
		if lost := d.lost(); len(lost) > 0 && d.chance(25) {
			l = one(d, lost)
		}
		r := d.result(l.Lease)
		if d.chance(3) {
			r.MerchantID = d.merchant()
		}
		own := r
		own.Token = l.modelToken
		if d.chance(3) {
			r.Token++
			own.Token++
		}
		theirs, mine = append(theirs, r), append(mine, own)
		fmt.Fprintf(&text, " [worker %d: %s of %s, token %d, %s, delay %s, streak %d]", l.worker, r.DeliveryID, r.MerchantID, r.Token, r.Outcome, r.Delay, r.Streak)
		if t := d.model.delivery(l.MerchantID, l.WebhookID, l.DeliveryID); t != nil {
			d.touched = append(d.touched, t)
		}
	}
	d.call("Finish%s", text.String())
	got, err := d.x.st.Finish(d.x.Context(), theirs)
	d.x.must(err, "Finish")
	if len(got) != len(mine) {
		d.fatalf("%d answers, want %d", len(got), len(mine))
	}
	for i, r := range mine {
		want := d.model.finish(r)
		if t := d.model.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); t != nil && want.State != store.FinishAccepted {
			// Which of the two an older lease's repeated result gets is open, and what
			// one gets whose delivery Prune has ended.
			if slices.Contains(t.settled, r.Token) && got[i].State == store.FinishRepeated || t.paused && got[i].State != store.FinishAccepted {
				want.State = got[i].State
			}
		}
		d.match(nth("answer", i+1), got[i], want)
	}
	return true
}

// open lists the leases that can still be settled.
func (d *duel) open() []heldLease {
	return slices.DeleteFunc(slices.Clone(d.leases), func(l heldLease) bool {
		t := d.model.delivery(l.MerchantID, l.WebhookID, l.DeliveryID)
		return t == nil || t.token != l.modelToken || slices.Contains(t.settled, t.token)
	})
}

// lost lists the leases of deliveries that somebody else holds by now.
func (d *duel) lost() []heldLease {
	return slices.DeleteFunc(slices.Clone(d.leases), func(l heldLease) bool {
		t := d.model.delivery(l.MerchantID, l.WebhookID, l.DeliveryID)
		return t == nil || t.token == l.modelToken || !d.model.leased(t)
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
		r.Streak = one(d, []store.Streak{store.StreakSame, store.StreakExtend})
	default:
		r = release(l, delay)
		r.Fault = d.chance(50)
		return r
	}
	if d.chance(10) {
		r.Streak = one(d, []store.Streak{store.StreakSame, store.StreakReset, store.StreakExtend})
	}
	r.Attempt.Duration = time.Duration(d.rand.IntN(1000)) * time.Millisecond
	r.DisableAfter, r.DisableReason = d.threshold, d.x.id("reason")
	r.WarnAfter, r.WarnPause = d.warnAfter, d.warnPause
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
		p.PausedAge, p.PausedError = age, "webhook_disabled"
	case 3, 6:
		p.EventAge = age
	case 4:
		p.NoticeAge = age
	}
	return p
}

// followSurplus checks which ended deliveries the store has removed beyond the
// limit, and lets the model remove them too. Which of those that ended in the same
// millisecond go is open.
func (d *duel) followSurplus(limit int) int {
	removed := 0
	for _, w := range d.model.webhooks {
		shown := pick(d.x.deliveries(*w, store.DeliveryQuery{Limit: endless}).Deliveries, deliveryID)
		var kept, gone []*modelDelivery
		for _, t := range d.model.deliveries {
			if t.MerchantID != w.MerchantID || t.WebhookID != w.ID || t.Status == store.DeliveryPending {
				continue
			}
			if slices.Contains(shown, t.ID) {
				kept = append(kept, t)
			} else {
				gone = append(gone, t)
			}
		}
		if n := min(limit, len(kept)+len(gone)); len(kept) != n {
			d.fatalf("%s keeps %d ended deliveries, want %d", w.ID, len(kept), n)
		}
		for _, g := range gone {
			for _, k := range kept {
				if k.FinishedAt.Before(g.FinishedAt) {
					d.fatalf("Prune removed %s and kept %s, which ended before", g.ID, k.ID)
				}
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

// claimNotices says how many it got.
func (d *duel) claimNotices(limit int) int {
	d.call("ClaimNotices %d", limit)
	got, err := d.x.st.ClaimNotices(d.x.Context(), limit, duelLease)
	d.x.must(err, "ClaimNotices")
	waiting := slices.DeleteFunc(slices.Clone(d.model.notices), func(n *modelNotice) bool { return !d.model.over(n.leaseEnd) })
	if len(got) > limit || len(got) == 0 && len(waiting) > 0 {
		d.fatalf("%d notices of %d, limit %d", len(got), len(waiting), limit)
	}
	for _, n := range got {
		i := slices.IndexFunc(waiting, func(o *modelNotice) bool { return o.MerchantID == n.MerchantID && o.ID == n.ID })
		if i < 0 {
			d.fatalf("notice %s is claimed, and must not be", n.ID)
		}
		waiting[i].token++
		d.match("notice "+n.ID, n, store.NoticeLease{Notice: waiting[i].Notice, Token: waiting[i].token})
		for _, o := range waiting {
			if o.MerchantID == n.MerchantID && o.At.Before(waiting[i].At) {
				d.fatalf("notice %s is claimed before %s", n.ID, o.ID)
			}
		}
		waiting[i].leaseEnd = d.model.now.Add(duelLease)
		waiting = slices.Delete(waiting, i, i+1)
	}
	return len(got)
}

func (d *duel) playDeliveries() bool {
	m := d.merchant()
	q := store.DeliveryQuery{
		Status:    one(d, []store.DeliveryStatus{"", store.DeliveryPending, store.DeliverySucceeded, store.DeliveryFailed}),
		EventType: one(d, append([]string{""}, d.types...)),
		Since:     d.moment(), Until: d.moment(),
		Limit: 1 + d.rand.IntN(2),
	}
	w := store.Webhook{MerchantID: m, ID: d.webhookID(m)}
	d.call("Deliveries of %s %s for %s", m, w.ID, show(q))
	whole := q
	whole.Limit = endless
	want, wantErr := d.model.Deliveries(d.x.Context(), m, w.ID, whole)
	if _, err := d.x.st.Deliveries(d.x.Context(), m, w.ID, q); !d.agree(err, wantErr) {
		return true
	}
	var got []store.Delivery
	d.x.pages(w, q, func(page store.DeliveryPage) {
		if page.Total != want.Total {
			d.fatalf("Total is %d, want %d", page.Total, want.Total)
		}
		got = append(got, page.Deliveries...)
	})
	if g, w := pick(got, deliveryID), pick(want.Deliveries, deliveryID); changes(w, g) != "" || len(g) != len(w) {
		d.fatalf("the deliveries are %v, want %v", g, w)
	}
	q.Offset = d.rand.IntN(4)
	page := d.x.deliveries(w, q)
	if g, w := show(pick(page.Deliveries, madeAt)), show(pick(cut(want.Deliveries, q.Offset, q.Limit), madeAt)); g != w {
		d.fatalf("at offset %d the deliveries are of %s, want %s", q.Offset, g, w)
	}
	return true
}

func madeAt(t store.Delivery) time.Time { return t.CreatedAt }

// moment is a moment of the past or none.
func (d *duel) moment() time.Time {
	if t := one(d, d.model.deliveries); t != nil && d.chance(40) {
		return t.CreatedAt
	}
	return time.Time{}
}

func (d *duel) playEvents() bool {
	m := d.merchant()
	q := store.EventQuery{Since: d.moment(), Until: d.moment(), WebhookID: d.webhookID(m), Limit: 1 + d.rand.IntN(4)}
	d.call("Events of %s for %s", m, show(q))
	d.matchEvents(m, q)
	return true
}
