package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func historyCases() []testCase {
	return []testCase{
		{
			name:    "unknown delivery",
			promise: "Delivery returns one delivery with its attempts, oldest first, or [ErrNotFound].",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("b")
				id := fanOut(w, x.publish("a", 1)...)[0]
				for _, ask := range [][2]string{{w.ID, x.id("whdel")}, {x.id("whk"), id}, {other.ID, id}} {
					_, err := x.st.Delivery(x.Context(), x.merchant, ask[0], ask[1])
					x.fails("Delivery", err, store.ErrNotFound)
				}
			},
		},
		{
			name:    "unknown webhook",
			promise: "It fails with [ErrNotFound] if there is no such webhook. … Stats counts a webhook's kept deliveries. It fails with [ErrNotFound].",
			run: func(x *trial) {
				_, err := x.st.Deliveries(x.Context(), x.merchant, x.id("whk"), store.DeliveryQuery{Limit: 1})
				x.fails("Deliveries", err, store.ErrNotFound)
				_, err = x.st.Stats(x.Context(), x.merchant, x.id("whk"))
				x.fails("Stats", err, store.ErrNotFound)
				w := x.webhook("a")
				page := x.deliveries(w, store.DeliveryQuery{Limit: 1})
				same(x, "the page of a webhook without deliveries", page, store.DeliveryPage{})
				same(x, "the Stats of a webhook without deliveries", x.stats(w), store.Stats{})
			},
		},
		{
			name:    "newest first",
			promise: "Deliveries lists a webhook's deliveries, newest first, without their attempts.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.webhook("a")
				var want []string
				for range 9 {
					want = append(want, fanOut(w, x.publish("a", 1)...)...)
					x.advance(time.Millisecond)
				}
				slices.Reverse(want)
				for _, l := range x.claim(3) {
					x.finish(fail(l), store.FinishAccepted)
				}
				page := x.deliveries(w, store.DeliveryQuery{Limit: 100})
				sameList(x, "the ids", pick(page.Deliveries, deliveryID), want)
				equal(x, "Total", page.Total, 9)
				equal(x, "Next at the end", page.Next, "")
				for _, d := range page.Deliveries {
					full := x.delivery(w, d.ID)
					full.Log = nil
					same(x, "a listed delivery", d, full)
				}
				sameList(x, "the ids of the first three", pick(x.deliveries(w, store.DeliveryQuery{Limit: 3}).Deliveries, deliveryID), want[:3])
			},
		},
		{
			name:    "filters",
			promise: "DeliveryQuery selects a page of deliveries. … CreatedAt not before; zero: any … CreatedAt before; zero: any",
			run:     filters,
		},
		{
			name:    "leased is pending",
			promise: "A leased delivery is still pending. … while pending and not leased",
			run: func(x *trial) {
				w, l, d := x.leased()
				equal(x, "Leased", d.Leased, true)
				equal(x, "Status", d.Status, store.DeliveryPending)
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Pending: 1})
				equal(x, "number of pending deliveries", len(x.deliveries(w, store.DeliveryQuery{Status: store.DeliveryPending, Limit: 9}).Deliveries), 1)
				equal(x, "Leased in the list", x.deliveries(w, store.DeliveryQuery{Limit: 9}).Deliveries[0].Leased, true)
				x.advance(time.Second)
				x.finish(release(l, time.Second), store.FinishAccepted)
				d = x.delivery(w, l.DeliveryID)
				equal(x, "Leased after a release", d.Leased, false)
				equal(x, "DueAt after a release", show(d.DueAt), show(x.now.Add(time.Second)))
			},
		},
		{
			name:    "stats",
			promise: "Stats counts the kept deliveries of a webhook. … finished tries of all of them",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("b")
				x.publish("a", 9)
				var want store.Stats
				want.Total, want.Pending = 9, 9
				check := func(after string) {
					x.Helper()
					same(x, "Stats after "+after, x.stats(w), want)
					same(x, "Stats of another webhook", x.stats(other), store.Stats{})
				}
				check("publishing")
				ls := x.claim(9)
				check("claiming")
				x.finishAll(succeed(ls[0]), succeed(ls[1]), fail(ls[2]))
				want.Succeeded, want.Failed, want.Pending, want.Attempts = 2, 1, 6, 3
				check("two successes and a failure")
				x.finishAll(retry(ls[3], 0), release(ls[4], 0))
				want.Attempts++
				check("a retry and a release")
				x.advance(2 * x.lease)
				check("the leases ended")
				for _, l := range x.claim(6) {
					x.finish(fail(l), store.FinishAccepted)
				}
				want.Failed, want.Pending, want.Attempts = 7, 0, 10
				check("the rest failed")
				x.disable(w)
				check("disabling")
			},
		},
		{
			name:    "per merchant and webhook",
			promise: "Every record belongs to a merchant.",
			run: func(x *trial) {
				one, two := x.webhook("a"), x.webhook("a")
				x.publish("a", 4)
				for _, l := range x.claim(8) {
					if l.WebhookID == one.ID {
						x.finish(succeed(l), store.FinishAccepted)
					} else {
						x.finish(fail(l), store.FinishAccepted)
					}
				}
				same(x, "Stats of one", x.stats(one), store.Stats{Total: 4, Succeeded: 4, Attempts: 4})
				same(x, "Stats of the other", x.stats(two), store.Stats{Total: 4, Failed: 4, Attempts: 4})
				for _, d := range x.deliveries(one, store.DeliveryQuery{Limit: 9}).Deliveries {
					equal(x, "WebhookID in the list of one", d.WebhookID, one.ID)
				}
			},
		},
	}
}

// filters asks for every combination of filters over deliveries of two types,
// three states and several times.
func filters(x *trial) {
	w := x.webhook("a", "b")
	start := x.now
	for i := range 12 {
		x.publish([]string{"a", "b"}[i%2], 1)
		l := x.take()
		switch i % 3 {
		case 0:
			x.finish(succeed(l), store.FinishAccepted)
		case 1:
			x.finish(fail(l), store.FinishAccepted)
		case 2:
			x.finish(release(l, time.Hour), store.FinishAccepted)
		}
		x.advance(time.Second)
	}
	all := x.deliveries(w, store.DeliveryQuery{Limit: 100}).Deliveries
	equal(x, "number of all deliveries", len(all), 12)
	times := []time.Time{{}, start, start.Add(3 * time.Second), start.Add(3*time.Second + time.Millisecond), start.Add(time.Hour)}
	for _, status := range []store.DeliveryStatus{"", store.DeliveryPending, store.DeliverySucceeded, store.DeliveryFailed} {
		for _, eventType := range []string{"", "a", "b", "c"} {
			for _, since := range times {
				for _, until := range times {
					q := store.DeliveryQuery{Status: status, EventType: eventType, Since: since, Until: until, Limit: 2, Offset: 1}
					var want []string
					for _, d := range all {
						if (status == "" || d.Status == status) && (eventType == "" || d.EventType == eventType) && within(d.CreatedAt, since, until) {
							want = append(want, d.ID)
						}
					}
					page := x.deliveries(w, q)
					what := fmt.Sprintf("for status %q, type %q, since %s, until %s", status, eventType, show(since), show(until))
					equal(x, "Total "+what, page.Total, len(want))
					sameList(x, "the second and third "+what, pick(page.Deliveries, deliveryID), cut(want, 1, 2))
				}
			}
		}
	}
}
