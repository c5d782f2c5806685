package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func turnCases() []testCase {
	return []testCase{
		{
			name:    "longest waiting webhook first",
			promise: "Webhooks take turns: the one whose oldest due delivery waits longest is visited first",
			run: func(x *trial) {
				x.per = 1
				kinds := []string{"a", "b", "c", "d", "e"}
				ids := map[string]string{}
				for _, k := range kinds {
					ids[k] = x.webhook(k).ID
				}
				order := []string{"d", "b", "e", "a", "c"}
				for _, k := range order {
					x.publish(k, 2)
					x.advance(time.Millisecond)
				}
				for _, k := range order {
					equal(x, "the webhook that is visited next", x.take().WebhookID, ids[k])
				}
				x.claims("every webhook is at its cap")
			},
		},
		{
			name:    "a later retry waits less",
			promise: "the one whose oldest due delivery waits longest is visited first",
			run: func(x *trial) {
				x.per = 1
				one, two := x.webhook("a"), x.webhook("b")
				x.publish("a", 1)
				x.finish(retry(x.take(), 3*time.Second), store.FinishAccepted)
				x.advance(time.Second)
				x.publish("b", 1)
				x.advance(time.Minute)
				equal(x, "the webhook that is visited first", x.take().WebhookID, two.ID)
				equal(x, "the webhook that is visited next", x.take().WebhookID, one.ID)
			},
		},
		{
			name:    "a backlog delays nobody",
			promise: "Webhooks take turns … and none gets more than c.PerWebhook in one call.",
			run: func(x *trial) {
				x.per = 4
				dead := x.webhook("dead")
				for range 3 {
					x.publish("dead", 100)
				}
				x.advance(time.Second)
				for range 20 {
					w := x.webhook("live")
					e := x.publish("live", 1)
					want := fanOut(w, e...)
					got := pick(x.claim(x.per+1), leaseID)
					if !slices.Contains(got, want[0]) {
						x.fatalf("a webhook with one delivery got nothing in a claim of %d beside one with a backlog and a cap of %d", x.per+1, x.per)
					}
					x.remove(w)
					x.advance(time.Second)
				}
				equal(x, "Pending of the backlog", x.stats(dead).Pending, 300)
			},
		},
		{
			name:    "a full cap delays nobody",
			promise: "Webhooks take turns … at most c.PerWebhook leased per webhook at any time",
			run: func(x *trial) {
				x.per = 3
				dead, live := x.webhook("dead"), x.webhook("live")
				x.publish("dead", 300)
				equal(x, "number that hangs", len(x.claim(3)), 3)
				for range 10 {
					x.advance(time.Second)
					want := fanOut(live, x.publish("live", 2)...)
					for _, l := range x.claims("a live webhook beside one at its cap", want...) {
						x.finish(succeed(l), store.FinishAccepted)
					}
				}
				equal(x, "Pending of the webhook at its cap", x.stats(dead).Pending, 300)
			},
		},
		{
			name:    "failing goes to the back",
			promise: "none gets more than c.PerWebhook in one call",
			run: func(x *trial) {
				x.per = 2
				dead := x.webhook("dead")
				var live []store.Webhook
				for range 3 {
					live = append(live, x.webhook("live"))
				}
				x.publish("dead", 50)
				waiting := map[string]int{}
				for range 10 {
					x.advance(time.Second)
					x.publish("live", 2)
					for _, w := range live {
						waiting[w.ID] += 2
					}
					// Eight at once: two of each of the four webhooks.
					for _, l := range x.claim(8) {
						if l.WebhookID == dead.ID {
							x.finish(retry(l, 0), store.FinishAccepted)
							continue
						}
						x.finish(succeed(l), store.FinishAccepted)
						waiting[l.WebhookID]--
					}
					for _, w := range live {
						equal(x, "deliveries that wait for their turn beside a failing webhook", waiting[w.ID], 0)
					}
				}
			},
		},
		{
			name:    "a disabled webhook takes no turn",
			promise: "a disabled one is simply not there",
			run: func(x *trial) {
				x.per = 1
				var paused []store.Webhook
				for range 30 {
					paused = append(paused, x.webhook("a"))
				}
				x.publish("a", 3)
				x.advance(time.Second)
				live := x.webhook("b")
				want := fanOut(live, x.publish("b", 1)...)
				for _, w := range paused {
					x.disable(w)
				}
				x.claims("one active webhook beside thirty disabled ones", want...)
			},
		},
	}
}
