package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const nextPromise = "Next is how long nothing more will be claimable unless something happens: 0 if there may be more right now, negative if nothing is waiting at all. It may be too short, never too long."

func nextCases() []testCase {
	return []testCase{
		{
			name:    "nothing waits",
			promise: nextPromise,
			run: func(x *trial) {
				x.restless("an empty store")
				w := x.webhook("a")
				x.restless("a webhook without deliveries")
				x.ended(w, succeed)
				x.ended(w, fail)
				x.restless("only ended deliveries")
			},
		},
		{
			name:    "more right now",
			promise: nextPromise,
			run: func(x *trial) {
				x.webhook("a")
				x.publish("a", 5)
				for i := range 4 {
					c := x.claimOnce(1)
					if len(c.Leases) > 0 && c.Next != 0 {
						x.Errorf("Next is %s after %d of 5 deliveries were claimed one by one, want 0", c.Next, i+1)
					}
				}
			},
		},
		{
			name:    "more of another webhook",
			promise: nextPromise,
			run: func(x *trial) {
				x.per = 1
				x.webhook("a")
				x.webhook("a")
				x.publish("a", 2)
				if c := x.claimOnce(1); c.Next != 0 {
					x.Errorf("Next is %s while a second webhook has something due, want 0", c.Next)
				}
				x.claim(10)
				x.wakesWithin("both webhooks at their cap", x.lease)
			},
		},
		{
			name:    "until a retry is due",
			promise: nextPromise,
			run: func(x *trial) {
				x.webhook("a")
				x.publish("a", 3)
				ls := x.claim(3)
				x.finishAll(retry(ls[0], 30*time.Second), retry(ls[1], 20*time.Second), release(ls[2], 25*time.Second))
				x.wakesWithin("retries in 20 and 30 s", 20*time.Second)
				x.wakesWithin("5 s after the first retry was due", 5*time.Second)
				x.wakesWithin("10 s after the first retry was due", 5*time.Second)
			},
		},
		{
			name:    "until a lease ends",
			promise: nextPromise,
			run: func(x *trial) {
				x.webhook("a")
				x.publish("a", 2)
				x.take()
				x.advance(10 * time.Second)
				l := x.take()
				x.finish(retry(l, 2*time.Hour), store.FinishAccepted)
				x.wakesWithin("a lease that ends in 50 s and a retry in 2 h", 50*time.Second+time.Millisecond)
			},
		},
		{
			name:    "until a lease of a full webhook ends",
			promise: nextPromise,
			run: func(x *trial) {
				x.per = 2
				x.webhook("a")
				x.publish("a", 5)
				x.take()
				x.advance(10 * time.Second)
				x.take()
				c := x.claimOnce(5)
				equal(x, "number claimed of a full webhook", len(c.Leases), 0)
				if c.Next <= 0 {
					// A needless call at once is allowed, one after the other for ever is not.
					x.claim(5)
				}
				x.wakesWithin("a full webhook whose first lease ends in 50 s", 50*time.Second+time.Millisecond)
			},
		},
		{
			name:    "until a test of a disabled webhook has room",
			promise: nextPromise,
			run: func(x *trial) {
				x.per = 1
				w := x.webhook("a")
				x.publish("a", 1)
				x.take()
				x.disable(w)
				x.publishAll(x.testEvent(w))
				x.claims("a test of a disabled webhook at its cap")
				x.wakesWithin("a test that waits for a lease of a disabled webhook", x.lease+time.Millisecond)
			},
		},
		{
			name:    "until a delayed test is due",
			promise: nextPromise,
			run: func(x *trial) {
				w := x.disable(x.webhook("a"))
				x.publishAll(x.testEvent(w))
				x.finish(retry(x.take(), 15*time.Second), store.FinishAccepted)
				x.wakesWithin("a test of a disabled webhook that is due in 15 s", 15*time.Second)
				x.wakesWithin("its lease", x.lease+time.Millisecond)
			},
		},
	}
}

// restless reports if the store wants to be asked again although nothing waits.
func (x *trial) restless(when string) {
	x.Helper()
	var c store.Claimed
	for range endless {
		if c = x.claimOnce(10); len(c.Leases) > 0 {
			x.fatalf("%s: Claim took %s", when, show(c.Leases))
		}
		if c.Next < 0 {
			return
		}
		x.advance(c.Next) // a Next that is too short
	}
	x.Errorf("%s: Next stays %s, want a negative one", when, c.Next)
}

// wakesWithin follows Next and claims one delivery exactly at the moment after
// wait, or up to a millisecond earlier. It reports a Next that is longer than the
// wait that is left, and one that never gets there.
func (x *trial) wakesWithin(when string, wait time.Duration) {
	x.Helper()
	for range endless {
		c := x.claimOnce(1)
		if len(c.Leases) > 0 {
			if wait > time.Millisecond {
				x.Errorf("%s: a delivery was claimed %s too early", when, wait)
			}
			return
		}
		if c.Next < 0 || c.Next > wait {
			x.fatalf("%s: Next is %s, but a delivery is claimable in %s", when, c.Next, wait)
		}
		step := max(c.Next, time.Duration(0))
		x.advance(step)
		wait -= step
	}
	x.fatalf("%s: following Next does not lead to the delivery", when)
}
