package storetest

import (
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func streakCases() []testCase {
	return []testCase{
		{
			name:    "same, reset, extend",
			promise: "A result leaves the streak alone, ends it or makes it longer.",
			run: func(x *trial) {
				w := x.webhook("a")
				want := 0
				for _, step := range []struct {
					outcome store.Outcome
					streak  store.Streak
				}{
					{store.Failed, store.StreakExtend},
					{store.Failed, store.StreakExtend},
					{store.Failed, store.StreakSame},
					{store.Succeeded, store.StreakSame},
					{store.Retry, store.StreakSame},
					{store.Failed, store.StreakExtend},
					{store.Succeeded, store.StreakReset},
					{store.Failed, store.StreakReset},
					{store.Retry, store.StreakExtend},
					{store.Retry, store.StreakExtend},
					{store.Retry, store.StreakReset},
					{store.Failed, store.StreakExtend},
				} {
					x.publish("a", 1)
					l := x.take()
					r := settle(l, step.outcome)
					r.Streak, r.Delay = step.streak, time.Hour
					x.finish(r, store.FinishAccepted)
					switch step.streak {
					case store.StreakReset:
						want = 0
					case store.StreakExtend:
						want++
					case store.StreakSame:
					}
					equal(x, fmt.Sprintf("ConsecutiveFailures after %+v", step), x.read(w).ConsecutiveFailures, want)
				}
			},
		},
		{
			name:    "disables exactly at the threshold",
			promise: "DisableAfter, if above 0, disables an active webhook in the same step when StreakExtend brings ConsecutiveFailures to it, with DisableReason, and adds one [Notice].",
			run: func(x *trial) {
				w := x.webhook("a")
				waiting := x.publish("a", 12)
				for i := range 10 {
					x.advance(time.Second)
					f := x.finish(failAt(x.take(), 10), store.FinishAccepted)
					equal(x, nth("Disabled of failure", i+1), f.Disabled, i == 9)
					now := x.read(w)
					equal(x, nth("ConsecutiveFailures after failure", i+1), now.ConsecutiveFailures, i+1)
					if want := store.Active; i < 9 {
						equal(x, nth("Status after failure", i+1), now.Status, want)
					}
				}
				same(x, "the disabled webhook", x.read(w), store.Webhook{
					ID: w.ID, MerchantID: x.merchant, URL: w.URL, Events: w.Events, Status: store.Disabled,
					DisabledReason: "too_many_failures", DisabledAt: x.now, Secret: w.Secret, Encoding: w.Encoding,
					ConsecutiveFailures: 10, Epoch: 1, CreatedAt: w.CreatedAt,
				}, "Version", "UpdatedAt")
				x.noticed(x.disabling(w, 1, "too_many_failures", 10, x.now.Add(-9*time.Second)))
				equal(x, "Pending of the disabled webhook", x.stats(w).Pending, int64(len(waiting)-10))
				x.claims("a webhook that its failures disabled")
				x.publish("a", 1)
				equal(x, "Total after an event for the disabled webhook", x.stats(w).Total, int64(len(waiting)))
			},
		},
		{
			name:    "success in between",
			promise: "when StreakExtend brings ConsecutiveFailures to it",
			run: func(x *trial) {
				w := x.webhook("a")
				for range 3 {
					x.ended(w, func(l store.Lease) store.Result { return failAt(l, 3) })
					x.ended(w, func(l store.Lease) store.Result { return failAt(l, 3) })
					x.ended(w, succeed)
				}
				equal(x, "Status after six failures in pairs", x.read(w).Status, store.Active)
				x.noticed()
			},
		},
		{
			name:    "attempts count",
			promise: "StreakExtend brings ConsecutiveFailures to it … The webhook's other deliveries stay pending.",
			run: func(x *trial) {
				w, l, _ := x.leased()
				for i := range 3 {
					r := retry(l, 0)
					r.Streak, r.DisableAfter, r.DisableReason = store.StreakExtend, 3, "tries"
					equal(x, nth("Disabled of try", i+1), x.finish(r, store.FinishAccepted).Disabled, i == 2)
					if i < 2 {
						l = x.take()
					}
				}
				equal(x, "DisabledReason", x.read(w).DisabledReason, "tries")
				equal(x, "Status of the delivery", x.delivery(w, l.DeliveryID).Status, store.DeliveryPending)
				x.claims("a delivery that is paused")
				x.noticed(x.disabling(w, 1, "tries", 3, x.now))
				x.enable(w)
				equal(x, "Attempts of the delivery that goes on", x.take().Attempts, 3)
			},
		},
		{
			name:    "never",
			promise: "DisableAfter, if above 0, disables",
			run: func(x *trial) {
				w := x.webhook("a")
				for range 30 {
					x.ended(w, fail)
				}
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 30)
				equal(x, "Status", x.read(w).Status, store.Active)
				x.noticed()
			},
		},
		{
			name:    "only an active webhook",
			promise: "disables an active webhook in the same step … so that one transition has one notice",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 6)
				ls := x.claim(6)
				x.finish(failAt(ls[0], 3), store.FinishAccepted)
				x.finish(failAt(ls[1], 3), store.FinishAccepted)
				equal(x, "Disabled of the third failure", x.finish(failAt(ls[2], 3), store.FinishAccepted).Disabled, true)
				before := x.read(w)
				x.advance(time.Second)
				for i, l := range ls[3:5] {
					equal(x, nth("Disabled of failure", i+4), x.finish(failAt(l, 3), store.FinishAccepted).Disabled, false)
				}
				same(x, "the disabled webhook", x.read(w), before, "ConsecutiveFailures")
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 5)
				x.finish(succeed(ls[5]), store.FinishAccepted)
				equal(x, "ConsecutiveFailures after a success", x.read(w).ConsecutiveFailures, 0)
				equal(x, "Status after a success", x.read(w).Status, store.Disabled)
				equal(x, "number of notices", len(x.noticesNow()), 1)
			},
		},
		{
			name:    "two in one batch",
			promise: "disables an active webhook in the same step … this result disabled the webhook",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 4)
				ls := x.claim(4)
				x.finish(failAt(ls[0], 2), store.FinishAccepted)
				got := x.finishAll(failAt(ls[1], 2), failAt(ls[2], 2), failAt(ls[3], 2))
				sameList(x, "the answers", got, []store.Finished{
					{State: store.FinishAccepted, Disabled: true}, {State: store.FinishAccepted}, {State: store.FinishAccepted},
				})
				x.noticed(x.disabling(w, 1, "too_many_failures", 2, x.now))
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 4)
			},
		},
		{
			name:    "again after enabling",
			promise: "NoticeID derives the id of a notice from the transition that it is about, so that one transition has one notice. Failures disable a webhook once in an epoch",
			run: func(x *trial) {
				w := x.webhook("a")
				for epoch := range int64(3) {
					var f store.Finished
					for range 2 {
						x.publish("a", 1)
						f = x.finish(failAt(x.take(), 2), store.FinishAccepted)
					}
					equal(x, "Disabled of the second failure", f.Disabled, true)
					x.noticed(x.disabling(w, epoch+1, "too_many_failures", 2, x.now))
					x.advance(time.Second)
					x.enable(w)
				}
			},
		},
	}
}

// noticesNow claims all notices and acknowledges them.
func (x *trial) noticesNow() []store.Notice {
	x.Helper()
	ns, err := x.st.ClaimNotices(x.Context(), endless, time.Minute)
	x.must(err, "ClaimNotices")
	for _, n := range ns {
		x.must(x.st.AckNotice(x.Context(), n.MerchantID, n.ID), "AckNotice")
	}
	return pick(ns, func(n store.NoticeLease) store.Notice { return n.Notice })
}

// noticed reports if the notices that wait are not those, and acknowledges them.
func (x *trial) noticed(want ...store.Notice) {
	x.Helper()
	sameList(x, "the notices", x.noticesNow(), want)
}

// disabling is the notice that failures disable w now. Their streak began at since.
func (x *trial) disabling(w store.Webhook, epoch int64, reason string, failures int, since time.Time) store.Notice {
	return store.Notice{
		ID: store.NoticeID(store.NoticeDisabled, w.ID, epoch, 0), Kind: store.NoticeDisabled,
		MerchantID: x.merchant, WebhookID: w.ID, URL: w.URL,
		Reason: reason, Failures: failures, DisableAfter: failures, Since: since, At: x.now,
	}
}
