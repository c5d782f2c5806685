package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// otherwise makes the choices that the contract leaves to a store, and otherwise than
// the model: pages are short or empty, claims take less and announce less, tokens leap.
func otherwise(c *call) {
	c.notes[c.on]++
	again := c.notes[c.on]%3 == 0
	switch c.on {
	case "ListWebhooks", "Merchants", "Events", "Deliveries":
		if of := c.id + c.eventQ.WebhookID; of != "" && c.m.webhook(c.merchant, of) == nil {
			c.err = store.ErrNotFound
			return
		}
		c.webhookQ.Limit, c.merchQ.Limit, c.eventQ.Limit, c.deliveryQ.Limit = 1, 1, 1, 1
		if again && c.webhookQ.Cursor+c.merchQ.Cursor+c.eventQ.Cursor+c.deliveryQ.Cursor == "" {
			c.webhookP.Next, c.merchP.Next, c.eventP.Next, c.deliveryP.Next = "w", "m", "e", "d"
			return
		}
		c.do()
	case "Claim":
		if len(c.m.leasesOf(c.claim.Key)) > 0 {
			c.do()
			return
		}
		if again && c.m.next(c.claim.PerWebhook) == 0 {
			c.claimed.At = c.m.now
			return
		}
		c.claim.Limit = (c.claim.Limit + 1) / 2
		leasing(func(c *call) {
			c.d.token, c.l.Token, c.d.lease.Token = 7*c.d.token, 7*c.d.token, 7*c.d.token
		})(c)
		set(c.claimed.Next > 0, &c.claimed.Next, max(time.Millisecond, (c.claimed.Next/2).Truncate(time.Millisecond)))
	case "ClaimNotices":
		noted(func(c *call) {
			o := c.m.notice(c.n.MerchantID, c.n.ID)
			o.token, c.n.Token = 7*o.token, 7*o.token
		})(c)
	case "Finish":
		settling(nil, func(c *call) {
			set(c.r.Streak == store.StreakReset && c.w.Mark == "" && c.w.Disablings == 0, &c.f.Standing, nil)
			set(c.f.Disabled && c.f.State == store.FinishAccepted, &c.w.UpdatedAt, c.w.DisabledAt)
		})(c)
	case "Prune":
		set(c.prune.DeliveriesPerWebhook > 0, &c.prune.DeliveriesPerWebhook, c.prune.DeliveriesPerWebhook+store.PruneSlack)
		c.do()
		c.pruned.More = c.pruned.More || c.pruned.Deliveries+c.pruned.Paused+c.pruned.Events+c.pruned.Notices > 0
	case "Publish":
		answering(func(c *call) { slices.Reverse(c.p.Deliveries) })(c)
	}
}

// TestOpenChoices keeps the suite from asking more than the contract.
func TestOpenChoices(t *testing.T) {
	t.Parallel()
	f := fault{on: "ListWebhooks Merchants Events Deliveries Claim ClaimNotices Finish Prune Publish", play: otherwise}
	Run(t, func(*testing.T) Harness { return openFaulty(f) })
}
