package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// pruning makes a fault that changes each delivery before Prune looks.
func pruning(change func(c *call)) func(c *call) {
	return func(c *call) {
		for _, c.d = range c.m.deliveries {
			change(c)
		}
		c.do()
	}
}

// paused makes a fault that changes what Prune has ended.
func paused(change func(c *call)) func(c *call) {
	return func(c *call) {
		c.do()
		for _, c.d = range slices.Clone(c.m.deliveries) {
			if c.d.paused {
				change(c)
			}
		}
	}
}

// lastFirst makes a fault that removes what was made last of more than many.
func lastFirst(many int) func(c *call) {
	flip := func(c *call) {
		for _, d := range c.m.deliveries {
			d.number = -d.number
		}
	}
	return func(c *call) {
		set(len(c.m.deliveries) > many, &many, 0)
		if c.prune.DeliveriesPerWebhook == 0 || many > 0 {
			c.do()
			return
		}
		flip(c)
		c.do()
		flip(c)
	}
}

// offset reads a cursor that is a number.
func offset(cursor string) (n int, bad error) {
	if cursor == "" {
		return 0, nil
	}
	if n, bad = strconv.Atoi(strings.TrimLeft(cursor, "de")); bad != nil {
		bad = store.ErrCursor
	}
	return n, bad
}

