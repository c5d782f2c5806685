package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// publishing makes a fault that publishes other events.
func publishing(change func(c *call)) func(c *call) {
	return func(c *call) {
		c.events = slices.Clone(c.events)
		for i := range c.events {
			c.e = &c.events[i]
			change(c)
		}
		c.do()
	}
}

// answering makes a fault that publishes and changes the answers.
func answering(change func(c *call)) func(c *call) {
	return func(c *call) {
		c.do()
		for i := range c.published {
			c.e, c.p = &c.events[i], &c.published[i]
			change(c)
		}
	}
}

// matching makes a fault that finds subscribers by another rule. fits is about one of a
// webhook's patterns, and is asked where it is none of the type's own.
func matching(fits func(pattern, eventType string) bool) func(c *call) {
	return func(c *call) {
		c.m.matches = func(events []string, eventType string) bool {
			return slices.ContainsFunc(events, func(p string) bool {
				return p == eventType || p == store.EveryType || strings.HasSuffix(p, ".*") && fits(strings.TrimSuffix(p, ".*"), eventType)
			})
		}
		c.do()
	}
}

func repeated(c *call) bool    { return c.p.Duplicate }
func conflicting(c *call) bool { return c.p.Conflict }
func fresh(c *call) bool       { return !c.p.Duplicate && !c.p.Conflict }

// published is what Publish answers of a delivery.
func published(d *modelDelivery) store.PublishedDelivery {
	return store.PublishedDelivery{WebhookID: d.WebhookID, ID: d.ID}
}

// enqueueing makes a fault that changes the answer for each event that is stored.
func enqueueing(change func(c *call, e *modelEvent, out *store.Enqueued)) func(c *call) {
	return done(func(c *call) {
		for i, id := range c.eventIDs {
			if e := c.m.event(c.merchant, id); e != nil {
				change(c, e, &c.enqueued[i])
			}
		}
	})
}

// more makes one more delivery of an event to each webhook of the merchant.
func (c *call) more(eventID string) {
	for _, w := range c.m.webhooks {
		if w.MerchantID == c.merchant {
			_, _ = c.m.Enqueue(c.ctx, c.merchant, w.ID, []string{eventID}, fmt.Sprint("more", c.m.number()), 0)
		}
	}
}

// each makes a fault that changes the deliveries that Publish and Enqueue have made.
func each(change func(c *call)) func(c *call) {
	return func(c *call) {
		made := len(c.m.deliveries)
		c.do()
		for _, d := range c.m.deliveries[made:] {
			was := d.ID
			c.d = d
			change(c)
			for i := range c.published {
				for j := range c.published[i].Deliveries {
					if p := &c.published[i].Deliveries[j]; p.ID == was {
						p.ID = d.ID
					}
				}
			}
			for i := range c.enqueued {
				if c.enqueued[i].DeliveryID == was {
					c.enqueued[i].DeliveryID = d.ID
				}
			}
		}
	}
}

