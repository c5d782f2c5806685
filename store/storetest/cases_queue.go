package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	stalePromise = "A result whose Token is not the delivery's current one answers [FinishStale] and changes nothing."
	turnsPromise = "Webhooks take turns: the one that has been claimable for longest since its last visit goes first"
	nextPromise  = "Next is how long nothing more will be claimable unless something happens: 0 if there may be more right now, negative if nothing is waiting at all. It may be too short, never too long."
	keyPromise   = "A Claim with the Key of an earlier one answers those of its leases that last and have no result, with their old end, and takes nothing more if there are any."
)

// leased publishes and claims one delivery.
func (x *trial) leased() (store.Webhook, store.Lease) {
	x.Helper()
	w := x.webhook("a")
	x.publish("a", 1)
	return w, x.take()
}

func claimCases() []testCase {
	return []testCase{
		{
			name:    "a lease",
			promise: "Claim hides due deliveries from every other caller until their lease ends … A delivery whose lease ended without a Finish is due again at once, with Reclaims one higher and Attempts unchanged.",
			run: func(x *trial) {
				x.claims("an empty store")
				w, first := x.leased()
				d := x.delivery(w, first.DeliveryID)
				equal(x, "Leased", d.Leased, true)
				equal(x, "Status while leased", d.Status, store.DeliveryPending)
				x.advance(x.lease - time.Millisecond)
				x.claims("a millisecond before the lease ends")
				x.advance(time.Hour)
				again := x.take()
				want := first
				want.Reclaims, want.Token = 1, again.Token
				same(x, "the lease after another one has ended", again, want)
				if again.Token <= first.Token {
					x.Errorf("Token is %d after %d, want a higher one", again.Token, first.Token)
				}
				x.finish(fail(again), store.FinishAccepted)
				x.advance(2 * x.lease)
				x.claims("what has ended")
			},
		},
		{
			name:    "due",
			promise: "A delivery is due if its time has come and its webhook is active. A test is due whatever the status. Of one webhook, tests go first, and of the others the delivery that is due longest.",
			run: func(x *trial) {
				w, l := x.leased()
				x.finish(retry(l, 10*time.Second), store.FinishAccepted)
				x.advance(10*time.Second - time.Millisecond)
				x.claims("a millisecond before the retry is due")
				young := x.fanOut(w, x.publish("a", 1)...)[0]
				x.advance(time.Second)
				test := x.testEvent(w)
				x.publishAll(test)
				x.disable(w)
				x.claims("a test of a disabled webhook, and others", x.fanOut(w, test.ID)...)
				x.enable(w)
				test = x.testEvent(w)
				x.publishAll(test)
				for _, want := range []string{x.fanOut(w, test.ID)[0], young, l.DeliveryID} {
					equal(x, "the delivery that goes next", x.take().DeliveryID, want)
				}
			},
		},
		{
			name:    "room",
			promise: "at most c.Limit of them, and at most c.PerWebhook leased per webhook at any time",
			run: func(x *trial) {
				x.per = 3
				w := x.webhook("a")
				x.publish("a", 9)
				ls := append(x.claim(2), x.claim(9)...)
				equal(x, "number that two callers get", len(ls), 3)
				x.publishAll(x.testEvent(w))
				x.claims("a test of a webhook at its cap")
				x.finishAll(succeed(ls[0]), retry(ls[1], time.Hour))
				equal(x, "number claimed after two were settled", len(x.claim(9)), 2)
				x.disable(w)
				x.advance(2 * x.lease)
				equal(x, "number claimed of a disabled webhook with a test, whose leases have all ended", len(x.claim(9)), 1)
			},
		},
		{
			name:    "asked for again",
			promise: keyPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 6)
				ask := store.ClaimRequest{Limit: 3, Lease: x.lease, PerWebhook: 9}
				var first []store.Lease
				for range endless {
					ask.Key = x.id("A-key")
					if first = x.claimBy(ask).Leases; len(first) > 0 {
						break
					}
				}
				x.advance(x.lease / 2)
				x.unchanged("a claim that is asked for again", func() {
					again := x.claimBy(ask).Leases
					sortLeases(first, again)
					sameList(x, "the leases", again, first)
				})
				x.finish(succeed(first[0]), store.FinishAccepted)
				if len(first) > 1 {
					again := x.claimBy(ask).Leases
					sortLeases(again)
					sameList(x, "the leases when one has a result", again, first[1:])
				}
				equal(x, "Pending", x.stats(w).Pending, 5)
				x.advance(x.lease/2 + time.Millisecond)
				for _, l := range x.claimBy(ask).Leases {
					if slices.ContainsFunc(first, func(f store.Lease) bool { return f.DeliveryID == l.DeliveryID && f.Token == l.Token }) {
						x.Errorf("a claim that is asked for again answers a lease that has ended")
					}
				}
			},
		},
		{
			name:    "bytes",
			promise: "MaxBytes bounds the bodies of one answer, in bytes; 0 is no bound. At least one delivery is taken, however large.",
			run: func(x *trial) {
				w := x.webhook("a")
				var want []string
				for _, size := range []int{500, 30, 30, 50, 500} {
					e := x.newEvent("a")
					e.Body = make([]byte, size)
					x.publishAll(e)
					want = append(want, x.fanOut(w, e.ID)...)
					x.advance(time.Millisecond)
				}
				var got []string
				for range endless {
					c := x.claimBy(store.ClaimRequest{Limit: 9, Lease: x.lease, PerWebhook: 9, MaxBytes: 100})
					bytes := 0
					for _, l := range c.Leases {
						bytes += len(l.Body)
						got = append(got, l.DeliveryID)
					}
					if bytes > 100 && len(c.Leases) > 1 {
						x.Errorf("%d leases have %d bytes, at most 100 were asked for", len(c.Leases), bytes)
					}
					if c.Next != 0 {
						break
					}
				}
				sameList(x, "the deliveries, in the order of their claims,", got, want)
			},
		},
		{
			name:    "a backlog delays nobody",
			promise: turnsPromise,
			run: func(x *trial) {
				x.per = 4
				dead := x.webhook("dead")
				x.publish("dead", 300)
				for range 9 {
					x.advance(time.Second)
					live := x.webhook("live")
					want := x.fanOut(live, x.publish("live", 1)...)[0]
					if got := pick(x.claim(x.per+1), leaseID); !slices.Contains(got, want) {
						x.fatalf("a webhook with one delivery got nothing in a claim of %d beside one with a backlog and a cap of %d", x.per+1, x.per)
					}
					x.remove(live)
				}
				equal(x, "Pending of the backlog", x.stats(dead).Pending, 300)
			},
		},
		{
			name:    "visited and behind the others",
			promise: turnsPromise,
			run: func(x *trial) {
				ws := map[string]string{}
				for _, event := range []string{"a", "b", "c"} {
					ws[x.webhook(event).ID] = event
					x.publish(event, 9)
					x.advance(time.Millisecond)
				}
				var got []string
				for range 9 {
					got = append(got, ws[x.take().WebhookID])
					x.advance(time.Millisecond)
				}
				sameList(x, "the webhooks, in the order of their turns,", got, []string{"a", "b", "c", "a", "b", "c", "a", "b", "c"})
			},
		},
		{
			name:    "a disabled webhook takes no turn",
			promise: "and a disabled one is simply not there",
			run: func(x *trial) {
				var disabled []store.Webhook
				for range 30 {
					disabled = append(disabled, x.webhook("a"))
				}
				x.publish("a", 1)
				x.advance(time.Second)
				live := x.webhook("b")
				want := x.fanOut(live, x.publish("b", 1)...)
				for _, w := range disabled {
					x.disable(w)
				}
				x.claims("one active webhook beside thirty disabled ones", want...)
				x.advance(time.Second)
				x.enable(disabled[29])
				x.publish("b", 1)
				equal(x, "the webhook that goes first, and was not enabled just now", x.take().WebhookID, disabled[29].ID)
			},
		},
		{
			name:    "Next",
			promise: nextPromise,
			run: func(x *trial) {
				x.per = 2
				w := x.webhook("a")
				x.idles("a webhook without deliveries")
				x.publish("a", 3)
				x.take()
				x.advance(10 * time.Second)
				second := x.take()
				x.wakesIn("a webhook at its cap, whose first lease ends in 50 s", 50*time.Second+time.Millisecond)
				x.finish(succeed(second), store.FinishAccepted)
				x.finish(retry(x.take(), 30*time.Second), store.FinishAccepted)
				x.wakesIn("a retry in 30 s", 30*time.Second)
				x.per = 9
				x.disable(w)
				x.publishAll(x.testEvent(w))
				test := x.take()
				x.finish(retry(test, 15*time.Second), store.FinishAccepted)
				x.wakesIn("a test of a disabled webhook in 15 s", 15*time.Second)
			},
		},
	}
}

