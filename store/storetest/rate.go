package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	bucketPromise = "It holds 1000·R of them when the rate is set, and never more. A delivery takes 1000, and whatever is left then grows by R with each millisecond of the store's clock"
	pricePromise  = "Every delivery that Claim takes costs a token: a first try, a retry, a reclaim and a test alike."
	momentPromise = "While a bucket holds less than 1000, nothing of its webhook is claimable. If L was left, that ends ceil((1000 - L) / R) milliseconds after the last delivery was taken"
	orderPromise  = "where this moment is later than the due time, Claim's Next and the turns of webhooks go by it"
)

func rateCases() []testCase {
	return []testCase{
		{
			name:    "a second's worth at once",
			promise: bucketPromise,
			run: func(x *trial) {
				x.per = endless
				x.limited(3, "a")
				x.publish("a", 20)
				x.takesExactly("a full bucket of 3", 3)
				x.advance(time.Hour)
				x.takesExactly("the bucket an hour later", 3)
				x.advance(time.Second)
				x.takesExactly("the bucket a second later", 3)
				x.advance(500 * time.Millisecond)
				x.takesExactly("the bucket half a second later", 1)
			},
		},
		{
			name:    "a token at a time",
			promise: momentPromise,
			run: func(x *trial) {
				x.per = endless
				for _, c := range []struct {
					rate  int
					every []int // milliseconds from token to token
				}{
					{1, []int{1000, 1000}},
					{3, []int{334, 333, 333, 334}},
					{7, []int{143, 143, 143, 143, 143, 143, 142, 143}},
					{400, []int{3, 2, 3, 2}},
				} {
					w := x.limited(c.rate, "a")
					x.publish("a", c.rate+len(c.every)+1)
					x.takesExactly(nth("a full bucket at a rate of", c.rate), c.rate)
					for i, wait := range c.every {
						x.advance(time.Duration(wait-1) * time.Millisecond)
						x.takesExactly(nth(nth("a millisecond before the token at a rate of", c.rate)+", token", i+1), 0)
						x.advance(time.Millisecond)
						x.takesExactly(nth(nth("at the token's moment at a rate of", c.rate)+", token", i+1), 1)
					}
					x.remove(w)
				}
			},
		},
		{
			name:    "more than a token each millisecond",
			promise: bucketPromise,
			run: func(x *trial) {
				x.per = 2 * endless
				x.limited(1500, "a")
				x.publish("a", 1510)
				for range 3 {
					x.takesExactly("a full bucket, in parts", 500, 500)
				}
				x.takesExactly("an empty bucket", 0)
				x.advance(time.Millisecond)
				x.takesExactly("a bucket that has gained one and a half", 1)
				x.advance(time.Millisecond)
				x.takesExactly("a bucket that had half a token left", 2)
			},
		},
		{
			name:    "over several callers",
			promise: "So a rate holds over all callers",
			run: func(x *trial) {
				x.per = endless
				x.limited(5, "a")
				x.publish("a", 20)
				x.takesExactly("the first caller", 2, 2)
				x.takesExactly("the second caller", 2, 2)
				x.takesExactly("the third caller", 1)
				x.takesExactly("the fourth caller", 0)
			},
		},
		{
			name:    "whatever is claimed",
			promise: pricePromise,
			run: func(x *trial) {
				again := func(settle func(store.Lease, time.Duration) store.Result) func(store.Webhook) {
					return func(store.Webhook) {
						x.publish("a", 1)
						x.finish(settle(x.take(), 0), store.FinishAccepted)
						x.take()
					}
				}
				for _, c := range []struct {
					of    string
					spend func(w store.Webhook) // two tokens
				}{
					{"a delivery and its retry", again(retry)},
					{"a delivery that was released", again(release)},
					{"two tests", func(w store.Webhook) {
						x.publishAll(x.testEvent(w), x.testEvent(w))
						x.claim(2)
					}},
					{"a reclaim and another delivery", func(store.Webhook) {
						x.publish("a", 1)
						x.take()
						x.advance(x.lease + time.Millisecond) // The bucket is full again.
						x.publish("a", 1)
						x.claim(2)
					}},
				} {
					w := x.limited(2, "a")
					c.spend(w)
					x.publish("a", 1)
					x.takesExactly("a bucket of 2 after "+c.of, 0)
					x.remove(w)
				}
			},
		},
		{
			name:    "only what is claimed",
			promise: "Every delivery that Claim takes costs a token … at most c.PerWebhook leased per webhook at any time",
			run: func(x *trial) {
				x.per = 2
				x.limited(4, "a")
				for range 6 {
					x.claims("a webhook without deliveries")
				}
				x.publish("a", 10)
				ls := x.takesExactly("a webhook at its cap", 2)
				for range 6 {
					x.claims("a webhook that stays at its cap")
				}
				x.finishAll(succeed(ls[0]), succeed(ls[1]))
				ls = x.takesExactly("a webhook with room and two tokens", 2)
				x.finishAll(succeed(ls[0]), succeed(ls[1]))
				x.takesExactly("a webhook with room and no token", 0)
				x.advance(250 * time.Millisecond)
				x.takesExactly("a webhook with room for two and one token", 1)
			},
		},
		{
			name:    "waiting is no attempt",
			promise: "to wait for it costs no attempt",
			run: func(x *trial) {
				w := x.limited(1, "a")
				ids := fanOut(w, x.publish("a", 2)...)
				due := x.now
				first := x.take()
				for range 9 {
					x.advance(100 * time.Millisecond)
					x.claims("a webhook that waits for a token")
				}
				last := ids[0]
				if last == first.DeliveryID {
					last = ids[1]
				}
				same(x, "the delivery that waits", x.delivery(w, last), store.Delivery{
					ID: last, MerchantID: x.merchant, WebhookID: w.ID, EventType: "a",
					Status: store.DeliveryPending, CreatedAt: due, DueAt: due,
				}, "EventID")
				x.advance(100 * time.Millisecond)
				got := x.take()
				equal(x, "the delivery that goes next", got.DeliveryID, last)
				equal(x, "its Attempts", got.Attempts, 0)
				equal(x, "its Reclaims", got.Reclaims, 0)
			},
		},
		{
			name:    "another rate",
			promise: "RateLimit fills the bucket anew if it is another rate than before, and changes nothing else. 0 takes the limit away.",
			run: func(x *trial) {
				x.per = endless
				w := x.limited(2, "a")
				x.publish("a", 50)
				rate := func(n int) { x.update(w, store.WebhookUpdate{RateLimit: &n}) }
				x.takesExactly("a full bucket of 2", 2)
				rate(2)
				x.takesExactly("the rate set to what it was", 0)
				rate(5)
				x.takesExactly("the rate raised to 5", 5)
				rate(1)
				x.takesExactly("the rate lowered to 1", 1)
				x.advance(999 * time.Millisecond)
				x.takesExactly("999 ms later", 0)
				rate(0)
				x.takesExactly("no rate", 20, 20)
				rate(3)
				x.takesExactly("a rate of 3 again", 3)
			},
		},
		{
			name:    "other changes",
			promise: "RateLimit fills the bucket anew if it is another rate than before … Nil fields stay as they are.",
			run: func(x *trial) {
				w := x.limited(2, "a")
				x.publish("a", 10)
				x.takesExactly("a full bucket", 2)
				x.disable(w)
				x.enable(w)
				x.takesExactly("a webhook that was disabled and enabled", 0)
				x.update(w, store.WebhookUpdate{
					URL: new("https://example.com/new"), Events: []string{"a", "b"}, Rotate: new("two"), Headers: new("sealed"), Description: new("x"),
				})
				x.takesExactly("a webhook that was changed", 0)
				x.advance(400 * time.Millisecond)
				x.update(w, store.WebhookUpdate{Encoding: new("ascii")})
				x.advance(100 * time.Millisecond)
				x.takesExactly("half a second after the last token", 1)
			},
		},
		{
			name:    "while it is disabled",
			promise: "whatever is left then grows by R with each millisecond of the store's clock",
			run: func(x *trial) {
				w := x.limited(2, "a")
				x.publish("a", 10)
				x.takesExactly("a full bucket", 2)
				x.disable(w)
				x.publishAll(x.testEvent(w), x.testEvent(w), x.testEvent(w))
				x.takesExactly("tests of a disabled webhook without tokens", 0)
				x.advance(time.Second)
				x.takesExactly("tests of a disabled webhook with two tokens", 2)
				x.advance(500 * time.Millisecond)
				x.enable(w)
				ls := x.takesExactly("an enabled webhook with one token", 1)
				equal(x, "Test of what goes first", ls[0].Test, true)
			},
		},
		{
			name:    "a limited webhook delays nobody",
			promise: "nothing of its webhook is claimable … Webhooks take turns",
			run: func(x *trial) {
				x.limited(1, "slow")
				x.publish("slow", 100)
				x.take()
				x.advance(time.Millisecond)
				w := x.webhook("a")
				for range 5 {
					want := fanOut(w, x.publish("a", 1)...)
					equal(x, "the delivery that goes first beside a webhook without a token", x.take().DeliveryID, want[0])
					x.advance(time.Millisecond)
				}
				x.claims("only the webhook without a token")
			},
		},
		{
			name:    "turns",
			promise: orderPromise,
			run: func(x *trial) {
				for _, c := range []struct {
					when  string
					lease time.Duration
					do    func(l store.Lease)
				}{
					{"after a claim", time.Minute, func(store.Lease) {}},
					{"after a lease ended", 200 * time.Millisecond, func(store.Lease) {}},
					{"after more was published", time.Minute, func(store.Lease) { x.publish("slow", 1) }},
					{"after a retry", time.Minute, func(l store.Lease) { x.finish(retry(l, 0), store.FinishAccepted) }},
				} {
					x.lease = c.lease
					slow, early, late := x.limited(1, "slow"), x.webhook("a"), x.webhook("b")
					x.publish("slow", 2)
					c.do(x.take())
					x.advance(500 * time.Millisecond)
					x.publish("a", 1)
					x.advance(700 * time.Millisecond)
					x.publish("b", 1)
					x.advance(time.Second)
					for _, want := range []store.Webhook{early, slow, late} {
						equal(x, "the webhook that is visited next "+c.when, x.take().WebhookID, want.ID)
						x.remove(want)
					}
				}
			},
		},
		{
			name:    "Next until a token",
			promise: orderPromise,
			run: func(x *trial) {
				w := x.limited(3, "a")
				x.publish("a", 5)
				x.takesExactly("a full bucket", 3)
				x.wakesWithin("a token in 334 ms", 334*time.Millisecond)
				x.wakesWithin("a token in 333 ms", 333*time.Millisecond)
				x.remove(w)
				x.limited(2, "a")
				x.publish("a", 2)
				ls := x.takesExactly("a full bucket", 2)
				x.finishAll(retry(ls[0], 200*time.Millisecond), retry(ls[1], 30*time.Second))
				x.wakesWithin("a retry in 200 ms and a token in 500", 500*time.Millisecond)
				x.wakesWithin("a retry 29.5 s later, with tokens", 29500*time.Millisecond)
			},
		},
		{
			name:    "Next of the first of two",
			promise: orderPromise,
			run: func(x *trial) {
				x.limited(1, "a")
				x.limited(4, "a")
				x.publish("a", 6)
				x.takesExactly("two full buckets", 5)
				x.wakesWithin("tokens in 250 and 1000 ms", 250*time.Millisecond)
				x.wakesWithin("tokens in 250 and 750 ms", 250*time.Millisecond)
			},
		},
		{
			name:    "over callers at once",
			promise: "So a rate holds over all callers … " + atomicPromise,
			run: func(x *trial) {
				const rate = 17
				x.per = endless
				x.limited(rate, "a")
				x.publish("a", 8*crowd)
				var got tally
				together(func(int) {
					for range 4 {
						c, err := x.st.Claim(x.Context(), store.ClaimRequest{Limit: 2, Lease: x.lease, PerWebhook: x.per})
						if err != nil {
							x.Errorf("Claim: %v", err)
						}
						got.add("", len(c.Leases))
					}
				})
				equal(x, "number that callers took at once of a bucket of 17", got.add("", 0), rate)
			},
		},
	}
}

// limited stores a new active webhook with a rate limit.
func (x *trial) limited(rate int, events ...string) store.Webhook {
	x.Helper()
	w := x.newWebhook(events...)
	w.RateLimit = rate
	w, err := x.st.CreateWebhook(x.Context(), x.merchant, w, 0)
	x.must(err, "CreateWebhook")
	return w
}

// takesExactly reports if not exactly so many deliveries are claimable, or, with
// a limit, if that many cannot be claimed.
func (x *trial) takesExactly(of string, want int, limit ...int) []store.Lease {
	x.Helper()
	ask := endless
	if len(limit) > 0 {
		ask = limit[0]
	}
	ls := x.claim(ask)
	equal(x, "number claimed of "+of, len(ls), want)
	return ls
}
