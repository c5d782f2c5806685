package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func publishCases() []testCase {
	return []testCase{
		{
			name:    "fan-out",
			promise: "Publish stores events and, in the same step, one pending delivery, due now, for each webhook that is active and subscribed at this moment.",
			run: func(x *trial) {
				subscribed := []store.Webhook{
					x.webhook("a"), x.webhook("a", "b"), x.webhook("b", "a"), x.webhook(store.EveryType), x.webhook("a", store.EveryType),
				}
				others := []store.Webhook{x.webhook("b"), x.disable(x.webhook("a")), x.create(x.id("merchant"), "a")}
				x.remove(x.webhook("a"))
				e := x.publish("a", 1)
				others = append(others, x.webhook("a"))
				var want []string
				for _, w := range subscribed {
					want = append(want, fanOut(w, e...)...)
				}
				x.claims("an event of type a", want...)
				for _, w := range others {
					same(x, "Stats of a webhook that must not get the event", x.stats(w), store.Stats{})
				}
				for _, w := range subscribed {
					same(x, "Stats of a subscribed webhook", x.stats(w), store.Stats{Total: 1, Pending: 1})
				}
			},
		},
		{
			name:    "a delivery per webhook",
			promise: "The id of a delivery is [DeliveryID] with an empty nonce. … ids, sorted by webhook id; nil on Conflict",
			run: func(x *trial) {
				given := []store.Webhook{x.newWebhook("a"), x.newWebhook("a"), x.newWebhook("a")}
				for _, i := range []int{2, 0, 1} {
					x.advance(time.Millisecond)
					_, err := x.st.CreateWebhook(x.Context(), x.merchant, given[i], 0)
					x.must(err, "CreateWebhook")
					given[i].MerchantID = x.merchant
				}
				e := x.newEvent("a")
				var want []string
				for _, w := range given { // made with rising ids
					want = append(want, fanOut(w, e.ID)...)
				}
				p := x.publishAll(e)[0]
				sameList(x, "the ids of the deliveries", p.Deliveries, want)
				equal(x, "Duplicate", p.Duplicate, false)
				equal(x, "Conflict", p.Conflict, false)
			},
		},
		{
			name:    "a new delivery",
			promise: "one pending delivery, due now … A delivery is pending until it ends one way or the other.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.advance(time.Second)
				e := x.publish("a", 1)[0]
				id := fanOut(w, e)[0]
				want := store.Delivery{
					ID: id, MerchantID: x.merchant, WebhookID: w.ID, EventID: e, EventType: "a",
					Status: store.DeliveryPending, CreatedAt: x.now, DueAt: x.now,
				}
				x.advance(time.Second)
				same(x, "the delivery", x.delivery(w, id), want)
				same(x, "the listed delivery", x.deliveries(w, store.DeliveryQuery{Limit: 1}).Deliveries[0], want)
			},
		},
		{
			name:    "the event",
			promise: "Event returns one stored event or [ErrNotFound].",
			run: func(x *trial) {
				given := x.newEvent("a")
				given.Body = []byte("\x00opaque \xff\xfe \"body\" é\n")
				_, err := x.st.Event(x.Context(), x.merchant, given.ID)
				x.fails("Event before it is published", err, store.ErrNotFound)
				x.advance(time.Second)
				p := x.publishAll(given)[0]
				equal(x, "number of deliveries without a subscriber", len(p.Deliveries), 0)
				want := store.Event{ID: given.ID, Type: "a", Body: given.Body, CreatedAt: x.now}
				x.advance(time.Second)
				e, err := x.st.Event(x.Context(), x.merchant, given.ID)
				x.must(err, "Event")
				same(x, "the event", e, want)
				want.Body = nil
				same(x, "the listed event", x.events(store.EventQuery{Limit: 1}).Events[0], want)
			},
		},
		{
			name:    "nothing",
			promise: "Publish stores events",
			run: func(x *trial) {
				x.webhook("a")
				x.unchanged("an empty batch", func() { x.publishAll() })
			},
		},
		{
			name:    "the same event again",
			promise: "the same id with the same fingerprint again stores nothing and answers the first result with Duplicate set",
			run: func(x *trial) {
				w := x.webhook("a")
				x.webhook("a")
				e, lonely := x.newEvent("a"), x.newEvent("b")
				first := x.publishAll(e, lonely)
				again := e
				again.Body = []byte("the store does not look at it")
				x.unchanged("publishing again", func() {
					for i, p := range x.publishAll(again, lonely) {
						same(x, "the answer to a repeated event", p, store.Published{Deliveries: first[i].Deliveries, Duplicate: true})
					}
				})
				x.claims("after publishing again", first[0].Deliveries...)
				x.advance(time.Second)
				x.disable(w)
				x.webhook("a", "b")
				x.unchanged("publishing again to other subscribers", func() {
					for i, p := range x.publishAll(e, lonely) {
						same(x, "the answer to a repeated event", p, store.Published{Deliveries: first[i].Deliveries, Duplicate: true})
					}
				})
				x.claims("after publishing to other subscribers")
			},
		},
		{
			name:    "the same event when it was delivered",
			promise: "An event id is published once per merchant for as long as the event is kept",
			run: func(x *trial) {
				x.webhook("a")
				e := x.newEvent("a")
				first := x.publishAll(e)[0]
				x.finish(succeed(x.take()), store.FinishAccepted)
				x.unchanged("publishing again", func() {
					same(x, "the answer", x.publishAll(e)[0], store.Published{Deliveries: first.Deliveries, Duplicate: true})
				})
				x.claims("after publishing what was delivered")
			},
		},
		{
			name:    "another event with a taken id",
			promise: "with another fingerprint it stores nothing and answers Conflict",
			run: func(x *trial) {
				x.webhook(store.EveryType)
				e := x.newEvent("a")
				first := x.publishAll(e)[0]
				other := e
				other.Type, other.Fingerprint = "b", "another print"
				x.unchanged("publishing another event with a taken id", func() {
					p := x.publishAll(other)[0]
					same(x, "the answer", p, store.Published{Conflict: true})
					if p.Deliveries != nil {
						x.Errorf("Deliveries is %v on Conflict, want nil", p.Deliveries)
					}
				})
				x.claims("after a conflict", first.Deliveries...)
			},
		},
		{
			name:    "again within a batch",
			promise: "Both hold within one batch too. … the results are in the order of the events",
			run: func(x *trial) {
				w := x.webhook("a")
				one, two, three := x.newEvent("a"), x.newEvent("b"), x.newEvent("a")
				other := one
				other.Fingerprint = "another print"
				got := x.publishAll(three, one, two, other, one, three)
				want := []store.Published{
					{Deliveries: fanOut(w, three.ID)},
					{Deliveries: fanOut(w, one.ID)},
					{},
					{Conflict: true},
					{Deliveries: fanOut(w, one.ID), Duplicate: true},
					{Deliveries: fanOut(w, three.ID), Duplicate: true},
				}
				sameList(x, "the answers", got, want)
				x.claims("the batch", fanOut(w, one.ID, three.ID)...)
				equal(x, "number of events", len(x.events(store.EventQuery{Limit: 10}).Events), 3)
			},
		},
		{
			name:    "the same id of two merchants",
			promise: "An event id is published once per merchant",
			run: func(x *trial) {
				w, foreign := x.webhook("a"), x.create(x.id("merchant"), "a")
				e := x.newEvent("a")
				x.publishAll(e)
				e.Fingerprint, e.Body = "another print", []byte("another body")
				out, err := x.st.Publish(x.Context(), foreign.MerchantID, []store.NewEvent{e})
				x.must(err, "Publish of another merchant")
				same(x, "the answer", out[0], store.Published{Deliveries: fanOut(foreign, e.ID)})
				ls := x.claims("both events", fanOut(w, e.ID)[0], fanOut(foreign, e.ID)[0])
				for _, l := range ls {
					equal(x, "whether the lease of "+l.MerchantID+" carries the body of its own event", string(l.Body) == "another body", l.MerchantID == foreign.MerchantID)
				}
			},
		},
		{
			name:    "test events",
			promise: "The event goes to that webhook only, whatever its status and subscriptions, and is not listed by Events.",
			run: func(x *trial) {
				w := x.disable(x.webhook("a"))
				x.webhook(store.EveryType)
				x.webhook("webhook.test")
				e := x.testEvent(w)
				want := fanOut(w, e.ID)
				same(x, "the answer", x.publishAll(e)[0], store.Published{Deliveries: want})
				ls := x.claims("a test of a disabled webhook", want...)
				if len(ls) == 1 {
					equal(x, "Test of the lease", ls[0].Test, true)
				}
				equal(x, "Test of the delivery", x.delivery(w, want[0]).Test, true)
				got, err := x.st.Event(x.Context(), x.merchant, e.ID)
				x.must(err, "Event")
				same(x, "the test event", got, store.Event{ID: e.ID, Type: e.Type, Test: true, Body: e.Body, CreatedAt: x.now})
				listed := x.publish("a", 1)
				sameList(x, "the listed events", pick(x.events(store.EventQuery{Limit: 10}).Events, eventID), listed)
				same(x, "the answer to the same test again", x.publishAll(e)[0], store.Published{Deliveries: want, Duplicate: true})
			},
		},
		{
			name:    "test events for nobody",
			promise: "If the merchant has no such webhook, Publish fails with [ErrNotFound].",
			run: func(x *trial) {
				foreign := x.create(x.id("merchant"), "a")
				gone := x.webhook("a")
				x.remove(gone)
				for _, w := range []store.Webhook{foreign, gone, x.newWebhook("a")} {
					e := x.testEvent(w)
					_, err := x.st.Publish(x.Context(), x.merchant, []store.NewEvent{e})
					x.fails("Publish of a test for "+w.ID, err, store.ErrNotFound)
					_, err = x.st.Event(x.Context(), x.merchant, e.ID)
					x.fails("Event of the test", err, store.ErrNotFound)
				}
				x.claims("tests for nobody")
			},
		},
		{
			name:    "a batch that fails",
			promise: "If Publish returns an error, some events may have been stored; to publish them again is safe.",
			run: func(x *trial) {
				w := x.webhook("a")
				before, after := x.newEvent("a"), x.newEvent("a")
				_, err := x.st.Publish(x.Context(), x.merchant, []store.NewEvent{before, x.testEvent(x.newWebhook("a")), after})
				x.fails("Publish of a batch with a test for nobody", err, store.ErrNotFound)
				for i, p := range x.publishAll(before, after) {
					sameList(x, "the deliveries of an event published again", p.Deliveries, fanOut(w, []string{before.ID, after.ID}[i]))
				}
				x.claims("both events", fanOut(w, before.ID, after.ID)...)
			},
		},
		{
			name:    "whole types",
			promise: "event types, in the caller's order, or [EveryType]",
			run: func(x *trial) {
				for _, types := range [][]string{{"doc"}, {"doc.created"}, {"doc.created.v2", "doc.c*"}, {"Doc.Created"}} {
					w := x.webhook(types...)
					x.claims("events whose types only begin alike", fanOut(w, x.publish(types[0], 1)...)...)
				}
			},
		},
		{
			name:    "large batch and large fan-out",
			promise: "Each event is stored whole or not at all, and the results are in the order of the events.",
			run: func(x *trial) {
				var ws []store.Webhook
				for range 20 {
					ws = append(ws, x.webhook("a"))
				}
				events := make([]store.NewEvent, 10)
				for i := range events {
					events[i] = x.newEvent("a")
				}
				var want []string
				for i, p := range x.publishAll(events...) {
					ids := pick(ws, func(w store.Webhook) string { return fanOut(w, events[i].ID)[0] })
					if !slices.Equal(p.Deliveries, ids) {
						x.Errorf("%s: deliveries are %v, want %v", nth("event", i), p.Deliveries, ids)
					}
					want = append(want, ids...)
				}
				x.per = len(events)
				ls := x.claims("all of them", want...)
				for i, f := range x.finishAll(pick(ls, succeed)...) {
					if f.State != store.FinishAccepted {
						x.fatalf("%s of %d is %s", nth("result", i), len(ls), f.State)
					}
				}
				for _, w := range ws {
					same(x, "Stats", x.stats(w), store.Stats{Total: 10, Succeeded: 10, Attempts: 10})
				}
			},
		},
	}
}