func publishFaults() []fault {
	return []fault{
		{"fan-out to a disabled webhook", "", "Publish", func(c *call) { c.whileEach(func(w *modelWebhook) { w.Status = store.Active }) }},
		{"fan-out ignores subscriptions", "", "Publish", func(c *call) { c.whileEach(func(w *modelWebhook) { w.Events = []string{store.EveryType} }) }},
		{"fan-out ignores EveryType", "", "Publish", func(c *call) {
			c.whileEach(func(w *modelWebhook) { w.Events = without(slices.Clone(w.Events), store.EveryType) })
		}},
		{"fan-out looks at the first type alone", "", "Publish", func(c *call) { c.whileEach(func(w *modelWebhook) { w.Events = w.Events[:1] }) }},
		{"fan-out to other merchants", "", "Publish", after(webhooks(where(
			func(c *call) bool { return c.w.MerchantID != c.merchant },
			func(c *call) { _, _ = c.m.Publish(c.ctx, c.w.MerchantID, c.events) },
		)))},
		{"types are prefixes", "", "Publish", answering(where(fresh, webhooks(func(c *call) {
			if w := c.w; w.MerchantID == c.merchant && strings.HasPrefix(c.e.Type, w.Events[0]) && c.e.Type != w.Events[0] {
				c.p.Deliveries = append(c.p.Deliveries, published(c.m.deliver(c.m.event(c.merchant, c.e.ID), w.ID, "")))
			}
		})))},
		{"patterns are types", "", "Publish", matching(func(string, string) bool { return false })},
		{"a pattern takes in what begins like it", "", "Publish", matching(func(words, eventType string) bool { return strings.HasPrefix(eventType, words) })},
		{"a pattern takes in its own words", "", "Publish", matching(func(words, eventType string) bool { return strings.HasPrefix(eventType+".", words+".") })},
		{"a pattern takes in one word", "", "Publish", matching(func(words, eventType string) bool {
			rest, ok := strings.CutPrefix(eventType, words+".")
			return ok && !strings.Contains(rest, ".")
		})},
		{"a pattern has no case", "publish/patterns, to the letter", "Publish", matching(func(words, eventType string) bool {
			return strings.HasPrefix(strings.ToLower(eventType), strings.ToLower(words)+".")
		})},
		{"one delivery for each pattern that fits", "", "Publish", answering(where(fresh, webhooks(func(c *call) {
			fit := slices.DeleteFunc(store.Patterns(c.e.Type), func(p string) bool { return !slices.Contains(c.w.Events, p) })
			if c.w.MerchantID == c.merchant && c.w.Status == store.Active && c.e.Test == "" && len(fit) > 1 {
				c.p.Deliveries = append(c.p.Deliveries, published(c.m.deliver(c.m.event(c.merchant, c.e.ID), c.w.ID, "")))
			}
		})))},
		{"a repeated event is delivered again", "", "Publish", answering(where(repeated, func(c *call) { c.more(c.e.ID) }))},
		{"a repeated event is not called Duplicate", "", "Publish", answering(func(c *call) { c.p.Duplicate = false })},
		{"a repeated event has no deliveries", "", "Publish", answering(func(c *call) { set(c.p.Duplicate, &c.p.Deliveries, nil) })},
		{"a repeated event has other ids", "", "Publish", answering(where(repeated, func(c *call) {
			for i := range c.p.Deliveries {
				c.p.Deliveries[i].ID += "x"
			}
		}))},
		{"a conflict is a repetition", "", "Publish", publishing(func(c *call) { c.e.Fingerprint = "" })},
		{"a repetition is a conflict", "", "Publish", publishing(func(c *call) { c.e.Fingerprint += fmt.Sprint(c.m.number()) })},
		{"a conflict overwrites the event", "", "Publish", answering(where(conflicting, func(c *call) { c.m.event(c.merchant, c.e.ID).Type = "overwritten" }))},
		{"a conflict names the first deliveries", "", "Publish", answering(where(conflicting, func(c *call) {
			c.p.Deliveries = pick(c.m.event(c.merchant, c.e.ID).deliveries, published)
		}))},
		{"everything is deferred", "", "Publish", answering(func(c *call) { c.p.Deferred = true })},
		{"event ids are taken for all merchants", "", "Publish", answering(func(c *call) {
			taken := func(e *modelEvent) bool { return e.ID == c.e.ID && e.merchantID != c.merchant }
			set(slices.ContainsFunc(c.m.events, taken), c.p, store.Published{Conflict: true})
		})},
		{"repetitions within a batch are missed", "", "Publish", after(func(c *call) {
			for i := range c.published {
				set(slices.ContainsFunc(c.events[:i], func(e store.NewEvent) bool { return e.ID == c.events[i].ID }), &c.published[i].Duplicate, false)
			}
		})},
		{"an empty batch is an error", "", "Publish", func(c *call) { c.do(); set(len(c.events) == 0, &c.err, store.ErrNotFound) }},
		{"an event is forgotten once delivered", "", "Publish", func(c *call) {
			events(func(c *call, e *modelEvent) {
				set(len(e.deliveries) > 0 && !c.m.wanted(e), &c.m.events, without(slices.Clone(c.m.events), e))
			})(c)
			c.do()
		}},
		{"a failed batch stores events alone", "publish/what fails", "Publish", after(where(func(c *call) bool { return c.err != nil }, func(c *call) {
			e := c.events[len(c.events)-1]
			c.m.events = append(c.m.events, &modelEvent{Event: store.Event{ID: e.ID}, merchantID: c.merchant, fingerprint: e.Fingerprint})
		}))},
		{"bodies are text", "", "Publish", publishing(func(c *call) { c.e.Body = []byte(strings.ToValidUTF8(string(c.e.Body), "?")) })},
		{"traces are text", "", "Publish", publishing(func(c *call) { c.e.Trace = strings.ToValidUTF8(c.e.Trace, "?") })},
		{"the trace is that of the last time", "", "Publish", answering(func(c *call) { c.m.event(c.merchant, c.e.ID).trace = c.e.Trace })},
		{"a forged test is like any other", "", "Publish", publishing(func(c *call) { c.e.Forged = false })},
		{"a test obeys the status", "", "Publish", answering(where(fresh, where(
			func(c *call) bool { return c.e.Test != "" && c.m.webhook(c.merchant, c.e.Test).Status != store.Active },
			func(c *call) { c.p.Deliveries, c.m.deliveries = nil, c.m.deliveries[:len(c.m.deliveries)-1] },
		)))},
		{"a test goes to everybody", "", "Publish", answering(where(func(c *call) bool { return c.e.Test != "" && fresh(c) }, func(c *call) { c.more(c.e.ID) }))},
		{"a test for nobody is stored", "", "Publish", publishing(func(c *call) { set(c.m.webhook(c.merchant, c.e.Test) == nil, &c.e.Test, "") })},
		{"anybody tests a webhook", "", "Publish", publishing(func(c *call) { c.id = c.e.Test; set(c.id != "", &c.merchant, c.owner()) })},
		{"a new delivery is due later", "", "Publish", each(func(c *call) { c.d.DueAt = c.d.DueAt.Add(time.Millisecond) })},
		{"one event of a batch is lost", "", "Publish", func(c *call) {
			n := len(c.events)
			c.events = c.events[:min(2, n)]
			c.do()
			c.published = append(c.published, make([]store.Published, n-len(c.events))...)
		}},

		{"an id of a delivery has other letters", "", "Publish", each(func(c *call) { c.d.ID = strings.ReplaceAll(c.d.ID, "0", "/") })},
		{"an id of a delivery is too long", "", "Enqueue", each(func(c *call) { c.d.ID += strings.Repeat("0", 35) })},
		{"an id of a delivery has no prefix", "", "Publish", each(func(c *call) { c.d.ID = strings.TrimPrefix(c.d.ID, "whdel_") })},
		{"ids are numbers of kept deliveries", "", "Publish Enqueue", each(func(c *call) { c.d.ID = fmt.Sprint("whdel_", slices.Index(c.m.deliveries, c.d)) })},
		{"ids are made of event and webhook", "publish/ids", "Publish", each(func(c *call) {
			c.d.ID = "whdel_" + c.d.EventID[max(0, len(c.d.EventID)-12):] + c.d.WebhookID[max(0, len(c.d.WebhookID)-12):]
		})},

		{"Enqueue ignores the nonce", "", "Enqueue", func(c *call) { c.nonce = "one"; c.do() }},
		{"Enqueue makes a new one each time", "", "Enqueue", func(c *call) { c.nonce += fmt.Sprint(c.m.number()); c.do() }},
		{"Enqueue repeats within a call", "", "Enqueue", func(c *call) {
			ids, nonce := c.eventIDs, c.nonce
			var out []store.Enqueued
			for i := range ids {
				c.eventIDs = ids[i : i+1]
				if slices.Contains(ids[:i], ids[i]) {
					c.nonce = nonce + "again"
				}
				if c.do(); c.err != nil {
					return
				}
				out = append(out, c.enqueued...)
			}
			c.enqueued = out
		}},
		{"Enqueue answers the delivery of the event", "", "Enqueue", enqueueing(func(_ *call, e *modelEvent, out *store.Enqueued) {
			set(len(e.deliveries) > 0, &out.DeliveryID, append(pick(e.deliveries, published), store.PublishedDelivery{})[0].ID)
		})},
		{"Enqueue looks at the status", "", "Enqueue", instead(
			func(c *call) bool { w := c.own(); return w != nil && w.Status == store.Disabled },
			func(c *call) { c.enqueued = make([]store.Enqueued, len(c.eventIDs)) },
		)},
		{"Enqueue leaves unknown events out", "", "Enqueue", func(c *call) { c.do(); c.enqueued = without(c.enqueued, store.Enqueued{}) }},
		{"Enqueue to nobody is no error", "", "Enqueue", instead(func(c *call) bool { return c.own() == nil }, func(c *call) { c.enqueued = make([]store.Enqueued, len(c.eventIDs)) })},
		{"Enqueue takes another merchant's event", "", "Enqueue", after(func(c *call) {
			for i, out := range c.enqueued {
				known := slices.ContainsFunc(c.m.events, func(e *modelEvent) bool { return e.ID == c.eventIDs[i] })
				set(known && out == (store.Enqueued{}), &c.enqueued[i].DeliveryID, "whdel_other")
			}
		})},
		{"Enqueue revives an ended delivery", "", "Enqueue", enqueueing(func(c *call, _ *modelEvent, out *store.Enqueued) {
			if d := c.m.delivery(c.merchant, c.id, out.DeliveryID); d != nil {
				d.Status = store.DeliveryPending
			}
		})},
		{"Enqueue has no bound", "publish/once more, too often", "Enqueue", enqueueing(func(c *call, e *modelEvent, out *store.Enqueued) {
			if out.Full {
				*out = store.Enqueued{DeliveryID: c.m.deliver(e, c.id, c.nonce).ID}
			}
		})},
		{"Enqueue's bound counts the event's own delivery", "publish/once more, too often", "Enqueue", enqueuedBefore(func(c *call, e *modelEvent, d *modelDelivery) bool { return d.nonce == "" })},
		{"Enqueue's bound counts all webhooks", "publish/once more, too often", "Enqueue", enqueuedBefore(func(c *call, _ *modelEvent, d *modelDelivery) bool { return d.WebhookID != c.id })},
		{"Enqueue's bound counts all events", "publish/once more, too often", "Enqueue", enqueuedBefore(func(_ *call, e *modelEvent, d *modelDelivery) bool { return d.EventID != e.ID })},
		{"Enqueue's bound is before its nonces", "publish/once more, too often", "Enqueue", enqueuedBefore(func(*call, *modelEvent, *modelDelivery) bool { return false })},
		{"Enqueue's bound counts what was pruned", "publish/once more, too often", "Enqueue Prune", after(func(c *call) {
			c.notes["pruned"] += c.pruned.Deliveries
			for i := range c.enqueued {
				set(c.notes["pruned"] >= store.MaxEnqueued, &c.enqueued[i], store.Enqueued{Full: true})
			}
		})},
		{"what is full has an id", "publish/once more, too often", "Enqueue", enqueueing(func(_ *call, _ *modelEvent, out *store.Enqueued) { set(out.Full, &out.DeliveryID, "whdel_full") })},
	}
}

// enqueuedBefore makes a fault that answers Full if that many deliveries of one event,
// made by Enqueue, and others that count too are kept.
func enqueuedBefore(counts func(c *call, e *modelEvent, d *modelDelivery) bool) func(c *call) {
	return func(c *call) {
		full := map[int]bool{}
		for i, id := range c.eventIDs {
			n := 0
			e := c.m.event(c.merchant, id)
			for _, d := range c.m.deliveries {
				if e != nil && (counts(c, e, d) || d.EventID == id && d.WebhookID == c.id && d.nonce != "") {
					n++
				}
			}
			full[i] = n >= store.MaxEnqueued
		}
		c.do()
		for i := range c.enqueued {
			if full[i] {
				c.enqueued[i] = store.Enqueued{Full: true}
			}
		}
	}
}
