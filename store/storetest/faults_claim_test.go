package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// beforeEach makes a fault that changes each delivery before the model is asked.
func beforeEach(change func(c *call)) func(c *call) {
	return func(c *call) { deliveries(change)(c); c.do() }
}

// leasing makes a fault that changes each lease that is given.
func leasing(change func(c *call)) func(c *call) {
	return func(c *call) {
		c.do()
		for i := range c.claimed.Leases {
			c.l = &c.claimed.Leases[i]
			c.d = c.m.delivery(c.l.MerchantID, c.l.WebhookID, c.l.DeliveryID)
			change(c)
		}
	}
}

// ordered makes a fault that claims in another order, one delivery after the other.
func ordered(order func(m *model, a, b *modelDelivery) int) func(c *call) {
	return func(c *call) {
		defer c.m.change()()
		c.m.perWebhook = c.claim.PerWebhook
		c.m.lineUp(nil)
		turns := c.m.turns()
		turn := func(d *modelDelivery) int { return slices.Index(turns, c.m.webhookOf(d)) }
		out := store.Claimed{At: c.m.now, Leases: c.m.leasesOf(c.claim.Key)}
		again, bytes := len(out.Leases) > 0, 0
		for !again && len(out.Leases) < c.claim.Limit {
			var list []*modelDelivery
			for _, w := range turns {
				list = append(list, c.m.claimable(w, c.claim.PerWebhook)...)
			}
			if len(list) == 0 {
				break
			}
			slices.SortStableFunc(list, func(a, b *modelDelivery) int { return cmp.Or(order(c.m, a, b), turn(a)-turn(b)) })
			bytes += len(c.m.event(list[0].MerchantID, list[0].EventID).Body)
			if len(out.Leases) > 0 && c.claim.MaxBytes > 0 && bytes > c.claim.MaxBytes {
				break
			}
			out.Leases = append(out.Leases, c.m.take(list[0], c.claim.Lease, c.claim.Key))
		}
		out.Next = c.m.next(c.claim.PerWebhook)
		out.Notices = c.m.noticed()
		c.claimed = out
	}
}

// lined says that a webhook is in the line.
func lined(c *call) bool { return !c.w.line.from.IsZero() }

// queueing makes a fault that moves webhooks in the line before a claim.
func queueing(move func(c *call)) func(c *call) {
	return func(c *call) { webhooks(where(lined, move))(c); c.do() }
}

// nextWithout makes a fault whose Next does not know of some deliveries.
func nextWithout(skip func(c *call) bool) func(c *call) {
	return func(c *call) {
		c.do()
		all := c.m.deliveries
		c.m.deliveries = slices.DeleteFunc(slices.Clone(all), func(d *modelDelivery) bool { c.d = d; return skip(c) })
		c.claimed.Next = c.m.next(c.claim.PerWebhook)
		c.m.deliveries = all
	}
}

// asked makes a fault of a claim that is asked for again.
func asked(play func(c *call, was []store.Lease)) func(c *call) {
	return instead(
		func(c *call) bool { return len(c.m.leasesOf(c.claim.Key)) > 0 },
		func(c *call) { play(c, c.m.leasesOf(c.claim.Key)) },
	)
}

// hiding makes a fault that does not see some deliveries.
func hiding(which func(c *call) bool) func(c *call) {
	return func(c *call) {
		was := map[*modelDelivery]time.Time{}
		for _, c.d = range c.m.deliveries {
			if which(c) {
				was[c.d], c.d.leaseEnd = c.d.leaseEnd, c.m.now.Add(time.Hour)
			}
		}
		c.do()
		for d, end := range was {
			d.leaseEnd = end
		}
	}
}

// nothing answers a claim with nothing.
func nothing(next time.Duration) func(c *call) {
	return func(c *call) { c.claimed = store.Claimed{Next: next, At: c.m.now} }
}

// ofOne is an order within each webhook.
func ofOne(order func(a, b *modelDelivery) int) func(m *model, a, b *modelDelivery) int {
	return func(m *model, a, b *modelDelivery) int {
		if m.webhookOf(a) != m.webhookOf(b) {
			return 0
		}
		return order(a, b)
	}
}

