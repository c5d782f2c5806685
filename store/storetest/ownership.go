package storetest

import (
	"github.com/rag-assistant/webhooks/store"
)

func ownershipCases() []testCase {
	return []testCase{
		{
			name:    "what the caller passes",
			promise: "A store neither keeps nor changes a slice, map or struct passed to it after the method returned",
			run: func(x *trial) {
				given := x.newWebhook("a", "b")
				w, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
				x.must(err, "CreateWebhook")
				given.Events[0] = "spoilt"
				sameList(x, "Events after the caller changed what it created with", x.read(w).Events, []string{"a", "b"})
				events := []string{"b", "a"}
				x.update(w, store.WebhookUpdate{Events: events})
				events[1] = "spoilt"
				sameList(x, "Events after the caller changed what it updated with", x.read(w).Events, []string{"b", "a"})

				e := x.newEvent("a")
				body := string(e.Body)
				batch := []store.NewEvent{e}
				x.publishAll(batch...)
				e.Body[0], batch[0].ID = 'x', "spoilt"
				got, err := x.st.Event(x.Context(), x.merchant, e.ID)
				x.must(err, "Event")
				equal(x, "Body after the caller changed what it published", string(got.Body), body)
				l := x.take()
				equal(x, "Body of the lease after the caller changed what it published", string(l.Body), body)

				results := []store.Result{succeed(l)}
				x.finishAll(results...)
				results[0].Attempt.Error = "spoilt"
				equal(x, "Error after the caller changed its result", x.delivery(w, l.DeliveryID).Error, "")

				s := seenID{x, "scope", e.ID}
				s.begin("one", "", store.SeenNew)
				value := []byte("value")
				x.must(x.st.CommitSeen(x.Context(), x.tag+s.scope, s.id, "one", value, seenTTL), "CommitSeen")
				value[0] = 'x'
				equal(x, "Value after the caller changed what it committed", string(s.begin("two", "", store.SeenDone).Value), "value")
			},
		},
		{
			name:    "what the store returns",
			promise: "and what it returns belongs to the caller, except for bodies",
			run: func(x *trial) {
				w := x.webhook("a", "b")
				read := x.read(w)
				read.Events[0] = "spoilt"
				updated := x.update(w, store.WebhookUpdate{})
				updated.Events[0] = "spoilt"
				page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
				x.must(err, "ListWebhooks")
				page.Webhooks[0].Events[1] = "spoilt"
				w.Events[0] = "spoilt"
				sameList(x, "Events after callers changed what they got", x.read(w).Events, []string{"a", "b"})

				e := x.newEvent("a")
				first := x.publishAll(e)[0]
				id := first.Deliveries[0]
				first.Deliveries[0] = "spoilt"
				again := x.publishAll(e)[0]
				sameList(x, "Deliveries of the event published again", again.Deliveries, []string{id})
				again.Deliveries[0] = "spoilt"
				sameList(x, "Deliveries of the event published once more", x.publishAll(e)[0].Deliveries, []string{id})

				x.finish(succeed(x.take()), store.FinishAccepted)
				d := x.delivery(w, id)
				d.Log[0].Error = "spoilt"
				equal(x, "Error of the attempt after a caller changed what it got", x.delivery(w, id).Log[0].Error, "")

				s := seenID{x, "scope", e.ID}
				s.begin("one", "", store.SeenNew)
				s.commit("one", "value", nil)
				s.begin("two", "", store.SeenDone).Value[0] = 'x'
				equal(x, "Value after a caller changed what it got", string(s.begin("two", "", store.SeenDone).Value), "value")
			},
		},
	}
}