// sortLeases sorts leases by their deliveries.
func sortLeases(lists ...[]store.Lease) {
	for _, ls := range lists {
		slices.SortFunc(ls, func(a, b store.Lease) int {
			if a.DeliveryID < b.DeliveryID {
				return -1
			}
			return 1
		})
	}
}

// idles reports if the store wants to be asked again although nothing waits.
func (x *trial) idles(when string) {
	x.Helper()
	for range endless {
		c := x.claimOnce(10)
		if c.Next < 0 {
			return
		}
		x.advance(c.Next) // a Next that is too short
	}
	x.Errorf("%s: Next is never negative", when)
}

// wakesIn follows Next to a delivery that is claimable in wait, or up to a
// millisecond earlier.
func (x *trial) wakesIn(when string, wait time.Duration) {
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
		x.advance(c.Next)
		wait -= c.Next
	}
	x.fatalf("%s: following Next does not lead to the delivery", when)
}

func rateCases() []testCase {
	// takes reports if not exactly n deliveries are claimable now.
	takes := func(x *trial, when string, n int) []store.Lease {
		x.Helper()
		ls := x.claim(endless)
		equal(x, "number claimed of "+when, len(ls), n)
		return ls
	}
	limited := func(x *trial, rate int) store.Webhook {
		x.Helper()
		x.per = endless
		w := x.newWebhook("a")
		w.RateLimit = rate
		w, err := x.st.CreateWebhook(x.Context(), x.merchant, w, 0)
		x.must(err, "CreateWebhook")
		return w
	}
	return []testCase{
		{
			name:    "to the millisecond",
			promise: "It holds 1000·R of them when the rate is set, and never more. A delivery takes 1000, and whatever is left then grows by R with each millisecond of the store's clock",
			run: func(x *trial) {
				limited(x, 1100)
				x.publish("a", 1115)
				x.advance(time.Hour)
				for range 11 {
					ls := x.claim(100)
					equal(x, "number claimed of a full bucket of 1100, in parts", len(ls), 100)
					x.finishAll(pick(ls, succeed)...)
				}
				takes(x, "an empty bucket", 0)
				x.advance(time.Millisecond)
				takes(x, "a bucket that has gained 1.1 tokens", 1)
				x.advance(9 * time.Millisecond)
				takes(x, "a bucket that had 0.1 tokens left and has gained 9.9", 10)
			},
		},
		{
			name:    "whatever is claimed",
			promise: "Every delivery that Claim takes costs a token: a first try, a retry, a reclaim and a test alike. So a rate holds over all callers, and to wait for it costs no attempt.",
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
						takes(x, "a webhook with two tests", 2)
					}},
					{"a reclaim and another delivery", func(store.Webhook) {
						x.publish("a", 1)
						x.take()
						x.advance(x.lease + time.Millisecond) // The bucket is full again.
						x.publish("a", 1)
						takes(x, "a reclaim and a delivery", 2)
					}},
					{"a claim that is asked for again", func(store.Webhook) {
						x.publish("a", 2)
						ask := store.ClaimRequest{Limit: 1, Lease: x.lease, PerWebhook: x.per, Key: x.id("key")}
						for range 4 {
							x.claimBy(ask)
						}
						takes(x, "a webhook of which one claim was asked for four times", 1)
					}},
				} {
					w := limited(x, 2)
					c.spend(w)
					late := x.fanOut(w, x.publish("a", 1)...)[0]
					takes(x, "a bucket of 2 after "+c.of, 0)
					x.advance(time.Second / 2)
					ls := x.claims("a bucket with one token", late)
					equal(x, "Attempts and Reclaims after the wait", ls[0].Attempts+ls[0].Reclaims, 0)
					x.remove(w)
				}
			},
		},
		{
			name:    "only what is claimed",
			promise: "Every delivery that Claim takes costs a token",
			run: func(x *trial) {
				limited(x, 4)
				x.per = 2
				for range 6 {
					x.claims("a webhook without deliveries")
				}
				x.publish("a", 9)
				ls := takes(x, "a webhook with a cap of 2", 2)
				for range 6 {
					x.claims("a webhook at its cap")
				}
				x.finishAll(succeed(ls[0]), succeed(ls[1]))
				takes(x, "a webhook with room and two tokens", 2)
			},
		},
		{
			name:    "another rate, and other changes",
			promise: "RateLimit fills the bucket anew if it is another rate than before, and changes nothing else. 0 takes the limit away.",
			run: func(x *trial) {
				w := limited(x, 2)
				x.publish("a", 90)
				takes(x, "a bucket of 2", 2)
				x.advance(100 * time.Millisecond)
				x.update(w, store.WebhookUpdate{RateLimit: new(2), URL: new("https://example.com/other")})
				x.disable(w)
				x.publishAll(x.testEvent(w))
				takes(x, "a disabled webhook with a test and without a token", 0)
				x.enable(w)
				x.wakesIn("an empty bucket whose webhook was changed and enabled", 400*time.Millisecond)
				x.update(w, store.WebhookUpdate{RateLimit: new(3)})
				takes(x, "a bucket of another rate", 3)
				x.update(w, store.WebhookUpdate{RateLimit: new(0)})
				takes(x, "a webhook without a rate", 85)
			},
		},
	}
}

