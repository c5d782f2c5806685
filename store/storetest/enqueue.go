package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func enqueueCases() []testCase {
	return []testCase{
		{
			name:    "one more delivery",
			promise: "Enqueue makes one more pending delivery, due now, of each stored event to one webhook, whatever its status and subscriptions. The id is [DeliveryID] with the given nonce",
			run: func(x *trial) {
				w := x.webhook("a")
				events := append(x.publish("a", 1), x.publish("b", 1)...)
				x.finish(succeed(x.take()), store.FinishAccepted)
				x.advance(time.Second)
				ids, err := x.st.Enqueue(x.Context(), x.merchant, w.ID, events, "again")
				x.must(err, "Enqueue")
				want := pick(events, func(e string) string { return store.DeliveryID(x.merchant, e, w.ID, "again") })
				sameList(x, "the ids", ids, want)
				same(x, "the new delivery", x.delivery(w, ids[1]), store.Delivery{
					ID: ids[1], MerchantID: x.merchant, WebhookID: w.ID, EventID: events[1], EventType: "b",
					Status: store.DeliveryPending, CreatedAt: x.now, DueAt: x.now,
				})
				same(x, "Stats", x.stats(w), store.Stats{Total: 3, Succeeded: 1, Pending: 2, Attempts: 1})
				for _, l := range x.claims("two enqueued deliveries", ids...) {
					e, err := x.st.Event(x.Context(), x.merchant, l.EventID)
					x.must(err, "Event")
					equal(x, "Body of the lease", string(l.Body), string(e.Body))
				}
			},
		},
		{
			name:    "to a disabled webhook",
			promise: "of each stored event to one webhook, whatever its status and subscriptions",
			run: func(x *trial) {
				w := x.disable(x.webhook("a"))
				e := x.publish("a", 1)[0]
				id := x.enqueue(w, e, "replay")
				equal(x, "Status of the delivery", x.delivery(w, id).Status, store.DeliveryPending)
				x.claims("a delivery that was enqueued while its webhook is disabled")
				x.enable(w)
				x.claims("once the webhook is enabled", id)
			},
		},
		{
			name:    "the same again",
			promise: "an id that exists already is answered again and changes nothing",
			run: func(x *trial) {
				w := x.webhook("a")
				e := x.publish("a", 1)[0]
				x.finish(succeed(x.take()), store.FinishAccepted)
				first := x.enqueue(w, e, "one")
				x.advance(time.Second)
				x.unchanged("Enqueue with the nonce of a pending delivery", func() { equal(x, "the id", x.enqueue(w, e, "one"), first) })
				l := x.take()
				x.unchanged("Enqueue with the nonce of a leased delivery", func() { equal(x, "the id", x.enqueue(w, e, "one"), first) })
				x.finish(fail(l), store.FinishAccepted)
				x.unchanged("Enqueue with the nonce of a failed delivery", func() { equal(x, "the id", x.enqueue(w, e, "one"), first) })
				x.unchanged("Enqueue with the id of the fan-out", func() { equal(x, "the id", x.enqueue(w, e, ""), fanOut(w, e)[0]) })
				x.claims("deliveries that ended")
				second := x.enqueue(w, e, "two")
				if second == first {
					x.Errorf("two nonces have one delivery: %s", first)
				}
				x.claims("another nonce", second)
			},
		},
		{
			name:    "the same within a call",
			promise: "an id that exists already is answered again and changes nothing",
			run: func(x *trial) {
				w := x.webhook("a")
				e := x.publish("b", 1)[0]
				ids, err := x.st.Enqueue(x.Context(), x.merchant, w.ID, []string{e, e}, "twice")
				x.must(err, "Enqueue")
				id := store.DeliveryID(x.merchant, e, w.ID, "twice")
				sameList(x, "the ids", ids, []string{id, id})
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Pending: 1})
				x.claims("one event twice", id)
			},
		},
		{
			name:    "unknown events",
			promise: "An event that is not stored gets an empty id.",
			run: func(x *trial) {
				w, foreign := x.webhook("a"), x.create(x.id("merchant"), "a")
				theirs := x.newEvent("z")
				_, err := x.st.Publish(x.Context(), foreign.MerchantID, []store.NewEvent{theirs})
				x.must(err, "Publish of another merchant")
				e := x.publish("z", 1)[0]
				ids, err := x.st.Enqueue(x.Context(), x.merchant, w.ID, []string{x.id("evt"), e, theirs.ID}, "n")
				x.must(err, "Enqueue")
				sameList(x, "the ids", ids, []string{"", store.DeliveryID(x.merchant, e, w.ID, "n"), ""})
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Pending: 1})
			},
		},
		{
			name:    "unknown webhook",
			promise: "It fails with [ErrNotFound] if there is no such webhook.",
			run: func(x *trial) {
				e := x.publish("a", 1)
				foreign := x.create(x.id("merchant"), "a")
				for _, id := range []string{x.id("whk"), foreign.ID} {
					_, err := x.st.Enqueue(x.Context(), x.merchant, id, e, "n")
					x.fails("Enqueue", err, store.ErrNotFound)
				}
				x.claims("events for nobody")
			},
		},
	}
}
