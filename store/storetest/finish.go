package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func finishCases() []testCase {
	return []testCase{
		{
			name:    "success",
			promise: "An accepted result with an outcome other than [Released] appends the attempt, adds 1 to Attempts, and sets the delivery's and the webhook's counters, status and streak in the same step",
			run: func(x *trial) {
				w, l, d := x.leased()
				x.advance(time.Second)
				same(x, "the answer", x.finish(succeed(l), store.FinishAccepted), store.Finished{State: store.FinishAccepted})
				d.Status, d.Attempts, d.StatusCode, d.ResponseBody, d.Leased = store.DeliverySucceeded, 1, 200, "thanks", false
				d.LastAttemptAt, d.DeliveredAt, d.FinishedAt = x.now, x.now, x.now
				d.Log = []store.Attempt{{Number: 1, At: x.now, Duration: 120 * time.Millisecond, StatusCode: 200, ResponseBody: "thanks"}}
				same(x, "the delivery", x.delivery(w, d.ID), d, "DueAt")
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Succeeded: 1, Attempts: 1})
				x.advance(2 * x.lease)
				x.claims("what succeeded")
			},
		},
		{
			name:    "failure",
			promise: "terminal … StatusCode, Error and ResponseBody are those of the last one",
			run: func(x *trial) {
				w, l, d := x.leased()
				x.advance(time.Second)
				same(x, "the answer", x.finish(fail(l), store.FinishAccepted), store.Finished{State: store.FinishAccepted})
				d.Status, d.Attempts, d.StatusCode, d.Error, d.ResponseBody, d.Leased = store.DeliveryFailed, 1, 500, "status", "sorry", false
				d.LastAttemptAt, d.FinishedAt = x.now, x.now
				d.Log = []store.Attempt{{Number: 1, At: x.now, Duration: 30 * time.Millisecond, StatusCode: 500, Error: "status", ResponseBody: "sorry"}}
				same(x, "the delivery", x.delivery(w, d.ID), d, "DueAt")
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Failed: 1, Attempts: 1})
				x.advance(2 * x.lease)
				x.claims("what failed")
			},
		},
		{
			name:    "retry",
			promise: "pending again, due after Result.Delay",
			run: func(x *trial) {
				w, l, d := x.leased()
				x.advance(time.Second)
				same(x, "the answer", x.finish(retry(l, time.Minute), store.FinishAccepted), store.Finished{State: store.FinishAccepted})
				d.Attempts, d.Error, d.Leased, d.DueAt, d.LastAttemptAt = 1, "timeout", false, x.now.Add(time.Minute), x.now
				d.Log = []store.Attempt{{Number: 1, At: x.now, Duration: 10 * time.Second, Error: "timeout"}}
				same(x, "the delivery", x.delivery(w, d.ID), d)
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Pending: 1, Attempts: 1})
				x.advance(time.Minute)
				again := x.take()
				equal(x, "Attempts of the next lease", again.Attempts, 1)
				equal(x, "Reclaims of the next lease", again.Reclaims, 0)
			},
		},
		{
			name:    "release",
			promise: "pending again, due after Result.Delay; no attempt was made",
			run: func(x *trial) {
				w, l, d := x.leased()
				x.advance(time.Second)
				r := release(l, time.Minute)
				r.Attempt = store.Attempt{StatusCode: 500, Error: "ignored", ResponseBody: "ignored"}
				same(x, "the answer", x.finish(r, store.FinishAccepted), store.Finished{State: store.FinishAccepted})
				d.Leased, d.DueAt = false, x.now.Add(time.Minute)
				same(x, "the delivery", x.delivery(w, d.ID), d)
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Pending: 1})
				x.advance(time.Minute)
				again := x.take()
				equal(x, "Attempts of the next lease", again.Attempts, 0)
				equal(x, "Reclaims of the next lease", again.Reclaims, 0)
				equal(x, "Token of the next lease", again.Token, l.Token+1)
			},
		},
		{
			name:    "release for a fault",
			promise: "for Released: adds 1 to Reclaims",
			run: func(x *trial) {
				w, l, d := x.leased()
				r := release(l, 0)
				r.Fault = true
				x.finish(r, store.FinishAccepted)
				d.Leased, d.Reclaims, d.DueAt = false, 1, x.now
				same(x, "the delivery", x.delivery(w, d.ID), d)
				l = x.take()
				equal(x, "Reclaims of the next lease", l.Reclaims, 1)
				x.advance(x.lease + time.Millisecond)
				l = x.take()
				equal(x, "Reclaims after another lease ended without a result", l.Reclaims, 2)
				r = release(l, 0)
				x.finish(r, store.FinishAccepted)
				equal(x, "Reclaims after a release without a fault", x.take().Reclaims, 2)
			},
		},
		{
			name:    "attempts log",
			promise: "Number and At are the store's: Number is Attempts after the increment, At the time of Finish. … Delivery returns one delivery with its attempts, oldest first",
			run: func(x *trial) {
				w, l, _ := x.leased()
				var want []store.Attempt
				for i := range 4 {
					x.advance(time.Second)
					r := retry(l, 0)
					if i == 3 {
						r = succeed(l)
					}
					r.Attempt = store.Attempt{
						Number: 99, At: x.now.Add(-time.Hour), Duration: time.Duration(i) * 7 * time.Millisecond,
						StatusCode: 500 + i, Error: nth("code", i), ResponseBody: nth("é body", i),
					}
					x.finish(r, store.FinishAccepted)
					a := r.Attempt
					a.Number, a.At = i+1, x.now
					want = append(want, a)
					d := x.delivery(w, l.DeliveryID)
					sameList(x, "the attempts", d.Log, want)
					equal(x, "Attempts", d.Attempts, i+1)
					equal(x, "StatusCode", d.StatusCode, a.StatusCode)
					equal(x, "Error", d.Error, a.Error)
					equal(x, "ResponseBody", d.ResponseBody, a.ResponseBody)
					equal(x, "LastAttemptAt", show(d.LastAttemptAt), show(x.now))
					equal(x, "Stats.Attempts", x.stats(w).Attempts, int64(i+1))
					if i == 3 {
						continue
					}
					l = x.take()
					x.finish(release(l, 0), store.FinishAccepted) // leaves no trace in the log
					l = x.take()
				}
			},
		},
		{
			name:    "late but unclaimed",
			promise: "Any other result is accepted, even after the lease's end if nobody has claimed since",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 4)
				ls := x.claim(4)
				x.advance(3 * x.lease)
				x.finish(succeed(ls[0]), store.FinishAccepted)
				x.finish(fail(ls[1]), store.FinishAccepted)
				x.finish(retry(ls[2], time.Minute), store.FinishAccepted)
				x.finish(release(ls[3], time.Minute), store.FinishAccepted)
				for i, l := range ls {
					d := x.delivery(w, l.DeliveryID)
					equal(x, "Reclaims after a late result", d.Reclaims, 0)
					equal(x, nth("Attempts of lease", i), d.Attempts, []int{1, 1, 1, 0}[i])
				}
				same(x, "Stats", x.stats(w), store.Stats{Total: 4, Succeeded: 1, Failed: 1, Pending: 2, Attempts: 3})
				x.claims("after the late results")
				x.advance(time.Minute)
				x.claims("a minute later", ls[2].DeliveryID, ls[3].DeliveryID)
			},
		},
		{
			name:    "repeated",
			promise: "One that repeats an accepted result answers [FinishRepeated] and changes nothing, however often it is sent.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 4)
				ls := x.claim(4)
				results := []store.Result{failAt(ls[0], 3), succeed(ls[1]), retry(ls[2], time.Minute), release(ls[3], time.Minute)}
				results[2].Streak = store.StreakExtend
				results[3].Fault = true
				x.finishAll(results...)
				x.advance(time.Second)
				x.unchanged("results sent again", func() {
					for range 4 {
						for i, f := range x.finishAll(results...) {
							same(x, nth("the answer to repeated result", i), f, store.Finished{State: store.FinishRepeated})
						}
					}
				})
				x.advance(time.Minute)
				x.unchanged("results sent again when the delivery is due", func() { x.finishAll(results...) })
				x.claims("after repeated results", ls[2].DeliveryID, ls[3].DeliveryID)
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 1)
			},
		},
		{
			name:    "another result for a settled lease",
			promise: "A result is accepted once.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 3)
				ls := x.claim(3)
				x.finishAll(succeed(ls[0]), fail(ls[1]), retry(ls[2], time.Hour))
				x.unchanged("other results for settled leases", func() {
					for _, l := range ls {
						for i, f := range x.finishAll(failAt(l, 1), succeed(l), retry(l, 0), release(l, 0)) {
							if f.State == store.FinishAccepted || f.Disabled {
								x.Errorf("%s for a settled lease answers %s", nth("result", i), show(f))
							}
						}
					}
				})
				equal(x, "Succeeded", x.stats(w).Succeeded, 1)
				x.claims("after other results")
			},
		},
		{
			name:    "batch",
			promise: "Results are independent of each other and the answers are in their order.",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("a")
				x.publish("a", 2)
				ls := x.claim(4)
				unknown := ls[0]
				unknown.DeliveryID = store.DeliveryID(x.merchant, "no such event", w.ID, "")
				future := ls[1]
				future.Token++
				got := x.finishAll(succeed(unknown), succeed(ls[0]), succeed(future), retry(ls[1], 0), fail(ls[2]), fail(ls[2]), fail(ls[3]))
				want := []store.FinishState{
					store.FinishGone, store.FinishAccepted, store.FinishStale, store.FinishAccepted,
					store.FinishAccepted, store.FinishRepeated, store.FinishAccepted,
				}
				sameList(x, "the states", pick(got, func(f store.Finished) store.FinishState { return f.State }), want)
				a, b := x.stats(w), x.stats(other)
				equal(x, "Succeeded of both webhooks", a.Succeeded+b.Succeeded, 1)
				equal(x, "Failed of both webhooks", a.Failed+b.Failed, 2)
				equal(x, "Pending of both webhooks", a.Pending+b.Pending, 1)
				equal(x, "number of answers to an empty batch", len(x.finishAll()), 0)
			},
		},
		{
			name:    "gone",
			promise: "A delivery that is not there any more answers [FinishGone].",
			run: func(x *trial) {
				w, l, _ := x.leased()
				x.finish(succeed(l), store.FinishAccepted)
				x.advance(time.Hour)
				_, err := x.st.Prune(x.Context(), store.PruneRequest{DeliveryAge: time.Minute, Limit: 10})
				x.must(err, "Prune")
				x.finish(succeed(l), store.FinishGone)
				x.publish("a", 1)
				l = x.take()
				x.remove(w)
				for _, r := range []store.Result{succeed(l), fail(l), retry(l, 0), release(l, 0)} {
					x.finish(r, store.FinishGone)
				}
				x.claims("after the webhook was deleted")
			},
		},
	}
}

// leased publishes and claims one delivery.
func (x *trial) leased() (store.Webhook, store.Lease, store.Delivery) {
	x.Helper()
	w := x.webhook("a")
	x.publish("a", 1)
	l := x.take()
	return w, l, x.delivery(w, l.DeliveryID)
}