func finishCases() []testCase {
	return []testCase{
		{
			name:    "stale",
			promise: stalePromise,
			run: func(x *trial) {
				w, first := x.leased()
				x.advance(x.lease + time.Millisecond)
				second := x.take()
				late := []store.Result{succeed(first), failAt(first, 1), retry(first, 0), release(first, 0)}
				refused := func(when string) {
					x.Helper()
					x.unchanged("late results "+when, func() {
						for _, f := range x.finishAll(late...) {
							same(x, "the answer to a late result "+when, f, store.Finished{State: store.FinishStale})
						}
					})
				}
				refused("of a reclaimed delivery")
				got := x.finishAll(late[0], retry(second, time.Minute), late[1])
				sameList(x, "the states", pick(got, func(f store.Finished) store.FinishState { return f.State }), []store.FinishState{store.FinishStale, store.FinishAccepted, store.FinishStale})
				refused("of a retried delivery")
				x.advance(time.Minute)
				third := x.take()
				late = append(late, retry(second, time.Minute))
				refused("of a delivery that was claimed again")
				x.finish(succeed(third), store.FinishAccepted)
				refused("of an ended delivery")
				x.remove(w)
				x.finish(succeed(third), store.FinishGone)
			},
		},
		{
			name:    "repeated",
			promise: "One that repeats an accepted result answers [FinishRepeated] and changes nothing, however often it is sent, until the delivery is claimed again or pruned; after that it is stale or gone.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 4)
				ls := x.claim(4)
				results := []store.Result{failAt(ls[0], 3), succeed(ls[1]), retry(ls[2], time.Minute), release(ls[3], time.Minute)}
				results[2].Streak, results[3].Fault = store.StreakExtend, true
				x.finishAll(results...)
				x.advance(time.Minute)
				x.unchanged("results that are sent again", func() {
					for range 3 {
						for _, f := range x.finishAll(results...) {
							same(x, "the answer to a repeated result", f, store.Finished{State: store.FinishRepeated})
						}
					}
				})
				x.claims("after repeated results", ls[2].DeliveryID, ls[3].DeliveryID)
				x.unchanged("a repeated result when the delivery is claimed again", func() { x.finish(results[2], store.FinishStale) })
				x.advance(time.Hour)
				x.prune(store.PruneRequest{DeliveryAge: time.Minute})
				x.finish(results[1], store.FinishGone)
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 1)
			},
		},
		{
			name:    "late",
			promise: "Any other result is accepted, even after the lease's end if nobody has claimed since, and even if the webhook was disabled meanwhile.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 4)
				ls := x.claim(4)
				x.disable(w)
				x.advance(3 * x.lease)
				for _, r := range []store.Result{succeed(ls[0]), failAt(ls[1], 1), retry(ls[2], time.Minute), release(ls[3], time.Minute)} {
					equal(x, "Disabled of a result for a disabled webhook", x.finish(r, store.FinishAccepted).Disabled, false)
				}
				same(x, "Stats", x.stats(w), store.Stats{Total: 4, Succeeded: 1, Failed: 1, Pending: 2, Attempts: 3})
				equal(x, "Reclaims after a late result", x.delivery(w, ls[2].DeliveryID).Reclaims, 0)
				equal(x, "DisabledReason", x.read(w).DisabledReason, "by_hand")
			},
		},
		{
			name:    "attempts",
			promise: "Number and At are the store's: Number is Attempts after the increment, At the time of Finish.",
			run: func(x *trial) {
				w, l := x.leased()
				var want []store.Attempt
				for i := range 3 {
					x.advance(time.Second)
					r := retry(l, 0)
					r.Attempt = store.Attempt{
						Number: 99, At: x.now.Add(-time.Hour), Duration: time.Duration(i) * 7 * time.Millisecond,
						StatusCode: 500 + i, Code: nth("code", i), ResponseBody: nth("é body", i),
					}
					x.finish(r, store.FinishAccepted)
					r.Attempt.Number, r.Attempt.At = i+1, x.now
					want = append(want, r.Attempt)
					d := x.delivery(w, l.DeliveryID)
					sameList(x, "the attempts", d.Log, want)
					equal(x, "Attempts", d.Attempts, i+1)
					equal(x, "Code", d.Code, r.Attempt.Code)
					x.finish(release(x.take(), 0), store.FinishAccepted) // leaves no trace in the log
					l = x.take()
				}
			},
		},
		{
			name:    "disabled by failures",
			promise: "DisableAfter, if above 0, disables an active webhook in the same step when StreakExtend brings ConsecutiveFailures to it or beyond and the streak began at least DisableAfterFailingFor ago.",
			run:     disabledByFailures,
		},
		{
			name:    "never disabled",
			promise: "DisableAfter, if above 0, disables an active webhook",
			run: func(x *trial) {
				x.per = endless
				w := x.webhook("a")
				x.publish("a", 30)
				for i, l := range x.claim(30) {
					r := failAt(l, 0)
					if i%5 == 4 {
						r = succeed(l)
					} else if i > 14 {
						r = failAt(l, 6)
					}
					equal(x, "Disabled", x.finish(r, store.FinishAccepted).Disabled, false)
				}
				x.publish("a", 12)
				for _, l := range x.claim(12) {
					x.finish(failAt(l, 0), store.FinishAccepted)
				}
				equal(x, "Status", x.read(w).Status, store.Active)
				equal(x, "number of notices", len(x.notices(9)), 0)
			},
		},
		{
			name:    "of before an enabling",
			promise: "Streak applies only if the webhook's Epoch is still that of the claim, so that a result of before a re-enabling cannot disable it again.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				ls := x.claim(2)
				x.enable(x.disable(w))
				f := x.finish(failAt(ls[0], 1), store.FinishAccepted)
				same(x, "the answer", f, store.Finished{State: store.FinishAccepted})
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 0)
				x.advance(x.lease + time.Millisecond)
				equal(x, "Disabled by a result of a claim since", x.finish(failAt(x.take(), 1), store.FinishAccepted).Disabled, true)
			},
		},
	}
}

