package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func eventCases() []testCase {
	return []testCase{
		{
			name:    "oldest first",
			promise: "Events lists stored events, oldest first, without their bodies. Test events are not listed.",
			run: func(x *trial) {
				w := x.webhook("a")
				var want []string
				for i := range 8 {
					want = append(want, x.publish([]string{"a", "b"}[i%2], 1)...)
					x.publishAll(x.testEvent(w))
					x.advance(time.Millisecond)
				}
				page := x.events(store.EventQuery{Limit: 100})
				sameList(x, "the ids", pick(page.Events, eventID), want)
				equal(x, "Next at the end", page.Next, "")
				for _, e := range page.Events {
					if e.Body != nil {
						x.Errorf("event %s is listed with its body %q", e.ID, e.Body)
					}
					full, err := x.st.Event(x.Context(), x.merchant, e.ID)
					x.must(err, "Event")
					same(x, "a listed event", e, full, "Body")
				}
				other, err := x.st.Events(x.Context(), x.id("merchant"), store.EventQuery{Limit: 10})
				x.must(err, "Events of a merchant without any")
				equal(x, "number of events of a merchant without any", len(other.Events), 0)
			},
		},
		{
			name:    "times",
			promise: "EventQuery selects a page of events. … CreatedAt not before; zero: any … CreatedAt before; zero: any",
			run: func(x *trial) {
				start := x.now
				var all []store.Event
				for range 6 {
					id := x.publish("a", 1)[0]
					all = append(all, store.Event{ID: id, CreatedAt: x.now})
					x.advance(time.Second)
				}
				times := []time.Time{{}, start, start.Add(2 * time.Second), start.Add(2*time.Second + time.Millisecond), start.Add(time.Hour)}
				for _, since := range times {
					for _, until := range times {
						var want []string
						for _, e := range all {
							if within(e.CreatedAt, since, until) {
								want = append(want, e.ID)
							}
						}
						what := "the events since " + show(since) + " until " + show(until)
						sameList(x, what, pick(x.events(store.EventQuery{Since: since, Until: until, Limit: 100}).Events, eventID), want)
						var got []string
						x.eventPages(store.EventQuery{Since: since, Until: until, Limit: 2}, func(page store.EventPage) {
							got = append(got, pick(page.Events, eventID)...)
						})
						sameList(x, what+" in pages", got, want)
					}
				}
			},
		},
		{
			name:    "pages while events are added and pruned",
			promise: "EventPage is a page of events, oldest first. Next continues after it and is empty at the end.",
			run: func(x *trial) {
				pruned := x.publish("none", 5)
				x.advance(time.Hour)
				want := x.publish("none", 9) // all in one millisecond
				n := 0
				var got []string
				x.eventPages(store.EventQuery{Limit: 3}, func(page store.EventPage) {
					got = append(got, pick(page.Events, eventID)...)
					if n++; n == 1 {
						x.prune(store.PruneRequest{EventAge: time.Minute})
					}
					if n < 4 {
						want = append(want, x.publish("none", n)...)
					}
				})
				if len(got) < 3 || changes(got[:3], pruned) == "" {
					x.Errorf("the first page shows %v, want three of the oldest events", got)
				}
				x.once("pages while events are added", got, want)
				equal(x, "number of events shown", len(got), 3+len(want))
			},
		},
		{
			name:    "delivered",
			promise: "Delivered is the status of the youngest delivery of this event to [EventQuery.WebhookID], empty if there is none.",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("a", "b")
				ok, bad, waits, twice := x.publish("a", 1)[0], x.publish("a", 1)[0], x.publish("a", 1)[0], x.publish("a", 1)[0]
				none := x.publish("b", 1)[0]
				for _, l := range x.claim(9) {
					switch {
					case l.WebhookID == other.ID:
						x.finish(succeed(l), store.FinishAccepted)
					case l.EventID == ok:
						x.finish(succeed(l), store.FinishAccepted)
					case l.EventID == bad || l.EventID == twice:
						x.finish(fail(l), store.FinishAccepted)
					}
				}
				delivered := func(webhookID string) map[string]store.DeliveryStatus {
					out := map[string]store.DeliveryStatus{}
					for _, e := range x.events(store.EventQuery{WebhookID: webhookID, Limit: 100}).Events {
						out[e.ID] = e.Delivered
					}
					return out
				}
				check := func(when, eventID, webhookID string, want store.DeliveryStatus) {
					x.Helper()
					equal(x, "Delivered of an event "+when, delivered(webhookID)[eventID], want)
				}
				check("that succeeded", ok, w.ID, store.DeliverySucceeded)
				check("that failed", bad, w.ID, store.DeliveryFailed)
				check("that waits", waits, w.ID, store.DeliveryPending)
				check("that went nowhere", none, w.ID, "")
				check("to another webhook", bad, other.ID, store.DeliverySucceeded)
				check("when nobody asks", ok, "", "")
				x.advance(time.Second)
				x.enqueue(w, twice, "again")
				check("that failed and is delivered again", twice, w.ID, store.DeliveryPending)
				for _, l := range x.claim(9) {
					if l.EventID == twice {
						x.finish(succeed(l), store.FinishAccepted)
					}
				}
				check("that failed and then succeeded", twice, w.ID, store.DeliverySucceeded)
				x.advance(time.Second)
				x.enqueue(w, none, "replay")
				check("that went nowhere and is replayed", none, w.ID, store.DeliveryPending)
				e, err := x.st.Event(x.Context(), x.merchant, ok)
				x.must(err, "Event")
				equal(x, "Delivered of Event, where nobody asks", e.Delivered, "")
			},
		},
	}
}

// eventPages follows Next from a first page to the end.
func (x *trial) eventPages(q store.EventQuery, see func(store.EventPage)) {
	x.Helper()
	for range endless {
		page := x.events(q)
		if len(page.Events) > q.Limit {
			x.fatalf("a page has %d events, at most %d were asked for", len(page.Events), q.Limit)
		}
		see(page)
		if page.Next == "" {
			return
		}
		q.Cursor = page.Next
	}
	x.fatalf("following Next for %d pages has no end", endless)
}
