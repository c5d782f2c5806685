package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func pruneCases() []testCase {
	return []testCase{
		{
			name:    "nothing to do",
			promise: "PruneRequest is a retention policy. Zero fields keep without bound.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, succeed)
				x.ended(w, fail)
				x.ended(w, func(l store.Lease) store.Result { return failAt(l, 2) })
				x.publish("a", 2)
				x.advance(10000 * time.Hour)
				x.unchanged("Prune without bounds", func() {
					same(x, "what Prune did", x.prune(store.PruneRequest{PausedError: "never"}), store.Pruned{})
				})
				equal(x, "number of notices", len(x.noticesNow()), 1)
			},
		},
		{
			name:    "delivery age",
			promise: "DeliveryAge removes deliveries that ended longer ago than this.",
			run: func(x *trial) {
				w := x.webhook("a")
				kept := x.publish("a", 1)
				x.finish(retry(x.take(), 1000*time.Hour), store.FinishAccepted)
				old := x.ended(w, succeed)
				older := x.ended(w, fail)
				x.publish("a", 1)
				late := x.take()
				x.advance(time.Hour)
				x.finish(fail(late), store.FinishAccepted)
				x.advance(time.Second)
				ask := store.PruneRequest{DeliveryAge: time.Hour + 2*time.Second}
				x.unchanged("Prune before its time", func() { same(x, "what Prune did", x.prune(ask), store.Pruned{}) })
				x.advance(2 * time.Second)
				same(x, "what Prune did", x.prune(ask), store.Pruned{Deliveries: 2})
				for _, id := range []string{old, older} {
					_, err := x.st.Delivery(x.Context(), x.merchant, w.ID, id)
					x.fails("Delivery of what was pruned", err, store.ErrNotFound)
				}
				page := x.deliveries(w, store.DeliveryQuery{Limit: 10})
				sameList(x, "the kept deliveries", pick(page.Deliveries, deliveryID), []string{late.DeliveryID, fanOut(w, kept...)[0]})
				equal(x, "Total", page.Total, 2)
				same(x, "Stats", x.stats(w), store.Stats{Total: 2, Failed: 1, Pending: 1, Attempts: 2})
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 2)
				equal(x, "number of events", len(x.events(store.EventQuery{Limit: 10}).Events), 4)
			},
		},
		{
			name:    "deliveries per webhook",
			promise: "DeliveriesPerWebhook removes the oldest ended deliveries of a webhook beyond this many ended ones: those that ended first,",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("b")
				var ids []string
				for range 6 {
					ids = append([]string{x.ended(w, fail)}, ids...)
					x.advance(time.Second)
				}
				x.ended(other, succeed)
				x.ended(other, succeed)
				pending := fanOut(w, x.publish("a", 3)...)
				ask := store.PruneRequest{DeliveriesPerWebhook: 2}
				equal(x, "PrunedUntil before Prune", show(x.read(w).PrunedUntil), show(time.Time{}))
				youngest := x.delivery(w, ids[2]).CreatedAt
				same(x, "what Prune did", x.prune(ask), store.Pruned{Deliveries: 4})
				equal(x, "PrunedUntil", show(x.read(w).PrunedUntil), show(youngest))
				equal(x, "PrunedUntil of a webhook that lost none", show(x.read(other).PrunedUntil), show(time.Time{}))
				page := x.deliveries(w, store.DeliveryQuery{Limit: 10, Status: store.DeliveryFailed})
				sameList(x, "the kept deliveries", pick(page.Deliveries, deliveryID), ids[:2])
				same(x, "Stats", x.stats(w), store.Stats{Total: 5, Failed: 2, Pending: 3, Attempts: 2})
				equal(x, "Succeeded of a webhook with two deliveries", x.stats(other).Succeeded, 2)
				same(x, "what a second Prune did", x.prune(ask), store.Pruned{})
				x.claims("after Prune", pending...)
			},
		},
		{
			name:    "a long history",
			promise: "those that ended first, and any of those that ended in the same millisecond.",
			run:     longHistory,
		},
		{
			name:    "paused",
			promise: "PausedAge ends, as Failed with PausedError, pending deliveries that were created longer ago than this and whose webhook is disabled. … No attempt is added and the streak stays.",
			run: func(x *trial) {
				w, active := x.webhook("a"), x.webhook("b")
				x.publish("a", 2)
				x.publish("b", 2)
				for _, l := range x.claim(4) {
					if l.WebhookID == w.ID {
						r := retry(l, time.Hour)
						r.Streak = store.StreakExtend
						x.finish(r, store.FinishAccepted)
						break
					}
				}
				x.advance(time.Hour)
				x.disable(w)
				x.advance(time.Minute)
				young := x.enqueue(w, x.publish("b", 1)[0], "young")
				x.advance(time.Minute)
				ask := store.PruneRequest{PausedAge: 30 * time.Minute, PausedError: "webhook_disabled"}
				before := x.deliveries(w, store.DeliveryQuery{Limit: 10, Until: x.now.Add(-time.Hour)}).Deliveries
				same(x, "what Prune did", x.prune(ask), store.Pruned{Paused: 2})
				for _, d := range before {
					got := x.delivery(w, d.ID)
					equal(x, "Status", got.Status, store.DeliveryFailed)
					equal(x, "Error", got.Error, "webhook_disabled")
					equal(x, "FinishedAt", show(got.FinishedAt), show(x.now))
					equal(x, "Leased", got.Leased, false)
					equal(x, "Attempts", got.Attempts, d.Attempts)
					equal(x, "number of attempts in the log", len(got.Log), d.Attempts)
					equal(x, "LastAttemptAt", show(got.LastAttemptAt), show(d.LastAttemptAt))
				}
				equal(x, "Status of a younger delivery", x.delivery(w, young).Status, store.DeliveryPending)
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 1)
				same(x, "Stats", x.stats(w), store.Stats{Total: 3, Failed: 2, Pending: 1, Attempts: 1})
				equal(x, "Failed of an active webhook", x.stats(active).Failed, 0)
				x.enable(w)
				x.advance(2 * x.lease)
				x.claims("once the webhook is enabled", pick(append(x.deliveries(active, store.DeliveryQuery{Limit: 10}).Deliveries, x.delivery(w, young)), deliveryID)...)
			},
		},
		{
			name:    "paused but leased or a test",
			promise: "Leased ones and tests are left alone.",
			run: func(x *trial) {
				w, l, _ := x.leased()
				x.disable(w)
				e := x.testEvent(w)
				x.publishAll(e)
				test := fanOut(w, e.ID)[0]
				x.advance(x.lease / 2)
				ask := store.PruneRequest{PausedAge: time.Second, PausedError: "webhook_disabled"}
				x.unchanged("Prune", func() { same(x, "what Prune did", x.prune(ask), store.Pruned{}) })
				x.claims("after Prune", test)
				x.advance(x.lease)
				same(x, "what Prune did when the leases had ended", x.prune(ask), store.Pruned{Paused: 1})
				equal(x, "Error of what was leased", x.delivery(w, l.DeliveryID).Error, "webhook_disabled")
				x.unchanged("a late result for what was ended", func() {
					if f := x.finishAll(succeed(l))[0]; f.State == store.FinishAccepted {
						x.Errorf("a late result for a delivery that Prune has ended is accepted")
					}
				})
				x.claims("the test when its lease has ended", test)
			},
		},
		{
			name:    "event age",
			promise: "EventAge removes events that were published longer ago than this and have no pending delivery. Their ids can then be published anew.",
			run:     eventAge,
		},
		{
			name:    "event with pending deliveries",
			promise: "and have no pending delivery",
			run: func(x *trial) {
				w := x.webhook("a")
				paused := x.webhook("a")
				e := x.newEvent("a")
				x.publishAll(e)
				x.disable(paused)
				ask := store.PruneRequest{EventAge: time.Second}
				kept := func(while string) {
					x.Helper()
					x.advance(time.Hour)
					same(x, "what Prune did "+while, x.prune(ask), store.Pruned{})
					got, err := x.st.Event(x.Context(), x.merchant, e.ID)
					x.must(err, "Event "+while)
					equal(x, "Body "+while, string(got.Body), string(e.Body))
				}
				kept("while a delivery waits")
				l := x.take()
				equal(x, "Body of the lease", string(l.Body), string(e.Body))
				kept("after its lease ended")
				l = x.take()
				kept("after its lease ended again")
				x.finish(retry(l, 10*time.Hour), store.FinishAccepted)
				kept("while a retry waits")
				x.advance(10 * time.Hour)
				x.finish(succeed(x.take()), store.FinishAccepted)
				kept("while the delivery of a disabled webhook is paused")
				x.enqueue(w, e.ID, "again")
				x.remove(paused)
				kept("while an enqueued delivery waits")
				l = x.take()
				equal(x, "Body of the lease of an enqueued delivery", string(l.Body), string(e.Body))
				x.finish(fail(l), store.FinishAccepted)
				same(x, "what Prune did in the end", x.prune(ask), store.Pruned{Events: 1})
				_, err := x.st.Event(x.Context(), x.merchant, e.ID)
				x.fails("Event in the end", err, store.ErrNotFound)
				equal(x, "Status of its delivery", x.delivery(w, l.DeliveryID).Status, store.DeliveryFailed)
			},
		},
		{
			name:    "notice age",
			promise: "NoticeAge removes notices that nobody acknowledged for so long.",
			run: func(x *trial) {
				for range 2 {
					w := x.webhook("a")
					x.publish("a", 1)
					x.finish(failAt(x.take(), 1), store.FinishAccepted)
					x.disable(w)
					x.advance(time.Hour)
				}
				ask := store.PruneRequest{NoticeAge: 90 * time.Minute}
				same(x, "what Prune did", x.prune(ask), store.Pruned{Notices: 1})
				ns := x.noticesNow()
				equal(x, "number of notices that are left", len(ns), 1)
				same(x, "what a second Prune did", x.prune(ask), store.Pruned{})
			},
		},
		{
			name:    "limit",
			promise: "Prune removes what retention no longer keeps, at most p.Limit records, and says whether more is left to do.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.per = 100
				x.publish("a", 17)
				for _, l := range x.claim(17) {
					x.finish(succeed(l), store.FinishAccepted)
				}
				x.advance(time.Hour)
				ask := store.PruneRequest{DeliveryAge: time.Minute, EventAge: time.Minute, Limit: 5}
				done := x.prune(ask)
				same(x, "what Prune did in all", done, store.Pruned{Deliveries: 17, Events: 17})
				same(x, "Stats", x.stats(w), store.Stats{})
			},
		},
	}
}