func historyFaults() []fault {
	return []fault{
		{"an unknown delivery is empty", "", "Delivery", func(c *call) { c.do(); c.err = nil }},
		{"any webhook shows a delivery", "", "Delivery", func(c *call) {
			for _, d := range c.m.deliveries {
				if d.ID == c.delivery && d.MerchantID == c.merchant {
					c.id = d.WebhookID
				}
			}
			c.do()
		}},
		{"a webhook of one's own shows another's delivery", "", "Delivery", func(c *call) {
			for _, d := range c.m.deliveries {
				if d.ID == c.delivery && c.own() != nil {
					c.merchant, c.id = d.MerchantID, d.WebhookID
				}
			}
			c.do()
		}},
		{"the caller gets the store's attempts", "webhooks/kept apart from the caller's memory", "Delivery", done(func(c *call) {
			c.shown.Log = c.m.delivery(c.merchant, c.id, c.delivery).Log
		})},
		{"an unknown webhook has empty stats", "", "Stats", func(c *call) { c.do(); c.err = nil }},
		{"deliveries are listed oldest first", "", "Deliveries", func(c *call) { c.do(); slices.Reverse(c.deliveryP.Deliveries) }},
		{"deliveries are listed with their attempts", "", "Deliveries", func(c *call) {
			c.do()
			for i, d := range c.deliveryP.Deliveries {
				c.deliveryP.Deliveries[i].Log = c.m.delivery(d.MerchantID, d.WebhookID, d.ID).Log
			}
		}},
		{"the status filter is ignored", "", "Deliveries", func(c *call) { c.deliveryQ.Status = ""; c.do() }},
		{"the type filter is ignored", "", "Deliveries", func(c *call) { c.deliveryQ.EventType = ""; c.do() }},
		{"Since leaves its moment out", "", "Deliveries", func(c *call) {
			set(!c.deliveryQ.Since.IsZero(), &c.deliveryQ.Since, c.deliveryQ.Since.Add(time.Millisecond))
			c.do()
		}},
		{"Until includes its moment", "", "Deliveries", func(c *call) {
			set(!c.deliveryQ.Until.IsZero(), &c.deliveryQ.Until, c.deliveryQ.Until.Add(time.Millisecond))
			c.do()
		}},
		{"filters keep whole seconds", "", "Deliveries", func(c *call) {
			c.deliveryQ.Since, c.deliveryQ.Until = c.deliveryQ.Since.Truncate(time.Second), c.deliveryQ.Until.Truncate(time.Second)
			c.do()
		}},
		{"a page of deliveries is too long", "history/followed while deliveries come and go", "Deliveries", func(c *call) { c.deliveryQ.Limit++; c.do() }},
		{"a filter ends the list", "", "Deliveries", func(c *call) {
			status := c.deliveryQ.Status
			c.deliveryQ.Status = ""
			c.do()
			c.deliveryP.Deliveries = slices.DeleteFunc(c.deliveryP.Deliveries, func(d store.Delivery) bool { return status != "" && d.Status != status })
			if len(c.deliveryP.Deliveries) == 0 {
				c.deliveryP.Next = ""
			}
		}},
		{"a cursor is an offset", "history/followed while deliveries come and go", "Deliveries", func(c *call) {
			n, bad := offset(c.deliveryQ.Cursor)
			limit := c.deliveryQ.Limit
			c.deliveryQ.Cursor, c.deliveryQ.Limit = "", n+limit
			c.do()
			c.deliveryP.Deliveries = c.deliveryP.Deliveries[min(n, len(c.deliveryP.Deliveries)):]
			if c.err = errors.Join(c.err, bad); c.deliveryP.Next != "" {
				c.deliveryP.Next = fmt.Sprint("d", n+limit)
			}
		}},
		{"a cursor is a time", "history/followed while deliveries come and go", "Deliveries", func(c *call) {
			n, bad := offset(c.deliveryQ.Cursor)
			if c.deliveryQ.Cursor != "" {
				c.deliveryQ.Cursor, c.deliveryQ.Until = "", time.UnixMilli(int64(n))
			}
			c.do()
			c.err = errors.Join(c.err, bad)
			if k := len(c.deliveryP.Deliveries); k > 0 && c.deliveryP.Next != "" {
				c.deliveryP.Next = fmt.Sprint("d", c.deliveryP.Deliveries[k-1].CreatedAt.UnixMilli()+1)
			}
		}},
		{"a cursor needs the delivery it ended at", "history/followed while deliveries come and go", "Deliveries", func(c *call) {
			if n, bad := offset(c.deliveryQ.Cursor); bad == nil && n > 0 && !slices.ContainsFunc(c.m.deliveries, func(d *modelDelivery) bool { return d.number == 1e9-1-n }) {
				return
			}
			c.do()
		}},
		{"a cursor counts from the oldest", "history/followed while deliveries come and go", "Deliveries", func(c *call) {
			left, bad := offset(c.deliveryQ.Cursor)
			limit, again := c.deliveryQ.Limit, c.deliveryQ.Cursor != ""
			c.deliveryQ.Cursor, c.deliveryQ.Limit = "", endless
			c.do()
			all := c.deliveryP.Deliveries
			if again {
				all = all[max(0, len(all)-left):]
			}
			c.deliveryP = store.DeliveryPage{Deliveries: all[:min(limit, len(all))]}
			if c.err = errors.Join(c.err, bad); len(all) > limit {
				c.deliveryP.Next = fmt.Sprint(len(all) - limit)
			}
		}},
		{"a cursor forgets the filter", "history/followed while deliveries come and go", "Deliveries", func(c *call) { set(c.deliveryQ.Cursor != "", &c.deliveryQ.EventType, ""); c.do() }},
		{"a page never ends", "history/followed while deliveries come and go", "Deliveries", func(c *call) {
			c.do()
			set(c.deliveryP.Next == "" && c.deliveryQ.Cursor != "", &c.deliveryP.Next, c.deliveryQ.Cursor)
		}},
		{"a bad cursor is the beginning", "history/a cursor that is not the store's", "Deliveries", func(c *call) {
			if c.do(); errors.Is(c.err, store.ErrCursor) {
				c.deliveryQ.Cursor = ""
				c.do()
			}
		}},
		{"a leased delivery is not pending", "", "Stats", func(c *call) {
			c.do()
			if w := c.own(); w != nil {
				c.stats.Pending -= int64(c.m.leases(w))
			}
		}},
		{"stats forget failures", "", "Stats", func(c *call) { c.do(); c.stats.Failed = 0 }},
		{"stats count ended deliveries as attempts", "", "Stats", func(c *call) { c.do(); c.stats.Attempts = c.stats.Succeeded + c.stats.Failed }},
		{"stats are of the merchant", "", "Stats", func(c *call) {
			c.do()
			for _, w := range c.m.webhooks {
				if w.MerchantID == c.merchant && w.ID != c.id && c.err == nil {
					s, _ := c.m.Stats(c.ctx, c.merchant, w.ID)
					c.stats.Failed += s.Failed
				}
			}
		}},
		{"anybody reads an event", "", "Event", func(c *call) {
			for _, e := range c.m.events {
				if e.ID == c.id {
					c.merchant = e.merchantID
				}
			}
			c.do()
		}},
		{"anybody learns of a webhook", "", "Events", func(c *call) {
			c.do()
			for _, w := range c.m.webhooks {
				if w.ID == c.eventQ.WebhookID && w.MerchantID != c.merchant {
					c.err = store.ErrNotFound
				}
			}
		}},
		{"events are listed newest first", "", "Events", func(c *call) { c.do(); slices.Reverse(c.eventP.Events) }},
		{"events are listed with bodies", "", "Events", func(c *call) {
			c.do()
			for i, e := range c.eventP.Events {
				c.eventP.Events[i].Body = c.m.event(c.merchant, e.ID).Body
			}
		}},
		{"tests are listed", "", "Events", func(c *call) {
			c.do()
			for _, e := range c.m.events {
				if e.merchantID == c.merchant && e.Test && c.eventP.Next == "" {
					c.eventP.Events = append(c.eventP.Events, e.Event)
				}
			}
		}},
		{"events ignore their times", "", "Events", func(c *call) { c.eventQ.Since = time.Time{}; c.do() }},
		{"events end at an empty page", "", "Events", func(c *call) {
			since := c.eventQ.Since
			c.eventQ.Since = time.Time{}
			c.do()
			c.eventP.Events = slices.DeleteFunc(c.eventP.Events, func(e store.Event) bool { return e.CreatedAt.Before(since) })
			if len(c.eventP.Events) == 0 {
				c.eventP.Next = ""
			}
		}},
		{"an event cursor is an offset", "history/followed while events come and go", "Events", func(c *call) {
			n, bad := offset(c.eventQ.Cursor)
			limit := c.eventQ.Limit
			c.eventQ.Cursor, c.eventQ.Limit = "", n+limit
			c.do()
			c.eventP.Events = c.eventP.Events[min(n, len(c.eventP.Events)):]
			if c.err = errors.Join(c.err, bad); c.eventP.Next != "" {
				c.eventP.Next = fmt.Sprint("e", n+limit)
			}
		}},
		{"a bad cursor of events is the beginning", "history/a cursor that is not the store's", "Events", func(c *call) {
			if c.do(); errors.Is(c.err, store.ErrCursor) {
				c.eventQ.Cursor = ""
				c.do()
			}
		}},
		{"Delivered is that of the oldest", "", "Events", func(c *call) {
			c.do()
			for i, e := range c.eventP.Events {
				for _, d := range slices.Backward(c.m.deliveries) {
					if d.MerchantID == c.merchant && d.WebhookID == c.eventQ.WebhookID && d.EventID == e.ID {
						c.eventP.Events[i].Delivered = d.Status
					}
				}
			}
		}},
		{"Delivered is that of any webhook", "", "Events", func(c *call) {
			c.do()
			for i, e := range c.eventP.Events {
				for _, d := range c.m.deliveries {
					if d.MerchantID == c.merchant && d.EventID == e.ID && c.eventQ.WebhookID != "" {
						c.eventP.Events[i].Delivered = d.Status
					}
				}
			}
		}},
	}
}

