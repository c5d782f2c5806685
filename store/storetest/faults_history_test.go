package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// paused makes a fault that changes what Prune has ended.
func paused(change func(c *call)) func(c *call) {
	return after(deliveries(where(func(c *call) bool { return c.d.paused }, change)))
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

// shifted is a moment that is a millisecond later, if there is one.
func shifted(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Millisecond)
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

// offsets makes a call of a list whose cursors are offsets.
func offsets[T any](c *call, cursor *string, limit *int, list *[]T, next *string) {
	n, bad := offset(*cursor)
	end := n + *limit
	*cursor, *limit = "", end
	c.do()
	*list = (*list)[min(n, len(*list)):]
	c.err = errors.Join(c.err, bad)
	set(*next != "", next, fmt.Sprint(end))
}

// emptied makes a call of a list that ends at a page of which a filter leaves nothing.
func emptied[T any](c *call, list *[]T, next *string, drops func(T) bool) {
	c.do()
	*list = slices.DeleteFunc(*list, drops)
	set(len(*list) == 0, next, "")
}

// beginning makes a call of a list that takes a bad cursor for none.
func beginning(c *call, cursor *string) {
	if c.do(); errors.Is(c.err, store.ErrCursor) {
		*cursor = ""
		c.do()
	}
}

// listedEvents makes a fault that changes each event of a list.
func listedEvents(change func(c *call, e *store.Event)) func(c *call) {
	return after(func(c *call) {
		for i := range c.eventP.Events {
			change(c, &c.eventP.Events[i])
		}
	})
}

// oldEvents makes a fault that changes each event that is too old, before Prune looks.
func oldEvents(change func(c *call, e *modelEvent)) func(c *call) {
	return func(c *call) {
		events(func(c *call, e *modelEvent) {
			if c.m.olderThan(e.CreatedAt, c.prune.EventAge) {
				change(c, e)
			}
		})(c)
		c.do()
	}
}

// old says that a delivery has ended, and that retention removes it if that was then.
func old(c *call, at time.Time) bool { return !c.d.pending() && c.m.olderThan(at, c.prune.DeliveryAge) }

func historyFaults() []fault {
	return []fault{
		{"an unknown delivery is empty", "", "Delivery", func(c *call) { c.do(); c.err = nil }},
		{"any webhook shows a delivery", "", "Delivery", beforeEach(func(c *call) { set(c.d.ID == c.delivery && c.d.MerchantID == c.merchant, &c.id, c.d.WebhookID) })},
		{"a webhook of one's own shows another's delivery", "", "Delivery", func(c *call) {
			if i := slices.IndexFunc(c.m.deliveries, func(d *modelDelivery) bool { return d.ID == c.delivery }); i >= 0 && c.own() != nil {
				c.merchant, c.id = c.m.deliveries[i].MerchantID, c.m.deliveries[i].WebhookID
			}
			c.do()
		}},
		{"the caller gets the store's attempts", "webhooks/kept apart from the caller's memory", "Delivery", done(func(c *call) { c.shown.Log = c.m.delivery(c.merchant, c.id, c.delivery).Log })},
		{"an unknown webhook has empty stats", "", "Stats", func(c *call) { c.do(); c.err = nil }},
		{"deliveries are listed oldest first", "", "Deliveries", func(c *call) { c.do(); slices.Reverse(c.deliveryP.Deliveries) }},
		{"deliveries are listed with their attempts", "", "Deliveries", after(func(c *call) {
			for i, d := range c.deliveryP.Deliveries {
				c.deliveryP.Deliveries[i].Log = c.m.delivery(d.MerchantID, d.WebhookID, d.ID).Log
			}
		})},
		{"the status filter is ignored", "", "Deliveries", func(c *call) { c.deliveryQ.Status = ""; c.do() }},
		{"the type filter is ignored", "", "Deliveries", func(c *call) { c.deliveryQ.EventType = ""; c.do() }},
		{"Since leaves its moment out", "", "Deliveries", func(c *call) { c.deliveryQ.Since = shifted(c.deliveryQ.Since); c.do() }},
		{"Until includes its moment", "", "Deliveries", func(c *call) { c.deliveryQ.Until = shifted(c.deliveryQ.Until); c.do() }},
		{"filters keep whole seconds", "", "Deliveries", func(c *call) {
			c.deliveryQ.Since, c.deliveryQ.Until = c.deliveryQ.Since.Truncate(time.Second), c.deliveryQ.Until.Truncate(time.Second)
			c.do()
		}},
		{"a page of deliveries is too long", "history/followed while deliveries come and go", "Deliveries", func(c *call) { c.deliveryQ.Limit++; c.do() }},
		{"a filter ends the list", "", "Deliveries", func(c *call) {
			status := c.deliveryQ.Status
			c.deliveryQ.Status = ""
			emptied(c, &c.deliveryP.Deliveries, &c.deliveryP.Next, func(d store.Delivery) bool { return status != "" && d.Status != status })
		}},
		{"a cursor is an offset", "history/followed while deliveries come and go", "Deliveries", func(c *call) {
			offsets(c, &c.deliveryQ.Cursor, &c.deliveryQ.Limit, &c.deliveryP.Deliveries, &c.deliveryP.Next)
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
		{"a cursor needs the delivery it ended at", "history/followed while deliveries come and go", "Deliveries", instead(func(c *call) bool {
			n, bad := offset(c.deliveryQ.Cursor)
			return bad == nil && n > 0 && !slices.ContainsFunc(c.m.deliveries, func(d *modelDelivery) bool { return d.number == 1e9-1-n })
		}, func(*call) {})},
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
		{"a page never ends", "history/followed while deliveries come and go", "Deliveries", after(func(c *call) {
			set(c.deliveryP.Next == "" && c.deliveryQ.Cursor != "", &c.deliveryP.Next, c.deliveryQ.Cursor)
		})},
		{"a bad cursor is the beginning", "history/a cursor that is not the store's", "Deliveries", func(c *call) { beginning(c, &c.deliveryQ.Cursor) }},
		{"a leased delivery is not pending", "", "Stats", done(func(c *call) { c.stats.Pending -= int64(c.m.leases(c.own())) })},
		{"stats forget failures", "", "Stats", func(c *call) { c.do(); c.stats.Failed = 0 }},
		{"stats count ended deliveries as attempts", "", "Stats", func(c *call) { c.do(); c.stats.Attempts = c.stats.Succeeded + c.stats.Failed }},
		{"stats are of the merchant", "", "Stats", done(func(c *call) {
			c.stats.Failed = int64(count(c.m.deliveries, func(d *modelDelivery) bool { return d.MerchantID == c.merchant && d.Status == store.DeliveryFailed }))
		})},
		{"anybody reads an event", "", "Event", func(c *call) {
			if e := find(c.m.events, func(e *modelEvent) bool { return e.ID == c.id }); e != nil {
				c.merchant = e.merchantID
			}
			c.do()
		}},
		{"anybody learns of a webhook", "", "Events", after(func(c *call) { c.id = c.eventQ.WebhookID; set(c.strange(), &c.err, store.ErrNotFound) })},
		{"events are listed newest first", "", "Events", func(c *call) { c.do(); slices.Reverse(c.eventP.Events) }},
		{"events are listed with bodies", "", "Events", listedEvents(func(c *call, e *store.Event) { e.Body = c.m.event(c.merchant, e.ID).Body })},
		{"tests are listed", "", "Events", after(events(func(c *call, e *modelEvent) {
			set(e.merchantID == c.merchant && e.Test && c.eventP.Next == "", &c.eventP.Events, append(c.eventP.Events, e.Event))
		}))},
		{"events ignore their times", "", "Events", func(c *call) { c.eventQ.Since = time.Time{}; c.do() }},
		{"events end at an empty page", "", "Events", func(c *call) {
			since := c.eventQ.Since
			c.eventQ.Since = time.Time{}
			emptied(c, &c.eventP.Events, &c.eventP.Next, func(e store.Event) bool { return e.CreatedAt.Before(since) })
		}},
		{"an event cursor is an offset", "history/followed while events come and go", "Events", func(c *call) {
			offsets(c, &c.eventQ.Cursor, &c.eventQ.Limit, &c.eventP.Events, &c.eventP.Next)
		}},
		{"a bad cursor of events is the beginning", "history/a cursor that is not the store's", "Events", func(c *call) { beginning(c, &c.eventQ.Cursor) }},
		{"Delivered is that of the oldest", "", "Events", listedEvents(func(c *call, e *store.Event) {
			d := find(c.m.deliveries, func(d *modelDelivery) bool {
				return d.MerchantID == c.merchant && d.WebhookID == c.eventQ.WebhookID && d.EventID == e.ID
			})
			set(d != nil, &e.Delivered, cmp.Or(d, &modelDelivery{}).Status)
		})},
		{"Delivered is that of any webhook", "", "Events", listedEvents(func(c *call, e *store.Event) {
			deliveries(func(c *call) {
				set(c.d.MerchantID == c.merchant && c.d.EventID == e.ID && c.eventQ.WebhookID != "", &e.Delivered, c.d.Status)
			})(c)
		})},
	}
}

func pruneFaults() []fault {
	return []fault{
		{"Prune has bounds of its own", "", "Prune", func(c *call) { set(c.prune.DeliveryAge == 0, &c.prune.DeliveryAge, time.Hour); c.do() }},
		{"the age of a delivery begins at its creation", "", "Prune", beforeEach(func(c *call) { set(old(c, c.d.CreatedAt), &c.d.FinishedAt, c.d.CreatedAt) })},
		{"failed deliveries are kept for ever", "", "Prune", beforeEach(func(c *call) {
			set(c.d.Status == store.DeliveryFailed && old(c, c.d.FinishedAt), &c.d.FinishedAt, c.m.now)
		})},
		{"stats keep what was pruned", "", "Prune Stats", after(func(c *call) { c.notes[""] += c.pruned.Deliveries; c.stats.Attempts += int64(c.notes[""]) })},
		{"too few are kept of a webhook", "", "Prune", func(c *call) { n := &c.prune.DeliveriesPerWebhook; set(*n > 1, n, *n-1); c.do() }},
		{"too many are kept of a webhook", "prune/by count", "Prune", func(c *call) { n := &c.prune.DeliveriesPerWebhook; set(*n > 0, n, *n+store.PruneSlack+1); c.do() }},
		{"those made last go first", "prune/by count", "Prune", lastFirst(0)},
		{"of more than a page, those made last go first", "prune/by count", "Prune", lastFirst(store.PruneSlack)},
		{"deliveries per webhook are per merchant", "prune/by count", "Prune", after(deliveries(where(
			func(c *call) bool {
				return c.d.Status == store.DeliverySucceeded && c.prune.DeliveriesPerWebhook > 0 && c.pruned.Deliveries > 0
			},
			func(c *call) { c.m.outlived(c.d); c.pruned.Deliveries++ },
		)))},
		{"pending deliveries are pruned", "", "Prune", beforeEach(func(c *call) {
			set(c.prune.DeliveriesPerWebhook > 0 && c.d.pending(), &c.m.deliveries, without(slices.Clone(c.m.deliveries), c.d))
		})},
		{"what was pruned is not remembered", "", "Prune", func(c *call) { c.whileEach(func(*modelWebhook) {}) }},
		{"PausedCode is not set", "", "Prune", func(c *call) { c.prune.PausedCode = ""; c.do() }},
		{"paused deliveries are kept for ever", "", "Prune", func(c *call) { c.prune.PausedAge = 0; c.do() }},
		{"paused is counted from disabling", "", "Prune", func(c *call) { set(c.prune.PausedAge > 0, &c.prune.PausedAge, c.prune.PausedAge+time.Hour); c.do() }},
		{"paused deliveries are removed", "", "Prune", paused(func(c *call) { c.m.deliveries = without(c.m.deliveries, c.d) })},
		{"a paused delivery gets an attempt", "", "Prune", paused(func(c *call) { c.d.Attempts = len(c.d.Log) + 1 })},
		{"a paused delivery extends the streak", "", "Prune", paused(func(c *call) { c.m.webhookOf(c.d).ConsecutiveFailures++ })},
		{"a late result revives what was paused", "", "Prune", paused(func(c *call) { c.d.settled = false })},
		{"deliveries of active webhooks end as paused", "", "Prune", func(c *call) { c.whileEach(func(w *modelWebhook) { w.Status = store.Disabled }) }},
		{"paused tests end", "", "Prune", beforeEach(func(c *call) { c.d.Test = c.d.Test && c.prune.PausedAge == 0 })},
		{"leased deliveries end as paused", "", "Prune", beforeEach(func(c *call) {
			set(c.prune.PausedAge > 0 && c.m.webhookOf(c.d).Status == store.Disabled, &c.d.leaseEnd, time.Time{})
		})},
		{"a lease that has ended is kept for ever", "", "Prune", hiding(func(c *call) bool { return !c.d.leaseEnd.IsZero() })},
		{"events are kept for ever", "", "Prune", func(c *call) { c.prune.EventAge = 0; c.do() }},
		{"test events are kept for ever", "", "Prune", oldEvents(func(c *call, e *modelEvent) { set(e.Test, &e.CreatedAt, c.m.now) })},
		{"a pending event loses its body", "", "Prune", oldEvents(func(_ *call, e *modelEvent) { e.Body = nil })},
		{"a pending event is pruned while it is paused", "", "Prune", oldEvents(func(c *call, e *modelEvent) {
			wanted := func(d *modelDelivery) bool { return d.EventID == e.ID && (c.m.waiting(d) || c.m.leased(d)) }
			set(!slices.ContainsFunc(c.m.deliveries, wanted), &c.m.events, without(slices.Clone(c.m.events), e))
		})},
		{"a pruned event id stays taken", "", "Publish", answering(func(c *call) { c.notes[c.e.ID]++; set(c.notes[c.e.ID] > 1 && !c.p.Conflict, &c.p.Duplicate, true) })},
		{"a pruned event takes its deliveries along", "", "Prune", after(where(func(c *call) bool { return c.pruned.Events > 0 }, func(c *call) {
			c.m.deliveries = slices.DeleteFunc(c.m.deliveries, func(d *modelDelivery) bool { return c.m.event(d.MerchantID, d.EventID) == nil })
		}))},
		{"notices are kept for ever", "", "Prune", func(c *call) { c.prune.NoticeAge = 0; c.do() }},
		{"all notices are pruned", "", "Prune", func(c *call) { c.do(); set(c.pruned.Notices > 0, &c.m.notices, nil) }},
		{"Prune ignores its limit", "", "Prune", func(c *call) { c.prune.Limit *= 3; c.do() }},
		{"Prune never says More", "", "Prune", func(c *call) { c.do(); c.pruned.More = false }},
		{"Prune always says More", "", "Prune", func(c *call) { c.do(); c.pruned.More = true }},
		{"Prune does not count", "", "Prune", func(c *call) { c.do(); c.pruned = store.Pruned{More: c.pruned.More} }},
	}
}
