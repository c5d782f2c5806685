package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	pendingPromise = "Pending counts the deliveries that have not ended: due ones, later ones, those of disabled webhooks and leased ones."
	oldestPromise  = "OldestDue is for how long Claim has had something to take, 0 if it has nothing. It goes by the delivery that is due longest"
)

func backlogCases() []testCase {
	return []testCase{
		{
			name:    "pending",
			promise: pendingPromise,
			run: func(x *trial) {
				x.pending("an empty store", 0)
				w := x.webhook("a")
				x.webhook("a")
				x.publish("b", 3)
				ids := x.publish("a", 3)
				x.pending("three events for two webhooks", 6)
				x.publishAll(x.testEvent(w))
				x.enqueue(w, ids[0], "again")
				x.enqueue(w, ids[0], "again")
				x.pending("a test and a repetition", 8)
				ls := x.claim(8)
				x.pending("all of them leased", 8)
				x.finishAll(retry(ls[0], time.Hour), release(ls[1], 0), succeed(ls[2]), fail(ls[3]), fail(ls[4]))
				x.pending("three of them ended", 5)
				x.finishAll(fail(ls[4]), succeed(ls[0]))
				x.pending("results that were sent again", 5)
				x.advance(2 * x.lease)
				x.pending("leases that ended", 5)
				x.claim(8)
				x.pending("leases of those", 5)
			},
		},
		{
			name:    "pending, of many merchants",
			promise: "Backlog looks at the whole store.",
			run: func(x *trial) {
				for i := range 5 {
					x.merchant = x.id("merchant")
					x.webhook("a")
					x.publish("a", i)
				}
				x.pending("0 to 4 of five merchants", 10)
			},
		},
		{
			name:    "pending, published in a batch with repetitions",
			promise: pendingPromise,
			run: func(x *trial) {
				x.webhook("a")
				e, other := x.newEvent("a"), x.newEvent("a")
				x.publishAll(e, e, other)
				e.Fingerprint = "another"
				x.publishAll(e, other)
				x.pending("two events", 2)
			},
		},
		{
			name:    "pending, once Prune has ended it",
			promise: "PausedAge ends, as Failed with PausedError, pending deliveries",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 3)
				x.take()
				x.disable(w)
				x.pending("three of a disabled webhook", 3)
				x.advance(time.Hour)
				x.prune(store.PruneRequest{PausedAge: time.Minute, PausedError: "webhook_disabled", Limit: endless})
				x.pending("three that Prune has ended", 0)
			},
		},
		{
			name:    "pending, of a deleted webhook",
			promise: "Those of a webhook that was deleted may count until Prune has removed them.",
			run: func(x *trial) {
				gone := x.webhook("a")
				x.webhook("a")
				x.publish("a", 3)
				x.take()
				x.remove(gone)
				x.prune(store.PruneRequest{Limit: endless})
				x.pending("three of another webhook", 3)
			},
		},
		{
			name:    "due longest",
			promise: oldestPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				x.oldestDue("nothing waits", 0)
				x.publish("a", 1)
				x.oldestDue("one that has just come", 0)
				x.advance(time.Minute)
				x.oldestDue("one that came a minute ago", time.Minute)
				x.publish("a", 1)
				x.advance(time.Second)
				x.oldestDue("another that came a second ago", time.Minute+time.Second)
				ls := x.claim(2)
				x.oldestDue("all leased", 0)
				x.finish(retry(ls[0], time.Minute), store.FinishAccepted)
				x.finish(fail(ls[1]), store.FinishAccepted)
				x.advance(59 * time.Second)
				x.oldestDue("one that is due in a second", 0)
				x.advance(3 * time.Second)
				x.oldestDue("one that was due two seconds ago", 2*time.Second)
				x.publishAll(x.testEvent(w))
				x.oldestDue("a test beside it", 2*time.Second)
			},
		},
		{
			name:    "due longest, of many merchants",
			promise: oldestPromise,
			run: func(x *trial) {
				for range 5 {
					x.merchant = x.id("merchant")
					x.webhook("a")
					x.publish("a", 1)
					x.advance(time.Second)
				}
				x.oldestDue("five merchants, one a second", 5*time.Second)
				x.claim(5)
				x.oldestDue("all of them leased", 0)
			},
		},
		{
			name:    "due longest, a lease that ended",
			promise: "and by the lease that ended first without a result",
			run: func(x *trial) {
				x.webhook("a")
				x.publish("a", 1)
				x.take()
				x.advance(x.lease - time.Second)
				x.oldestDue("a lease", 0)
				x.advance(11 * time.Second)
				x.oldestDue("a lease that ended ten seconds ago", 10*time.Second)
			},
		},
		{
			name:    "due longest, kept waiting by its webhook",
			promise: "What its webhook keeps waiting, because it is disabled, or has no token or no room for another lease, does not count.",
			run: func(x *trial) {
				x.per = 1
				full := x.webhook("a")
				limited := x.limited(1, "a")
				disabled := x.webhook("a")
				x.publish("a", 2)
				x.disable(disabled)
				var l store.Lease
				for _, c := range x.claim(10) {
					if c.WebhookID == full.ID {
						l = c
					} else {
						equal(x, "webhook of the other lease", c.WebhookID, limited.ID)
						x.finish(succeed(c), store.FinishAccepted)
					}
				}
				x.advance(500 * time.Millisecond)
				x.oldestDue("a full webhook, one without a token and a disabled one", 0)
				x.advance(700 * time.Millisecond)
				x.oldestDue("a token that has come 200 ms ago", 200*time.Millisecond)
				x.finish(succeed(l), store.FinishAccepted)
				x.oldestDue("room for what came 1.2 s ago", 1200*time.Millisecond)
				x.enable(disabled)
				x.advance(time.Second)
				x.oldestDue("a webhook that was enabled", 2200*time.Millisecond)
			},
		},
	}
}

func (x *trial) backlog() store.Backlog {
	x.Helper()
	b, err := x.st.Backlog(x.Context())
	x.must(err, "Backlog")
	return b
}

func (x *trial) pending(when string, want int64) {
	x.Helper()
	equal(x, "Pending with "+when, x.backlog().Pending, want)
}

func (x *trial) oldestDue(when string, want time.Duration) {
	x.Helper()
	equal(x, "OldestDue with "+when, x.backlog().OldestDue, want)
}