// longHistory ends more deliveries than a store handles in one step, most of them
// at the same moment.
func longHistory(x *trial) {
	const first, then, keep = 20, 640, 600
	w := x.webhook("a")
	x.per = first + then
	end := func(n int) (ids []string) {
		x.publish("a", n)
		var results []store.Result
		for _, l := range x.claim(n) {
			results = append(results, succeed(l))
			ids = append(ids, l.DeliveryID)
		}
		x.finishAll(results...)
		return ids
	}
	old := end(first)
	x.advance(time.Millisecond)
	young := end(then)
	ask := store.PruneRequest{DeliveriesPerWebhook: keep, Limit: 50}
	same(x, "what Prune did", x.prune(ask), store.Pruned{Deliveries: first + then - keep})
	var kept []string
	x.pages(w, store.DeliveryQuery{Limit: 100}, func(p store.DeliveryPage) {
		equal(x, "Total", p.Total, keep)
		kept = append(kept, pick(p.Deliveries, deliveryID)...)
	})
	equal(x, "number of kept deliveries", len(kept), keep)
	known := map[string]bool{}
	for _, id := range young {
		known[id] = true
	}
	for _, id := range kept {
		if !known[id] {
			x.Errorf("%s is kept, which is not one of those that ended last, or is shown twice", id)
		}
		delete(known, id)
	}
	for _, id := range old {
		_, err := x.st.Delivery(x.Context(), x.merchant, w.ID, id)
		x.fails("Delivery of what ended first", err, store.ErrNotFound)
	}
	same(x, "Stats", x.stats(w), store.Stats{Total: keep, Succeeded: keep, Attempts: keep})
}

