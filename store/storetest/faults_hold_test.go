package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// heldBack says that a webhook is held, and that something waits for it that is due.
func heldBack(c *call) bool {
	return !c.m.over(c.w.held) && count(c.m.deliveries, func(d *modelDelivery) bool {
		return d.of(c.w) && !d.Test && c.m.waiting(d) && c.m.over(dueAt(d))
	}) > 0
}

// longestHold is how long it takes until no webhook is held.
func (c *call) longestHold() (wait time.Duration) {
	for _, w := range c.m.webhooks {
		wait = max(wait, w.held.Sub(c.m.now))
	}
	return wait
}

// holding makes a fault that holds a webhook in another way where a result asks for it.
func holding(hold func(c *call) bool) func(c *call) {
	return settled(where(hold, func(c *call) {
		set(c.r.Hold > 0, &c.w.held, later(c.w.held, c.m.now.Add(c.r.Hold)))
	}))
}

// keepingHold makes a fault of an update after which a webhook is held as before.
func keepingHold(which func(c *call) bool) func(c *call) {
	return func(c *call) {
		if c.w = c.own(); c.w == nil {
			c.do()
			return
		}
		held, keeps := c.w.held, which(c)
		c.do()
		set(keeps, &c.w.held, held)
	}
}

func holdFaults() []fault {
	return []fault{
		{"a hold is ignored", "", "Finish", resulting(func(c *call) { c.r.Hold = 0 })},
		{"only what is tried again holds", "", "Finish", resulting(func(c *call) { set(c.r.Outcome != store.Retry, &c.r.Hold, 0) })},
		{"a release does not hold", "", "Finish", resulting(func(c *call) { set(c.r.Outcome == store.Released, &c.r.Hold, 0) })},
		{"what has ended does not hold", "", "Finish", resulting(func(c *call) {
			set(c.r.Outcome == store.Succeeded || c.r.Outcome == store.Failed, &c.r.Hold, 0)
		})},
		{"a hold is a delay of its delivery", "", "Finish", resulting(func(c *call) { c.r.Delay, c.r.Hold = max(c.r.Delay, c.r.Hold), 0 })},
		{"a hold begins with the delay", "", "Finish", resulting(func(c *call) { set(c.r.Hold > 0, &c.r.Hold, c.r.Hold+c.r.Delay) })},
		{"a hold puts its webhook's deliveries off", "", "Finish", accepted(where(
			func(c *call) bool { return c.r.Hold > 0 && c.d.epoch == c.w.Epoch },
			func(c *call) {
				for _, d := range c.m.deliveries {
					set(d.of(c.w) && d.pending() && d.leaseEnd.IsZero(), &d.DueAt, later(d.DueAt, c.w.held))
				}
			},
		))},
		{"a shorter hold shortens", "", "Finish", accepted(func(c *call) { set(c.r.Hold > 0 && c.d.epoch == c.w.Epoch, &c.w.held, c.m.now.Add(c.r.Hold)) })},
		{"the first hold stays", "", "Finish", resulting(func(c *call) { set(!c.m.over(c.w.held), &c.r.Hold, 0) })},
		{"holds add up", "", "Finish", resulting(func(c *call) { set(c.r.Hold > 0 && !c.m.over(c.w.held), &c.r.Hold, c.r.Hold+c.w.held.Sub(c.m.now)) })},
		{"a result without a hold ends it", "", "Finish", accepted(func(c *call) { set(c.r.Hold == 0, &c.w.held, time.Time{}) })},
		{"a hold has no epoch", "", "Finish", holding(func(c *call) bool { return c.f.State == store.FinishAccepted })},
		{"a stale result holds", "", "Finish", holding(stale)},
		{"a repeated result holds", "", "Finish", holding(func(c *call) bool { return c.f.State == store.FinishRepeated && c.d.epoch == c.w.Epoch })},
		{"a held webhook is claimed of", "", "Claim", func(c *call) { c.whileEach(func(w *modelWebhook) { w.held = time.Time{} }) }},
		{"a hold is for tests too", "", "Claim", beforeEach(func(c *call) {
			set(c.d.Test && c.d.leaseEnd.IsZero(), &c.d.DueAt, later(c.d.DueAt, c.m.webhookOf(c.d).held))
		})},
		{"a held webhook blocks the others", "", "Claim", instead(someWebhook(heldBack), func(c *call) {
			c.claimed = store.Claimed{Next: c.longestHold(), At: c.m.now}
		})},
		{"a held webhook keeps its turn", "", "Claim", queueing(func(c *call) {
			for _, d := range c.m.claimable(c.w, c.claim.PerWebhook) {
				set(c.w.held.After(dueAt(d)), &c.w.line.from, dueAt(d))
			}
		})},
		{"Next is that of the last hold", "", "Claim", after(func(c *call) { set(c.claimed.Next > 0, &c.claimed.Next, max(c.claimed.Next, c.longestHold())) })},
		{"Next does not know holds", "", "Claim", func(c *call) {
			c.do()
			inner := call{m: c.m, do: func() { c.claimed.Next = c.m.next(c.claim.PerWebhook) }}
			inner.whileEach(func(w *modelWebhook) { w.held = time.Time{} })
		}},
		{"an enabling keeps the hold", "", "UpdateWebhook", keepingHold(func(c *call) bool { return enables(c.update) })},
		{"another URL keeps the hold", "", "UpdateWebhook", keepingHold(func(c *call) bool { return c.update.URL != nil })},
		{"every update ends the hold", "", "UpdateWebhook", updating(func(c *call) { c.w.held = time.Time{} })},
		{"what is held is due", "", "Backlog", func(c *call) {
			c.do()
			for _, d := range c.m.deliveries {
				waits := !d.Test && c.m.waiting(d) && c.m.over(dueAt(d)) && !c.m.over(c.m.webhookOf(d).held)
				set(waits, &c.backlog.OldestDue, max(c.backlog.OldestDue, c.m.now.Sub(dueAt(d))))
			}
		}},
	}
}
