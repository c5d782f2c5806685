package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func expiryCases() []testCase {
	return []testCase{
		{
			name:    "due again",
			promise: "A delivery whose lease ended without a Finish is due again at once, with Reclaims one higher and Attempts unchanged. Each claim adds 1 to its Token.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 1)
				x.finish(retry(x.take(), 0), store.FinishAccepted)
				l := x.take()
				equal(x, "Attempts after a retry", l.Attempts, 1)
				equal(x, "Reclaims after a retry", l.Reclaims, 0)
				x.advance(x.lease - time.Millisecond)
				x.claims("a millisecond before the lease ends")
				x.advance(2 * time.Millisecond)
				again := x.take()
				want := l
				want.Reclaims++
				want.Token++
				same(x, "the lease after the first ended", again, want)
				d := x.delivery(w, l.DeliveryID)
				equal(x, "Reclaims of the delivery", d.Reclaims, 1)
				equal(x, "Attempts of the delivery", d.Attempts, 1)
				equal(x, "number of attempts in the log", len(d.Log), 1)
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Pending: 1, Attempts: 1})
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 0)
				x.claims("while it is leased again")
			},
		},
		{
			name:    "ten times",
			promise: "leases so far that ended without a result, or in a fault … Each claim adds 1 to its Token.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 1)
				first := x.take()
				last := first
				for i := range 10 {
					x.advance(x.lease + time.Millisecond)
					l := x.take()
					equal(x, nth("Reclaims after lease", i+1), l.Reclaims, i+1)
					equal(x, nth("Attempts after lease", i+1), l.Attempts, 0)
					equal(x, nth("Token after lease", i+1), l.Token, last.Token+1)
					last = l
				}
				x.finish(succeed(last), store.FinishAccepted)
				d := x.delivery(w, last.DeliveryID)
				equal(x, "Reclaims in the end", d.Reclaims, 10)
				equal(x, "Attempts in the end", d.Attempts, 1)
			},
		},
		{
			name:    "one reclaim however late",
			promise: "A delivery whose lease ended without a Finish is due again at once, with Reclaims one higher",
			run: func(x *trial) {
				x.webhook("a")
				x.publish("a", 1)
				x.take()
				x.advance(100 * x.lease)
				equal(x, "Reclaims", x.take().Reclaims, 1)
			},
		},
		{
			name:    "each lease its own end",
			promise: "Claim hides due deliveries from every other caller until their lease ends",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				x.lease = 10 * time.Second
				short := x.take()
				x.lease = 30 * time.Second
				long := x.take()
				x.advance(10*time.Second + time.Millisecond)
				x.claims("when the short lease has ended", short.DeliveryID)
				x.advance(20*time.Second - 2*time.Millisecond)
				x.claims("before the long lease has ended")
				x.advance(2 * time.Millisecond)
				x.claims("when the long lease has ended", long.DeliveryID)
				same(x, "Stats", x.stats(w), store.Stats{Total: 2, Pending: 2})
			},
		},
		{
			name:    "room again",
			promise: "at most c.PerWebhook leased per webhook at any time",
			run: func(x *trial) {
				x.per = 2
				w := x.webhook("a")
				all := fanOut(w, x.publish("a", 4)...)
				x.claim(2)
				x.advance(x.lease + time.Millisecond)
				got := pick(x.claim(10), leaseID)
				equal(x, "number claimed when the leases have ended", len(got), 2)
				x.advance(x.lease + time.Millisecond)
				x.disable(w)
				e := x.testEvent(w)
				x.publishAll(e)
				x.claims("a test when the leases of a disabled webhook have ended", fanOut(w, e.ID)...)
				equal(x, "Pending", x.stats(w).Pending, int64(len(all)+1))
			},
		},
		{
			name:    "not after an answer",
			promise: "A delivery whose lease ended without a Finish is due again",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 4)
				ls := x.claim(4)
				x.finishAll(succeed(ls[0]), fail(ls[1]), retry(ls[2], 10*x.lease), release(ls[3], 20*x.lease))
				x.advance(2 * x.lease)
				x.claims("settled leases at their end")
				x.advance(8 * x.lease)
				for _, l := range x.claims("the retry", ls[2].DeliveryID) {
					equal(x, "Reclaims of the retry", l.Reclaims, 0)
				}
				x.advance(100 * x.lease)
				x.claims("the retry again and the release", ls[2].DeliveryID, ls[3].DeliveryID)
				same(x, "Stats", x.stats(w), store.Stats{Total: 4, Succeeded: 1, Failed: 1, Pending: 2, Attempts: 3})
			},
		},
	}
}