func pruneFaults() []fault {
	old := func(c *call, d *modelDelivery, at time.Time) bool {
		return d.Status != store.DeliveryPending && c.m.olderThan(at, c.prune.DeliveryAge)
	}
	return []fault{
		{"Prune has bounds of its own", "", "Prune", func(c *call) { set(c.prune.DeliveryAge == 0, &c.prune.DeliveryAge, time.Hour); c.do() }},
		{"the age of a delivery begins at its creation", "", "Prune", pruning(func(c *call) { set(old(c, c.d, c.d.CreatedAt), &c.d.FinishedAt, c.d.CreatedAt) })},
		{"failed deliveries are kept for ever", "", "Prune", pruning(func(c *call) {
			set(c.d.Status == store.DeliveryFailed && old(c, c.d, c.d.FinishedAt), &c.d.FinishedAt, c.m.now)
		})},
		{"stats keep what was pruned", "", "Prune Stats", func(c *call) {
			c.do()
			c.notes["pruned"] += c.pruned.Deliveries
			c.stats.Attempts += int64(c.notes["pruned"])
		}},
		{"too few are kept of a webhook", "", "Prune", func(c *call) {
			set(c.prune.DeliveriesPerWebhook > 1, &c.prune.DeliveriesPerWebhook, c.prune.DeliveriesPerWebhook-1)
			c.do()
		}},
		{"too many are kept of a webhook", "prune/by count", "Prune", func(c *call) {
			set(c.prune.DeliveriesPerWebhook > 0, &c.prune.DeliveriesPerWebhook, c.prune.DeliveriesPerWebhook+store.PruneSlack+1)
			c.do()
		}},
		{"those made last go first", "prune/by count", "Prune", lastFirst(0)},
		{"of more than a page, those made last go first", "prune/by count", "Prune", lastFirst(store.PruneSlack)},
		{"deliveries per webhook are per merchant", "prune/by count", "Prune", func(c *call) {
			if c.do(); c.prune.DeliveriesPerWebhook > 0 && c.pruned.Deliveries > 0 {
				for _, d := range slices.Clone(c.m.deliveries) {
					if d.Status == store.DeliverySucceeded {
						c.m.outlived(d)
						c.pruned.Deliveries++
					}
				}
			}
		}},
		{"pending deliveries are pruned", "", "Prune", func(c *call) {
			c.m.deliveries = slices.DeleteFunc(c.m.deliveries, func(d *modelDelivery) bool {
				return c.prune.DeliveriesPerWebhook > 0 && d.Status == store.DeliveryPending
			})
			c.do()
		}},
		{"what was pruned is not remembered", "", "Prune", func(c *call) { c.whileEach(func(*modelWebhook) {}) }},
		{"PausedCode is not set", "", "Prune", func(c *call) { c.prune.PausedCode = ""; c.do() }},
		{"paused deliveries are kept for ever", "", "Prune", func(c *call) { c.prune.PausedAge = 0; c.do() }},
		{"paused is counted from disabling", "", "Prune", func(c *call) { set(c.prune.PausedAge > 0, &c.prune.PausedAge, c.prune.PausedAge+time.Hour); c.do() }},
		{"paused deliveries are removed", "", "Prune", paused(func(c *call) { c.m.deliveries = without(c.m.deliveries, c.d) })},
		{"a paused delivery gets an attempt", "", "Prune", paused(func(c *call) { c.d.Attempts = len(c.d.Log) + 1 })},
		{"a paused delivery extends the streak", "", "Prune", paused(func(c *call) { c.m.webhookOf(c.d).ConsecutiveFailures++ })},
		{"a late result revives what was paused", "", "Prune", paused(func(c *call) { c.d.settled = false })},
		{"deliveries of active webhooks end as paused", "", "Prune", func(c *call) { c.whileEach(func(w *modelWebhook) { w.Status = store.Disabled }) }},
		{"paused tests end", "", "Prune", pruning(func(c *call) { c.d.Test = c.d.Test && c.prune.PausedAge == 0 })},
		{"leased deliveries end as paused", "", "Prune", pruning(func(c *call) {
			set(c.prune.PausedAge > 0 && c.m.webhookOf(c.d).Status == store.Disabled, &c.d.leaseEnd, time.Time{})
		})},
		{"a lease that has ended is kept for ever", "", "Prune", func(c *call) {
			was := map[*modelDelivery]time.Time{}
			for _, d := range c.m.deliveries {
				if !d.leaseEnd.IsZero() {
					was[d], d.leaseEnd = d.leaseEnd, c.m.now.Add(time.Hour)
				}
			}
			c.do()
			for d, end := range was {
				d.leaseEnd = end
			}
		}},
		{"events are kept for ever", "", "Prune", func(c *call) { c.prune.EventAge = 0; c.do() }},
		{"test events are kept for ever", "", "Prune", func(c *call) {
			for _, e := range c.m.events {
				if e.Test {
					e.CreatedAt = c.m.now
				}
			}
			c.do()
		}},
		{"a pending event loses its body", "", "Prune", func(c *call) {
			for _, e := range c.m.events {
				if c.m.olderThan(e.CreatedAt, c.prune.EventAge) {
					e.Body = nil
				}
			}
			c.do()
		}},
		{"a pending event is pruned while it is paused", "", "Prune", func(c *call) {
			c.m.events = slices.DeleteFunc(c.m.events, func(e *modelEvent) bool {
				return c.m.olderThan(e.CreatedAt, c.prune.EventAge) && !slices.ContainsFunc(c.m.deliveries, func(d *modelDelivery) bool { return d.EventID == e.ID && (c.m.waiting(d) || c.m.leased(d)) })
			})
			c.do()
		}},
		{"a pruned event id stays taken", "", "Publish", answering(func(c *call) {
			c.notes[c.e.ID]++
			c.p.Duplicate = c.p.Duplicate || c.notes[c.e.ID] > 1 && !c.p.Conflict
		})},
		{"a pruned event takes its deliveries along", "", "Prune", func(c *call) {
			if c.do(); c.pruned.Events > 0 {
				c.m.deliveries = slices.DeleteFunc(c.m.deliveries, func(d *modelDelivery) bool { return c.m.event(d.MerchantID, d.EventID) == nil })
			}
		}},
		{"notices are kept for ever", "", "Prune", func(c *call) { c.prune.NoticeAge = 0; c.do() }},
		{"all notices are pruned", "", "Prune", func(c *call) { c.do(); set(c.pruned.Notices > 0, &c.m.notices, nil) }},
		{"Prune ignores its limit", "", "Prune", func(c *call) { c.prune.Limit *= 3; c.do() }},
		{"Prune never says More", "", "Prune", func(c *call) { c.do(); c.pruned.More = false }},
		{"Prune always says More", "", "Prune", func(c *call) { c.do(); c.pruned.More = true }},
		{"Prune does not count", "", "Prune", func(c *call) { c.do(); c.pruned = store.Pruned{More: c.pruned.More} }},
	}
}