// disabledByFailures follows a webhook through two streaks.
func disabledByFailures(x *trial) {
	w := x.webhook("a")
	x.per = endless
	x.publish("a", 30)
	ls := x.claim(30)
	began := x.now
	result := func(i int) store.Result {
		r := failAt(ls[i], 3)
		r.DisableAfterFailingFor = time.Minute
		return r
	}
	standing := func(when string, f store.Finished, want store.Standing) {
		x.Helper()
		if f.Standing == nil {
			x.fatalf("%s: there is no Standing", when)
		}
		same(x, "Standing "+when, *f.Standing, want)
	}
	for i := range 4 { // in no time
		standing("of a short streak", x.finish(result(i), store.FinishAccepted), store.Standing{Active: true, ConsecutiveFailures: i + 1, FailingSince: began})
	}
	x.advance(time.Minute - time.Millisecond)
	equal(x, "Disabled a millisecond too early", x.finish(result(4), store.FinishAccepted).Disabled, false)
	x.advance(time.Millisecond)
	before := x.read(w)
	got := x.finishAll(result(5), result(6), result(7))
	equal(x, "Disabled of the first result of a batch", got[0].Disabled, true)
	equal(x, "Disabled of the next result of a batch", got[1].Disabled, false)
	standing("after the disabling", got[2], store.Standing{ConsecutiveFailures: 8, FailingSince: began, Disablings: 1})
	after := x.read(w)
	equal(x, "Status", after.Status, store.Disabled)
	equal(x, "DisabledReason", after.DisabledReason, "too_many_failures")
	equal(x, "DisabledAt", show(after.DisabledAt), show(x.now))
	equal(x, "Version", after.Version, before.Version+1)
	ns := x.notices(9)
	equal(x, "number of notices", len(ns), 1)
	same(x, "the notice", ns[0].Notice, store.Notice{
		Kind: store.NoticeDisabled, MerchantID: x.merchant, WebhookID: w.ID, URL: w.URL, Reason: "too_many_failures",
		Failures: 6, DisableAfter: 3, Since: began, At: x.now,
	}, "ID")
	x.advance(2 * x.lease)
	equal(x, "FailingSince of an enabled webhook", show(x.enable(w).FailingSince), show(began))
	ls = x.claim(30)
	standing("of the first success", x.finish(succeed(ls[0]), store.FinishAccepted), store.Standing{Active: true, FailingSince: began, Disablings: 1})
	x.finish(result(1), store.FinishAccepted)
	x.advance(time.Minute)
	x.finishAll(result(2), succeed(ls[3]), result(4))
	equal(x, "FailingSince of a streak that began in a batch", show(x.read(w).FailingSince), show(x.now))
	equal(x, "number of notices of the second streak", len(x.notices(9)), 0)
	x.finishAll(result(5), result(6), result(7))
	x.advance(time.Minute)
	x.finish(result(8), store.FinishAccepted)
	again := x.notices(9)
	equal(x, "number of notices of the second disabling", len(again), 1)
	if again[0].ID == ns[0].ID {
		x.Errorf("the id %q of a notice is used again", ns[0].ID)
	}
	equal(x, "Disablings", x.read(w).Disablings, 2)
}