func eventAge(x *trial) {
	x.webhook("a")
	e, lonely, young := x.newEvent("a"), x.newEvent("lonely"), x.newEvent("a")
	test := x.testEvent(x.webhook("none"))
	x.publishAll(e, test)
	l, lt := x.take(), x.take()
	x.finishAll(succeed(l), fail(lt))
	x.advance(time.Hour)
	x.publishAll(lonely)
	x.advance(time.Hour)
	x.publishAll(young)
	x.finish(succeed(x.take()), store.FinishAccepted)
	ask := store.PruneRequest{EventAge: 2*time.Hour - time.Millisecond, DeliveryAge: time.Hour}
	got := x.prune(ask)
	equal(x, "number of events removed", got.Events, 2)
	sameList(x, "the events that are left", pick(x.events(store.EventQuery{Limit: 10}).Events, eventID), []string{lonely.ID, young.ID})
	for _, gone := range []store.NewEvent{e, test} {
		_, err := x.st.Event(x.Context(), x.merchant, gone.ID)
		x.fails("Event of what was pruned", err, store.ErrNotFound)
	}
	e.Fingerprint, e.Body = "another print", []byte("another body")
	p := x.publishAll(e)[0]
	equal(x, "Duplicate of an id that is published anew", p.Duplicate, false)
	equal(x, "Conflict of an id that is published anew", p.Conflict, false)
	for _, l := range x.claims("an id that is published anew", p.Deliveries...) {
		equal(x, "its Body", string(l.Body), "another body")
		equal(x, "its Attempts", l.Attempts, 0)
		x.finish(succeed(l), store.FinishAccepted)
	}
}

// prune prunes until nothing is left to do, and adds up.
func (x *trial) prune(p store.PruneRequest) store.Pruned {
	x.Helper()
	if p.Limit == 0 {
		p.Limit = endless
	}
	var sum store.Pruned
	for range endless {
		done, err := x.st.Prune(x.Context(), p)
		x.must(err, "Prune")
		n := done.Deliveries + done.Paused + done.Events + done.Notices
		if n > p.Limit {
			x.Errorf("Prune with a limit of %d did %s", p.Limit, show(done))
		}
		sum.Deliveries += done.Deliveries
		sum.Paused += done.Paused
		sum.Events += done.Events
		sum.Notices += done.Notices
		if !done.More {
			return sum
		}
	}
	x.fatalf("Prune says %d times that more is left", endless)
	return sum
}
