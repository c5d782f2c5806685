package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func traceCases() []testCase {
	return []testCase{
		{
			name:    "with each lease",
			promise: "handed out with each lease of the event; opaque",
			run: func(x *trial) {
				w := x.webhook("a")
				x.webhook("a")
				traced, plain := x.newEvent("a"), x.newEvent("a")
				traced.Trace = "00-4bf92f\x00\xff\n|:{}" // anything
				x.publishAll(traced, plain)
				test := x.testEvent(w)
				test.Trace = "a test's"
				x.publishAll(test)
				want := map[string]string{traced.ID: traced.Trace, plain.ID: "", test.ID: test.Trace}
				tries := map[string]int{}
				for range 4 {
					for _, l := range x.claim(endless) {
						equal(x, "Trace of a lease", l.Trace, want[l.EventID])
						if tries[l.DeliveryID]++; tries[l.DeliveryID] == 1 {
							x.finish(retry(l, 0), store.FinishAccepted)
						} // The others end without a result.
					}
					x.advance(2 * x.lease)
				}
				for id, n := range tries {
					if n < 2 {
						x.Errorf("delivery %s was leased %d times in four rounds, want at least 2", id, n)
					}
				}
				equal(x, "number of deliveries", len(tries), 5)
				x.prune(store.PruneRequest{Limit: endless})
				x.enqueue(w, traced.ID, "again")
				for range 9 {
					for _, l := range x.claim(endless) {
						equal(x, "Trace of a lease, with one made again", l.Trace, want[l.EventID])
						x.finish(succeed(l), store.FinishAccepted)
					}
				}
			},
		},
		{
			name:    "of the first time",
			promise: "of the event as it was first published",
			run: func(x *trial) {
				x.webhook("a")
				e := x.newEvent("a")
				e.Trace = "first"
				x.publishAll(e)
				e.Trace = "second"
				equal(x, "Duplicate", x.publishAll(e)[0].Duplicate, true)
				equal(x, "Trace of an event published twice", x.take().Trace, "first")
				x.advance(time.Second)
				long := x.newEvent("a")
				long.Trace = string(make([]byte, 4096))
				x.publishAll(long)
				l := x.take()
				equal(x, "length of a long Trace", len(l.Trace), 4096)
				equal(x, "Body beside a long Trace", string(l.Body), string(long.Body))
			},
		},
	}
}
