package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// insightFaults are faults in what tells a person why: changes, trouble and the fate of
// an event.
func insightFaults() []fault {
	return []fault{
		{"changes of another merchant", "", "Changes", anybody},
		{"changes oldest first", "", "Changes", func(c *call) { c.do(); slices.Reverse(c.changes) }},
		{"no entry of a registration", "", "CreateWebhook", created(func(w *modelWebhook) { w.changes = nil })},
		{"a registration by nobody", "", "CreateWebhook", created(func(w *modelWebhook) { w.UpdatedBy = ""; w.changes[0].By = "" })},
		{"an entry of an update that changes nothing", "", "UpdateWebhook", updating(func(c *call) {
			if last := c.w.changes[len(c.w.changes)-1]; last.Version != c.w.Version {
				c.w.changes = append(c.w.changes, c.w.Registered(c.m.now))
			}
		})},
		{"no entry of a change", "", "UpdateWebhook", updating(func(c *call) {
			c.w.changes = slices.DeleteFunc(c.w.changes, func(e store.Change) bool { return e.Version == c.w.Version })
		})},
		{"who made a change stays", "", "UpdateWebhook", updating(func(c *call) { c.w.UpdatedBy = c.before.UpdatedBy })},
		{"no entry of a disabling", "", "Finish", turnedOff(func(w *modelWebhook) { w.changes = w.changes[:len(w.changes)-1] })},
		{"a disabling by whoever came before", "", "Finish", turnedOff(func(w *modelWebhook) {
			w.changes[len(w.changes)-1].By = "bob"
		})},
		{"changes without an end", "webhooks/more changes than are kept", "Changes", func(c *call) {
			if c.do(); c.err == nil {
				c.changes = slices.Clone(c.own().changes)
				slices.Reverse(c.changes)
			}
		}},

		{"enabling leaves a webhook unwell", "", "UpdateWebhook", enabling(func(c *call) { c.w.UnwellSince = c.before.UnwellSince })},
		{"another URL leaves a webhook unwell", "", "UpdateWebhook", updating(func(c *call) {
			if c.before.URL != c.w.URL {
				c.w.UnwellSince = c.before.UnwellSince
			}
		})},
		{"a try makes nobody unwell", "", "Finish", unwell(func(w *modelWebhook, was store.Webhook, r store.Result) {
			if r.Streak == store.StreakTry {
				w.UnwellSince = was.UnwellSince
			}
		})},
		{"a failure makes nobody unwell", "", "Finish", unwell(func(w *modelWebhook, was store.Webhook, r store.Result) {
			if r.Streak == store.StreakExtend {
				w.UnwellSince = was.UnwellSince
			}
		})},
		{"unwell since the last failure", "", "Finish", unwell(func(w *modelWebhook, was store.Webhook, _ store.Result) {
			if !was.UnwellSince.IsZero() && !w.UnwellSince.IsZero() {
				w.UnwellSince = w.changes[0].At.Add(time.Hour)
			}
		})},
		{"a success leaves a webhook unwell", "", "Finish", unwell(func(w *modelWebhook, was store.Webhook, _ store.Result) {
			if w.UnwellSince.IsZero() {
				w.UnwellSince = was.UnwellSince
			}
		})},
		{"a success is not the last one", "", "Finish", unwell(func(w *modelWebhook, was store.Webhook, _ store.Result) { w.LastSuccess = was.LastSuccess })},
		{"trouble leaves out the disabled", "", "Troubled", troubled(func(w store.Webhook) bool { return w.Status == store.Disabled })},
		{"trouble leaves out the unwell", "", "Troubled", troubled(func(w store.Webhook) bool { return w.Status == store.Active })},
		{"a page of trouble repeats itself", "", "Troubled", func(c *call) {
			if c.do(); len(c.webhookP.Webhooks) > 0 {
				c.webhookP.Webhooks[0] = c.webhookP.Webhooks[len(c.webhookP.Webhooks)-1]
			}
		}},

		{"the fate of another merchant's event", "", "EventDeliveries", func(c *call) {
			if c.do(); c.err == nil {
				c.fate.Deliveries = nil
				for _, d := range c.m.deliveries {
					if d.EventID == c.id {
						c.fate.Deliveries = append(c.fate.Deliveries, c.m.view(d))
					}
				}
			}
		}},
		{"the fate leaves out what was sent again", "", "EventDeliveries", func(c *call) {
			if c.do(); c.err == nil {
				c.fate.Deliveries = slices.DeleteFunc(c.fate.Deliveries, func(d store.Delivery) bool {
					return c.m.delivery(d.MerchantID, d.WebhookID, d.ID).nonce != ""
				})
			}
		}},
		{"the fate leaves out what has ended", "", "EventDeliveries", func(c *call) {
			c.do()
			c.fate.Deliveries = slices.DeleteFunc(c.fate.Deliveries, func(d store.Delivery) bool { return d.Status != store.DeliveryPending })
		}},
		{"the fate forgets what was pruned", "", "EventDeliveries", func(c *call) {
			c.do()
			c.fate.Published = slices.DeleteFunc(c.fate.Published, func(p store.PublishedDelivery) bool { return c.m.delivery(c.merchant, p.WebhookID, p.ID) == nil })
		}},
		{"the fate shows attempts", "", "EventDeliveries", func(c *call) {
			c.do()
			for i, d := range c.fate.Deliveries {
				c.fate.Deliveries[i].Log = c.m.delivery(d.MerchantID, d.WebhookID, d.ID).Log
			}
		}},

		{"the newest come last", "", "Events", func(c *call) { c.eventQ.Newest = false; c.do() }},
		{"events of every type", "", "Events", func(c *call) { c.eventQ.Type = ""; c.do() }},
		{"what was exchanged is lost", "", "Delivery", func(c *call) {
			c.do()
			for i := range c.shown.Log {
				c.shown.Log[i].Exchange = ""
			}
		}},
	}
}

// created makes a fault that changes a new webhook.
func created(change func(w *modelWebhook)) func(c *call) {
	return func(c *call) {
		if c.do(); c.err == nil {
			change(c.own())
		}
	}
}

// turnedOff makes a fault that changes a webhook which failures have just disabled.
func turnedOff(change func(w *modelWebhook)) func(c *call) {
	return func(c *call) {
		c.do()
		for i, f := range c.finished {
			if f.State == store.FinishAccepted && f.Disabled {
				change(c.m.webhook(c.results[i].MerchantID, c.results[i].WebhookID))
			}
		}
	}
}

// unwell makes a fault that changes the webhook of each result that moved its streak.
func unwell(change func(w *modelWebhook, was store.Webhook, r store.Result)) func(c *call) {
	return func(c *call) {
		was := map[*modelWebhook]store.Webhook{}
		for _, w := range c.m.webhooks {
			was[w] = w.Webhook
		}
		c.do()
		for i, f := range c.finished {
			r := c.results[i]
			if w := c.m.webhook(r.MerchantID, r.WebhookID); f.State == store.FinishAccepted && w != nil {
				change(w, was[w], r)
			}
		}
	}
}

// troubled makes a fault that leaves webhooks out.
func troubled(is func(w store.Webhook) bool) func(c *call) {
	return func(c *call) {
		c.do()
		c.webhookP.Webhooks = slices.DeleteFunc(c.webhookP.Webhooks, is)
	}
}
