package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func interleavingCases() []testCase {
	cases := []testCase{
		{
			name:    "reclaimed twice",
			promise: stalePromise,
			run: func(x *trial) {
				w, first, _ := x.leased()
				x.advance(x.lease + time.Millisecond)
				second := x.take()
				x.advance(x.lease + time.Millisecond)
				third := x.take()
				x.unchanged("two late results", func() {
					x.finish(fail(first), store.FinishStale)
					x.finish(succeed(second), store.FinishStale)
				})
				x.finish(retry(third, 0), store.FinishAccepted)
				equal(x, "Attempts", x.delivery(w, third.DeliveryID).Attempts, 1)
			},
		},
		{
			name:    "late result for a retried delivery",
			promise: stalePromise,
			run: func(x *trial) {
				_, first, _ := x.leased()
				x.advance(x.lease + time.Millisecond)
				second := x.take()
				x.finish(retry(second, time.Hour), store.FinishAccepted)
				x.unchanged("a late result of the first lease", func() { x.finish(succeed(first), store.FinishStale) })
				x.advance(time.Hour)
				third := x.take()
				x.unchanged("late results of earlier leases", func() {
					x.finish(succeed(first), store.FinishStale)
					if f := x.finishAll(retry(second, 0))[0]; f.State != store.FinishStale && f.State != store.FinishRepeated {
						x.Errorf("Finish repeats the result of an earlier lease: answer is %s, want %s or %s", f.State, store.FinishStale, store.FinishRepeated)
					}
				})
				x.finish(succeed(third), store.FinishAccepted)
			},
		},
		{
			name:    "late result for an ended delivery",
			promise: stalePromise,
			run: func(x *trial) {
				_, first, _ := x.leased()
				x.advance(x.lease + time.Millisecond)
				x.finish(succeed(x.take()), store.FinishAccepted)
				x.unchanged("late results of the first lease", func() {
					x.finish(failAt(first, 1), store.FinishStale)
					x.finish(retry(first, 0), store.FinishStale)
					x.finish(release(first, 0), store.FinishStale)
				})
				x.advance(2 * x.lease)
				x.claims("a delivery that succeeded")
			},
		},
		{
			name:    "stale and current in one batch",
			promise: stalePromise,
			run: func(x *trial) {
				w, first, _ := x.leased()
				x.advance(x.lease + time.Millisecond)
				second := x.take()
				got := x.finishAll(failAt(first, 1), succeed(second), failAt(first, 1))
				sameList(x, "the answers", got, []store.Finished{{State: store.FinishStale}, {State: store.FinishAccepted}, {State: store.FinishStale}})
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Succeeded: 1, Attempts: 1})
				equal(x, "Status of the webhook", x.read(w).Status, store.Active)
			},
		},
		{
			name:    "disabled between claim and finish",
			promise: "Any other result is accepted … even if the webhook was disabled meanwhile.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 3)
				ls := x.claim(3)
				x.disable(w)
				x.finish(succeed(ls[0]), store.FinishAccepted)
				f := x.finish(failAt(ls[1], 1), store.FinishAccepted)
				equal(x, "Disabled of a failure of a disabled webhook", f.Disabled, false)
				x.finish(retry(ls[2], 0), store.FinishAccepted)
				same(x, "Stats", x.stats(w), store.Stats{Total: 3, Succeeded: 1, Failed: 1, Pending: 1, Attempts: 3})
				x.claims("the retry of a disabled webhook")
				equal(x, "DisabledReason", x.read(w).DisabledReason, "by_hand")
				x.noticed()
				x.enable(w)
				x.claims("the retry once it is enabled", ls[2].DeliveryID)
			},
		},
		{
			name:    "enabled between claim and finish",
			promise: "Streak applies only if the webhook's Epoch is still that of the claim, so that a result of before a re-enabling cannot disable it again.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 6)
				ls := x.claim(4)
				x.finish(failAt(ls[0], 1), store.FinishAccepted)
				x.enable(w)
				before := x.read(w)
				f := x.finish(failAt(ls[1], 1), store.FinishAccepted)
				equal(x, "Disabled of a failure from before the webhook was enabled", f.Disabled, false)
				x.finish(failAt(ls[2], 1), store.FinishAccepted)
				same(x, "the webhook after failures from before it was enabled", x.read(w), before)
				current := x.claim(2)
				x.finish(failAt(current[0], 2), store.FinishAccepted)
				equal(x, "ConsecutiveFailures after a failure of now", x.read(w).ConsecutiveFailures, 1)
				x.finish(succeed(ls[3]), store.FinishAccepted)
				equal(x, "ConsecutiveFailures after a success from before", x.read(w).ConsecutiveFailures, 1)
				equal(x, "Disabled of the second failure of now", x.finish(failAt(current[1], 2), store.FinishAccepted).Disabled, true)
				same(x, "Stats", x.stats(w), store.Stats{Total: 6, Succeeded: 1, Failed: 5, Attempts: 6})
			},
		},
		{
			name:    "enabled between lease and reclaim",
			promise: "Streak applies only if the webhook's Epoch is still that of the claim",
			run: func(x *trial) {
				w, _, _ := x.leased()
				x.disable(w)
				x.advance(2 * x.lease)
				x.enable(w)
				x.finish(failAt(x.take(), 1), store.FinishAccepted)
				equal(x, "Status after a failure of a lease of now", x.read(w).Status, store.Disabled)
				x.noticed(x.disabling(w, 2, "too_many_failures", 1, x.now))
			},
		},
		{
			name:    "updated between claim and finish",
			promise: "Version counts changes by CreateWebhook and UpdateWebhook, from 1, and changes when Finish disables the webhook.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				ls := x.claim(2)
				now := x.update(w, store.WebhookUpdate{URL: new("https://example.com/new"), Events: []string{"b"}})
				x.finish(fail(ls[0]), store.FinishAccepted)
				now.ConsecutiveFailures = 1
				same(x, "the webhook that changed while it was delivered to", x.read(w), now)
				f := x.finish(failAt(ls[1], 2), store.FinishAccepted)
				equal(x, "Disabled", f.Disabled, true)
				x.noticed(x.disabling(now, 1, "too_many_failures", 2, x.now))
				_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{IfVersion: now.Version, URL: new("https://example.com/3")})
				x.fails("UpdateWebhook with the version from before it was disabled", err, store.ErrVersion)
			},
		},
	}
	for _, late := range []struct {
		name   string
		result func(store.Lease) store.Result
	}{
		{"success", succeed},
		{"failure", func(l store.Lease) store.Result { return failAt(l, 1) }},
		{"retry", func(l store.Lease) store.Result {
			r := retry(l, 0)
			r.Streak, r.DisableAfter = store.StreakExtend, 1
			return r
		}},
		{"release", func(l store.Lease) store.Result {
			r := release(l, 0)
			r.Fault = true
			return r
		}},
	} {
		cases = append(cases, testCase{
			name:    "late " + late.name + " of a reclaimed delivery",
			promise: stalePromise,
			run: func(x *trial) {
				x.per = 1
				w, first, _ := x.leased()
				x.ended(x.webhook("b"), succeed)
				x.advance(x.lease + time.Millisecond)
				second := x.take()
				x.advance(time.Second)
				x.unchanged("the late result", func() {
					same(x, "the answer to it", x.finish(late.result(first), store.FinishStale), store.Finished{State: store.FinishStale})
				})
				x.claims("while the second has it")
				x.advance(x.lease - time.Second - time.Millisecond)
				x.claims("until the second lease ends")
				x.finish(succeed(second), store.FinishAccepted)
				d := x.delivery(w, first.DeliveryID)
				equal(x, "Status", d.Status, store.DeliverySucceeded)
				equal(x, "Attempts", d.Attempts, 1)
				equal(x, "Reclaims", d.Reclaims, 1)
				same(x, "Stats", x.stats(w), store.Stats{Total: 1, Succeeded: 1, Attempts: 1})
				x.noticed()
			},
		})
	}
	return cases
}

const stalePromise = "A result whose Token is not the delivery's current one answers [FinishStale] and changes nothing."
