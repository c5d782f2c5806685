package storetest

import (
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

// theirs makes a call about a delivery that another merchant's call would be about.
func theirs(c *call) {
	if d := find(c.m.deliveries, func(d *modelDelivery) bool { return d.ID == c.delivery }); d != nil {
		c.merchant, c.id = d.MerchantID, d.WebhookID
	}
	c.do()
}

// ending makes a fault that changes what Cancel has ended.
func ending(change func(c *call)) func(c *call) {
	return after(deliveries(where(func(c *call) bool { return c.d.gaveUp }, change)))
}

// aheadFaults are those of Expedite.
func aheadFaults() []fault {
	named := func(c *call) *modelDelivery { return c.m.delivery(c.merchant, c.id, c.delivery) }
	return []fault{
		{"nothing is brought forward", "", "Expedite", instead(func(c *call) bool { return named(c) != nil }, func(c *call) { c.pending = named(c).pending() })},
		{"anybody brings a delivery forward", "", "Expedite", theirs},
		{"to bring nothing forward is no error", "", "Expedite", func(c *call) { c.do(); c.err = nil }},
		{"what has ended is brought forward", "", "Expedite", done(func(c *call) { c.pending = true })},
		{"what is leased is brought forward", "", "Expedite", done(func(c *call) {
			if d := named(c); c.m.leased(d) {
				d.leaseEnd, d.DueAt = c.m.now, c.m.now
			}
		})},
		{"what is due longer is put off", "", "Expedite", done(func(c *call) {
			if d := named(c); d.pending() && d.leaseEnd.IsZero() {
				d.DueAt = c.m.now
			}
		})},
		{"to bring forward costs an attempt", "", "Expedite", done(func(c *call) { set(c.pending, &named(c).Attempts, len(named(c).Log)+1) })},
		{"all that waits is brought forward", "", "Expedite", done(deliveries(func(c *call) {
			set(c.d.MerchantID == c.merchant && c.d.WebhookID == c.id && c.d.Status == store.DeliveryPending && c.d.DueAt.After(c.m.now), &c.d.DueAt, c.m.now)
		}))},
	}
}

func boundFaults() []fault {
	unbound := publishing(func(c *call) { c.e.MaxPending = 0 })
	return []fault{
		{"publishing has no bound", "", "Publish", unbound},
		{"sending again has no bound", "", "Enqueue", func(c *call) { c.limit = 0; c.do() }},
		{"the bound is one too many", "", "Publish Enqueue", func(c *call) {
			set(c.limit > 0, &c.limit, c.limit+1)
			publishing(func(c *call) { set(c.e.MaxPending > 0, &c.e.MaxPending, c.e.MaxPending+1) })(c)
		}},
		{"who misses an event is not told", "", "Publish", answering(func(c *call) { c.p.Missed = nil })},
		{"a batch goes over the bound", "", "Publish", func(c *call) {
			n := map[string]int{}
			for _, d := range c.m.deliveries {
				if d.pending() {
					n[d.WebhookID]++
				}
			}
			for i := range c.events {
				for _, w := range c.m.webhooks {
					if c.events[i].MaxPending > n[w.ID] {
						unbound(c)
						return
					}
				}
			}
			c.do()
		}},
		{"what is leased is not counted", "", "Publish", func(c *call) {
			var held []*modelDelivery
			deliveries(where(func(c *call) bool { return c.m.leased(c.d) }, func(c *call) { held = append(held, c.d); c.d.Status = "leased" }))(c)
			c.do()
			for _, d := range held {
				d.Status = store.DeliveryPending
			}
		}},
		{"a test is bounded", "", "Publish", answering(func(c *call) {
			if c.e.Test != "" && fresh(c) && len(c.p.Deliveries) > 0 && c.m.crowded(c.m.webhook(c.merchant, c.e.Test), c.e.MaxPending) {
				c.p.Missed, c.p.Deliveries = []string{c.e.Test}, nil
			}
		})},
		{"a nonce of before is crowded out", "", "Enqueue", done(func(c *call) {
			for i := range c.enqueued {
				if c.enqueued[i].DeliveryID != "" && c.m.crowded(c.own(), c.limit) {
					c.enqueued[i] = store.Enqueued{Crowded: true}
				}
			}
		})},
	}
}

func cancelFaults() []fault {
	all := func(c *call) bool { return c.cancel.DeliveryID == "" }
	return []fault{
		{"nothing is cancelled", "", "Cancel", func(*call) {}},
		{"anybody cancels a delivery", "", "Cancel", func(c *call) { c.delivery = c.cancel.DeliveryID; theirs(c) }},
		{"to cancel for nobody is no error", "", "Cancel", func(c *call) { c.do(); set(errors.Is(c.err, store.ErrNotFound), &c.err, nil) }},
		{"to cancel an unknown delivery is no error", "", "Cancel", func(c *call) { c.do(); set(!all(c) && c.own() != nil, &c.err, nil) }},
		{"what has ended is cancelled", "", "Cancel", done(func(c *call) { set(!all(c), &c.cancelled.Deliveries, 1) })},
		{"what was cancelled has succeeded", "", "Cancel", ending(func(c *call) { c.d.Status = store.DeliverySucceeded })},
		{"what was cancelled has another code", "", "Cancel", ending(func(c *call) { c.d.Code = "timeout" })},
		{"what was cancelled gets an attempt", "", "Cancel", ending(func(c *call) { c.d.Attempts = len(c.d.Log) + 1 })},
		{"what was cancelled extends the streak", "", "Cancel", done(func(c *call) {
			set(c.cancelled.Deliveries > 0, &c.own().ConsecutiveFailures, c.own().ConsecutiveFailures+1)
		})},
		{"a late result revives what was cancelled", "", "Finish", func(c *call) {
			for _, r := range c.results {
				if d := c.m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil && d.gaveUp {
					d.token, d.settled = r.Token, false
				}
			}
			c.do()
		}},
		{"a late result repeats what was cancelled", "", "Finish", func(c *call) {
			for _, r := range c.results {
				if d := c.m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil && d.gaveUp {
					d.token = r.Token
				}
			}
			c.do()
		}},
		{"what is leased cannot be cancelled", "", "Cancel", instead(func(c *call) bool {
			d := c.m.delivery(c.merchant, c.id, c.cancel.DeliveryID)
			return d != nil && c.m.leased(d)
		}, func(*call) {})},
		{"a test cannot be cancelled", "", "Cancel", instead(func(c *call) bool {
			d := c.m.delivery(c.merchant, c.id, c.cancel.DeliveryID)
			return d != nil && d.Test
		}, func(*call) {})},
		{"of all, what is leased stays", "", "Cancel", func(c *call) {
			var held []*modelDelivery
			deliveries(where(func(c *call) bool { return all(c) && c.m.leased(c.d) }, func(c *call) { held = append(held, c.d); c.d.Status = "leased" }))(c)
			c.do()
			for _, d := range held {
				d.Status = store.DeliveryPending
			}
		}},
		{"of all, tests are cancelled", "", "Cancel", func(c *call) {
			test := func(c *call) bool { return all(c) && c.d.Test && c.d.pending() }
			deliveries(where(test, func(c *call) { c.m.cancel(c.d, c.cancel.Code); c.cancelled.Deliveries++ }))(c)
			n := c.cancelled.Deliveries
			c.do()
			c.cancelled.Deliveries += n
		}},
		{"all is of the merchant", "", "Cancel", func(c *call) {
			others := func(c *call) bool {
				return all(c) && c.own() != nil && c.d.MerchantID == c.merchant && c.d.pending() && !c.d.Test && c.d.WebhookID != c.id
			}
			deliveries(where(others, func(c *call) { c.m.cancel(c.d, c.cancel.Code) }))(c)
			c.do()
		}},
		{"all is what a step ends", "", "Cancel", func(c *call) { c.do(); c.cancelled.Next = "" }},
		{"a step ends too many", "", "Cancel", func(c *call) { c.cancel.Limit++; c.do() }},
		{"a later step means what was published since", "", "Cancel", func(c *call) {
			if from, through := 0, 0; c.cancel.Cursor != "" {
				_, _ = fmt.Sscanf(c.cancel.Cursor, "c%d %d", &from, &through)
				c.cancel.Cursor = fmt.Sprintf("c%d %d", from, c.m.made)
			}
			c.do()
		}},
		{"a bad cursor of steps is the beginning", "history/a cursor that is not the store's", "Cancel", func(c *call) { beginning(c, &c.cancel.Cursor) }},
	}
}
