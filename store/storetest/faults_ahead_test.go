package storetest

import "github.com/rag-assistant/webhooks/store"

// theirs makes a call about a delivery that another merchant's call would be about.
func theirs(c *call) {
	if d := find(c.m.deliveries, func(d *modelDelivery) bool { return d.ID == c.delivery }); d != nil {
		c.merchant, c.id = d.MerchantID, d.WebhookID
	}
	c.do()
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