// leased is the delivery of a lease.
func (c *call) leased(l store.Lease) *modelDelivery {
	return c.m.delivery(l.MerchantID, l.WebhookID, l.DeliveryID)
}

func reclaimed(c *call) bool  { return c.d.Reclaims > 0 }
func isDisabled(c *call) bool { return c.w.Status == store.Disabled }

// ofKey says that a delivery was leased by the claim of that key.
func ofKey(c *call) bool { return c.claim.Key != "" && c.d.key == c.claim.Key }

// expired says that a lease ended without a result.
func expired(m *model, d *modelDelivery) bool { return !d.leaseEnd.IsZero() && !m.leased(d) }

func far(m *model) time.Time { return m.now.Add(1e6 * time.Hour) }

func claimFaults() []fault {
	return []fault{
		{"a lease never ends", "", "Claim", func(c *call) { c.claim.Lease = 1e6 * time.Hour; c.do() }},
		{"a lease ends too early", "", "Claim", func(c *call) { c.claim.Lease -= 2 * time.Millisecond; c.do() }},
		{"a lease ends too late", "", "Claim", func(c *call) { c.claim.Lease += 2 * time.Millisecond; c.do() }},
		{"all leases last as long as the first", "", "Claim", beforeEach(func(c *call) { set(c.m.leased(c.d), &c.d.leaseEnd, c.m.now.Add(time.Hour)) })},
		{"an ended lease is never reclaimed", "", "Claim", beforeEach(func(c *call) { set(expired(c.m, c.d), &c.d.leaseEnd, far(c.m)) })},
		{"an ended lease is reclaimed once", "", "Claim", beforeEach(func(c *call) { set(expired(c.m, c.d) && c.d.Reclaims > 0, &c.d.leaseEnd, far(c.m)) })},
		{"a lease does not hide", "", "Claim", beforeEach(where(func(c *call) bool { return c.m.leased(c.d) }, func(c *call) { c.d.leaseEnd, c.d.DueAt = time.Time{}, c.m.now }))},
		{"every seventh lease does not hide", "", "Claim", beforeEach(func(c *call) { set(c.m.leased(c.d) && c.d.number%7 == 0, &c.d.leaseEnd, c.m.now) })},
		{"a settled lease is reclaimed at its end", "", "Claim", beforeEach(func(c *call) {
			set(c.d.Status == store.DeliveryFailed && !c.d.paused && c.m.now.Sub(c.d.FinishedAt) > time.Minute, &c.d.Status, store.DeliveryPending)
		})},
		{"a reclaim counts as an attempt", "", "Claim", leasing(where(reclaimed, func(c *call) { c.d.Attempts++; c.l.Attempts++ }))},
		{"a claim counts as an attempt", "", "Claim", leasing(func(c *call) { c.d.Attempts++; c.l.Attempts++ })},
		{"a reclaim is not counted", "", "Claim", leasing(func(c *call) { c.l.Reclaims, c.d.Reclaims = 0, 0 })},
		{"a reclaim is counted for each lease time that passed", "", "Claim", leasing(func(c *call) {
			set(c.d.Reclaims > 0 && c.m.now.Sub(c.d.CreatedAt) > 50*time.Minute, &c.l.Reclaims, c.l.Reclaims+50)
		})},
		{"a reclaim keeps the token", "", "Claim", leasing(where(reclaimed, func(c *call) { c.d.token--; c.l.Token-- }))},
		{"the token counts reclaims alone", "", "Claim", leasing(func(c *call) { c.d.token = int64(c.d.Reclaims) + 1; c.l.Token = c.d.token })},
		{"Limit is ignored", "", "Claim", func(c *call) { c.claim.Limit += 3; c.do() }},
		{"PerWebhook is ignored", "", "Claim", func(c *call) { c.claim.PerWebhook = 1e6; c.do() }},
		{"PerWebhook is one too many", "", "Claim", func(c *call) { c.claim.PerWebhook++; c.do() }},
		{"PerWebhook counts this call alone", "", "Claim", func(c *call) { c.claim.PerWebhook += slices.Max(append(pick(c.m.webhooks, c.m.leases), 0)); c.do() }},
		{"retries come on top of PerWebhook", "", "Claim", beforeEach(func(c *call) {
			set(c.d.Attempts > 0 && c.d.pending() && c.m.over(dueAt(c.d)), &c.claim.PerWebhook, c.claim.PerWebhook+1)
		})},
		{"PerWebhook counts ended leases", "", "Claim", instead(someWebhook(func(c *call) bool {
			held := count(c.m.deliveries, func(d *modelDelivery) bool { return d.of(c.w) && !d.leaseEnd.IsZero() })
			return held >= c.claim.PerWebhook && c.w.Status == store.Disabled
		}), nothing(-1))},
		{"youngest first", "", "Claim", ordered(ofOne(func(a, b *modelDelivery) int { return dueAt(b).Compare(dueAt(a)) }))},
		{"in the order of publishing", "", "Claim", ordered(ofOne(func(a, b *modelDelivery) int { return cmp.Or(testsFirst(a, b), a.CreatedAt.Compare(b.CreatedAt)) }))},
		{"tests last", "", "Claim", ordered(func(_ *model, a, b *modelDelivery) int { return testsFirst(b, a) })},
		{"tests in the order of their time", "", "Claim", ordered(ofOne(func(a, b *modelDelivery) int { return dueAt(a).Compare(dueAt(b)) }))},
		{"webhooks in the order of their ids", "", "Claim", ordered(func(_ *model, a, b *modelDelivery) int { return cmp.Compare(a.WebhookID, b.WebhookID) })},
		{"webhooks in the order of what is due longest", "", "Claim", queueing(func(c *call) {
			c.w.line.from = slices.MinFunc(append(pick(c.m.claimable(c.w, c.claim.PerWebhook), dueAt), c.w.line.from), time.Time.Compare)
		})},
		{"the most retried first", "", "Claim", ordered(func(_ *model, a, b *modelDelivery) int { return cmp.Compare(b.Attempts, a.Attempts) })},
		{"a webhook that was visited goes first", "", "Claim", queueing(func(c *call) { set(c.m.leases(c.w) > 0, &c.w.line.from, time.UnixMilli(0)) })},
		{"a webhook that got nothing loses its place", "", "Claim", func(c *call) {
			before := c.m.turns()
			c.do()
			for i, w := range before {
				if w.line.from.Before(c.m.now) {
					w.line.from = c.m.now.Add(time.Duration(len(before)-i) * time.Millisecond)
				}
			}
		}},
		{"enabling keeps the place of before", "", "UpdateWebhook", enabling(func(c *call) { c.m.lineUp(nil); set(!c.w.line.from.IsZero(), &c.w.line.from, c.before.CreatedAt) })},
		{"a publication moves to the back", "", "Publish", after(webhooks(where(lined, func(c *call) { set(c.w.MerchantID == c.merchant, &c.w.line.from, c.m.now) })))},
		{"a full webhook blocks the others", "", "Claim", instead(someWebhook(func(c *call) bool { return c.m.leases(c.w) >= c.claim.PerWebhook }), nothing(0))},
		{"one queue for all", "", "Claim", func(c *call) {
			defer c.m.change()()
			looked := 0
			for _, d := range c.m.deliveries {
				if c.m.waiting(d) && c.m.over(dueAt(d)) && looked < c.claim.Limit {
					looked++
					if slices.Contains(c.m.claimable(c.m.webhookOf(d), c.claim.PerWebhook), d) {
						c.claimed.Leases = append(c.claimed.Leases, c.m.take(d, c.claim.Lease, c.claim.Key))
					}
				}
			}
			c.claimed.Next, c.claimed.At = c.m.next(c.claim.PerWebhook), c.m.now
		}},
		{"paused deliveries are claimed", "", "Claim", func(c *call) { c.whileEach(func(w *modelWebhook) { w.Status = store.Active }) }},
		{"disabled webhooks take turns", "claim/a disabled webhook takes no turn", "Claim", after(where(
			func(c *call) bool { return len(c.m.webhooks) > 20 && someWebhook(isDisabled)(c) },
			func(c *call) { c.claimed.Leases, c.claimed.Next = nil, time.Second },
		))},
		{"tests of a disabled webhook wait", "", "Claim", beforeEach(func(c *call) {
			set(c.d.Test && c.d.leaseEnd.IsZero() && c.m.webhookOf(c.d).Status == store.Disabled, &c.d.DueAt, c.m.now.Add(time.Hour))
		})},
		{"a retry is due too early", "", "Claim", beforeEach(func(c *call) {
			set(c.d.leaseEnd.IsZero() && c.d.DueAt.After(c.m.now), &c.d.DueAt, c.d.DueAt.Add(-time.Millisecond))
		})},
		{"none due is an error", "", "Claim", func(c *call) { c.do(); set(len(c.claimed.Leases) == 0, &c.err, store.ErrNotFound) }},
		{"the time of a claim is missing", "", "Claim", func(c *call) { c.do(); set(len(c.claimed.Leases) == 0, &c.claimed.At, time.Time{}) }},
		{"the time of a claim is the lease's end", "", "Claim", func(c *call) { c.do(); c.claimed.At = c.m.now.Add(c.claim.Lease) }},
		{"Next is 0 for ever", "", "Claim", func(c *call) { c.do(); c.claimed.Next = 0 }},
		{"Next is never 0", "", "Claim", func(c *call) { c.do(); set(c.claimed.Next == 0, &c.claimed.Next, time.Second) }},
		{"Next is 0 only if this webhook has more", "", "Claim", after(func(c *call) {
			set(len(c.claimed.Leases) == 1 && c.claim.PerWebhook == 1, &c.claimed.Next, time.Minute)
		})},
		{"Next is a second too long", "", "Claim", func(c *call) { c.do(); set(c.claimed.Next > 0, &c.claimed.Next, c.claimed.Next+time.Second) }},
		{"Next does not know retries", "", "Claim", nextWithout(func(c *call) bool { return c.d.leaseEnd.IsZero() && c.d.DueAt.After(c.m.now) })},
		{"Next does not know leases", "", "Claim", nextWithout(func(c *call) bool { return c.m.leased(c.d) })},
		{"Next does not know full webhooks", "", "Claim", nextWithout(func(c *call) bool { return c.m.leased(c.d) && c.m.leases(c.m.webhookOf(c.d)) >= c.m.perWebhook })},
		{"Next does not know leases of disabled webhooks", "", "Claim", after(func(c *call) {
			set(c.claimed.Next > 0 && slices.ContainsFunc(c.m.deliveries, func(d *modelDelivery) bool { return c.m.leased(d) && !c.m.waiting(d) }), &c.claimed.Next, -1)
		})},
		{"Next does not know tests of disabled webhooks", "", "Claim", nextWithout(func(c *call) bool { return c.d.Test && c.m.webhookOf(c.d).Status == store.Disabled })},
		{"Next does not know what MaxBytes left", "", "Claim", after(func(c *call) { set(c.claim.MaxBytes > 0 && c.claimed.Next == 0, &c.claimed.Next, c.claim.Lease) })},
		{"Notices is never set", "", "Claim", func(c *call) { c.do(); c.claimed.Notices = false }},
		{"Notices is set for leased ones", "", "Claim", func(c *call) { c.do(); c.claimed.Notices = len(c.m.notices) > 0 }},

		{"MaxBytes is ignored", "", "Claim", func(c *call) { c.claim.MaxBytes = 0; c.do() }},
		{"MaxBytes is checked too late", "", "Claim", func(c *call) { set(c.claim.MaxBytes > 0, &c.claim.MaxBytes, c.claim.MaxBytes+50); c.do() }},
		{"a body larger than MaxBytes is never taken", "", "Claim", after(func(c *call) {
			if ls := c.claimed.Leases; len(ls) == 1 && c.claim.MaxBytes > 0 && len(ls[0].Body) > c.claim.MaxBytes {
				c.leased(ls[0]).leaseEnd, c.claimed.Leases, c.claimed.Next = time.Time{}, nil, 0
			}
		})},
		{"a body larger than MaxBytes is passed over", "", "Claim", hiding(func(c *call) bool {
			e := c.m.event(c.d.MerchantID, c.d.EventID) // It may be gone with retention if c.d has ended.
			return e != nil && c.claim.MaxBytes > 0 && c.d.leaseEnd.IsZero() && len(e.Body) > c.claim.MaxBytes && c.m.over(c.d.DueAt)
		})},

		{"Key is ignored", "", "Claim", func(c *call) { c.claim.Key = ""; c.do() }},
		{"a claim that is asked for again is empty", "", "Claim", asked(func(c *call, _ []store.Lease) { c.claimed.At = c.m.now })},
		{"a claim that is asked for again takes more", "", "Claim", asked(func(c *call, was []store.Lease) {
			key := c.claim.Key
			c.claim.Key = ""
			c.do()
			for _, l := range c.claimed.Leases {
				c.leased(l).key = key
			}
			c.claimed.Leases = append(was, c.claimed.Leases...)[:min(c.claim.Limit, len(was)+len(c.claimed.Leases))]
		})},
		{"a claim that is asked for again has new tokens", "", "Claim", asked(func(c *call, _ []store.Lease) {
			c.do()
			leasing(func(c *call) { c.d.token++; c.l.Token, c.d.lease.Token = c.d.token, c.d.token })(c)
		})},
		{"a claim that is asked for again lasts longer", "", "Claim", asked(func(c *call, _ []store.Lease) {
			leasing(func(c *call) { c.d.leaseEnd = c.m.now.Add(c.claim.Lease) })(c)
		})},
		{"a claim that is asked for again costs tokens", "", "Claim", asked(func(c *call, _ []store.Lease) {
			leasing(func(c *call) { c.m.spend(c.m.webhookOf(c.d)) })(c)
		})},
		{"a claim that is asked for again is only the first lease", "", "Claim", asked(func(c *call, was []store.Lease) { c.do(); c.claimed.Leases = was[:1] })},
		{"a key brings back what was settled", "", "Claim", after(deliveries(func(c *call) {
			set(ofKey(c) && c.d.settled && len(c.claimed.Leases) < c.claim.Limit, &c.claimed.Leases, append(c.claimed.Leases, c.d.lease))
		}))},
		{"a key brings back what has ended", "", "Claim", func(c *call) {
			deliveries(func(c *call) {
				set(ofKey(c) && expired(c.m, c.d), &c.claimed.Leases, append(c.claimed.Leases, c.d.lease))
			})(c)
			if c.claimed.At = c.m.now; len(c.claimed.Leases) == 0 {
				c.do()
			}
		}},
		{"a key that has nothing left takes nothing", "", "Claim", instead(func(c *call) bool {
			c.notes[c.claim.Key]++
			return c.claim.Key != "" && c.notes[c.claim.Key] > 1 && len(c.m.leasesOf(c.claim.Key)) == 0
		}, func(c *call) { c.claimed = store.Claimed{At: c.m.now, Next: c.m.next(c.claim.PerWebhook)} })},

		{"a lease has the body of another event", "", "Claim", leasing(func(c *call) {
			c.l.Body = c.m.events[slices.IndexFunc(c.m.events, func(e *modelEvent) bool { return e.ID == c.l.EventID })].Body
		})},
		{"a lease has the webhook of the publishing", "", "Claim", leasing(func(c *call) { c.l.URL = "https://example.com/" + c.l.WebhookID })},
		{"the previous secret never ends for leases", "", "Claim", leasing(func(c *call) { c.l.PreviousSecret = c.m.webhookOf(c.d).PreviousSecret })},
		{"a body is mended", "", "Claim", leasing(func(c *call) { c.l.Body = []byte(strings.ToValidUTF8(string(c.l.Body), "?")) })},
		{"a lease has no headers", "", "Claim", leasing(func(c *call) { c.l.Headers = "" })},
		{"a lease has the headers of another webhook", "", "Claim", leasing(func(c *call) {
			for _, w := range c.m.webhooks {
				c.l.Headers = cmp.Or(w.Headers, c.l.Headers)
			}
		})},
		{"no trace", "", "Claim", leasing(func(c *call) { c.l.Trace = "" })},
		{"a trace once", "", "Claim", leasing(func(c *call) { set(c.l.Token > 1, &c.l.Trace, "") })},
		{"the trace of another event", "", "Claim", leasing(func(c *call) { c.l.Trace = c.m.events[0].trace })},
	}
}
