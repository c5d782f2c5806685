package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const warnPromise = "WarnAfter, if above 0, adds a warning in the same step when StreakExtend brings ConsecutiveFailures of an active webhook to it, unless the same result disables it."

const recoveryPromise = "StreakReset of an active webhook that has been warned of or disabled by its failures since its last recovery adds one notice of a recovery."

func warningCases() []testCase {
	return []testCase{
		{
			name:    "at the mark",
			promise: warnPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				began := x.now
				x.ended(w, x.warning(2, 4, 0))
				x.noticed()
				x.advance(time.Second)
				x.publish("a", 1)
				r := x.warning(2, 4, 0)(x.take())
				equal(x, "Disabled of a failure that warns", x.finish(r, store.FinishAccepted).Disabled, false)
				x.finish(r, store.FinishRepeated)
				equal(x, "Version", x.read(w).Version, w.Version)
				at := x.now
				x.advance(time.Second)
				x.ended(w, x.warning(2, 4, 0))
				x.update(w, store.WebhookUpdate{URL: new("https://example.com/new")})
				x.noticed(store.Notice{
					ID: store.NoticeID(store.NoticeWarning, w.ID, 1, 0), Kind: store.NoticeWarning,
					MerchantID: x.merchant, WebhookID: w.ID, URL: w.URL, Failures: 2, DisableAfter: 4, Since: began, At: at,
				})
			},
		},
		{
			name:    "one for a streak",
			promise: "A streak has one warning … so that one transition has one notice",
			run: func(x *trial) {
				w := x.webhook("a")
				for range 4 {
					x.ended(w, x.warning(2, 0, 0))
				}
				x.ended(w, succeed)
				for range 3 {
					x.ended(w, x.warning(2, 0, 0))
				}
				x.kinds("two streaks", w,
					store.NoticeID(store.NoticeWarning, w.ID, 1, 0), store.NoticeID(store.NoticeRecovered, w.ID, 1, 0),
					store.NoticeID(store.NoticeWarning, w.ID, 1, 1))
			},
		},
		{
			name:    "begins anew",
			promise: "Since is when the streak began.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, x.warning(2, 0, 0))
				x.advance(time.Second)
				began := x.now
				x.publish("a", 3)
				ls := x.claim(3)
				x.finishAll(succeed(ls[0]), x.warning(2, 0, 0)(ls[1]))
				x.advance(time.Second)
				x.finish(x.warning(2, 0, 0)(ls[2]), store.FinishAccepted)
				x.noticed(store.Notice{
					ID: store.NoticeID(store.NoticeWarning, w.ID, 1, 0), Kind: store.NoticeWarning,
					MerchantID: x.merchant, WebhookID: w.ID, URL: w.URL, Failures: 2, Since: began, At: x.now,
				})
			},
		},
		{
			name:    "pause",
			promise: "a webhook none for WarnPause after the last one",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, x.warning(1, 0, time.Hour))
				x.ended(w, succeed)
				x.advance(time.Hour - time.Millisecond)
				x.ended(w, x.warning(1, 0, time.Hour))
				x.ended(w, succeed)
				x.kinds("an hour", w, store.NoticeID(store.NoticeWarning, w.ID, 1, 0), store.NoticeID(store.NoticeRecovered, w.ID, 1, 0))
				x.ended(w, x.warning(1, 0, time.Hour))
				x.noticed()
				x.advance(time.Millisecond)
				x.ended(w, x.warning(1, 0, time.Hour))
				x.kinds("a streak that outlasts the pause", w, store.NoticeID(store.NoticeWarning, w.ID, 1, 1))
			},
		},
		{
			name:    "none with the last straw",
			promise: "unless the same result disables it",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, x.warning(2, 2, 0))
				x.ended(w, x.warning(2, 2, 0))
				x.noticed(x.disabling(w, 1, "too_many_failures", 2, x.now))
				x.enable(w)
				x.publish("a", 3)
				ls := x.claim(3)
				x.finish(failAt(ls[0], 1), store.FinishAccepted)
				x.noticesNow()
				x.finish(x.warning(1, 0, 0)(ls[1]), store.FinishAccepted)
				x.noticed()
			},
		},
		{
			name:    "in one batch",
			promise: warnPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 5)
				ls := x.claim(5)
				x.finishAll(pick(ls, x.warning(2, 5, 0))...)
				x.kinds("five failures", w, store.NoticeID(store.NoticeWarning, w.ID, 1, 0), store.NoticeID(store.NoticeDisabled, w.ID, 1, 0))
			},
		},
		{
			name:    "never",
			promise: "WarnAfter, if above 0, adds",
			run: func(x *trial) {
				w := x.webhook("a")
				for range 9 {
					x.ended(w, x.warning(0, 10, 0))
				}
				x.ended(w, succeed)
				x.noticed()
			},
		},
		{
			name:    "again after enabling",
			promise: "A streak has one warning … so that one transition has one notice",
			run: func(x *trial) {
				w := x.webhook("a")
				began := x.now
				for epoch := range int64(2) {
					for range 3 {
						x.ended(w, x.warning(2, 3, 0))
					}
					x.kinds("a streak", w, store.NoticeID(store.NoticeWarning, w.ID, epoch+1, 0), store.NoticeID(store.NoticeDisabled, w.ID, epoch+1, 0))
					x.advance(time.Second)
					x.enable(w)
				}
				x.ended(w, succeed)
				x.noticed(x.recovered(w, 3, 0, began))
			},
		},
		{
			name:    "recovered",
			promise: recoveryPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				for round := range int64(2) {
					x.ended(w, succeed)
					x.ended(w, x.warning(2, 0, 0))
					x.ended(w, succeed)
					x.noticed()
					x.advance(time.Second)
					began := x.now
					x.ended(w, x.warning(2, 0, 0))
					x.advance(time.Second)
					x.ended(w, x.warning(2, 0, 0))
					x.noticesNow()
					x.advance(time.Second)
					x.ended(w, succeed)
					x.noticed(x.recovered(w, 1, round, began))
				}
			},
		},
		{
			name:    "recovered after enabling",
			promise: recoveryPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				began := x.now
				x.publish("a", 2)
				ls := x.claim(2)
				x.finish(failAt(ls[0], 1), store.FinishAccepted)
				x.noticesNow()
				x.finish(succeed(ls[1]), store.FinishAccepted)
				x.noticed()
				x.advance(time.Second)
				x.enable(w)
				x.noticed()
				x.ended(w, fail)
				x.noticed()
				x.ended(w, succeed)
				x.noticed(x.recovered(w, 2, 0, began))
				x.ended(w, succeed)
				x.noticed()
			},
		},
		{
			name:    "by hand",
			promise: recoveryPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, x.warning(3, 0, 0))
				x.disable(w)
				x.enable(w)
				x.ended(w, succeed)
				x.noticed()
			},
		},
		{
			name:    "results of before",
			promise: "Streak applies only if the webhook's Epoch is still that of the claim",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 4)
				ls := x.claim(4)
				x.finish(failAt(ls[0], 1), store.FinishAccepted)
				x.noticesNow()
				x.enable(w)
				x.finish(x.warning(1, 0, 0)(ls[1]), store.FinishAccepted)
				x.finish(succeed(ls[2]), store.FinishAccepted)
				x.noticed()
			},
		},
		{
			name:    "of a deleted webhook",
			promise: "DeleteWebhook forgets the webhook with its deliveries, stats and notices.",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("b")
				for _, w := range []store.Webhook{w, other} {
					x.ended(w, x.warning(1, 0, 0))
					x.ended(w, succeed)
				}
				x.remove(w)
				x.kinds("the webhook that is left", other,
					store.NoticeID(store.NoticeWarning, other.ID, 1, 0), store.NoticeID(store.NoticeRecovered, other.ID, 1, 0))
			},
		},
	}
}

// warning is failAt, and warns at a streak of warn.
func (x *trial) warning(warn, disable int, pause time.Duration) func(store.Lease) store.Result {
	return func(l store.Lease) store.Result {
		r := failAt(l, disable)
		r.WarnAfter, r.WarnPause = warn, pause
		return r
	}
}

// recovered is the notice that w is well again now.
func (x *trial) recovered(w store.Webhook, epoch, round int64, since time.Time) store.Notice {
	return store.Notice{
		ID: store.NoticeID(store.NoticeRecovered, w.ID, epoch, round), Kind: store.NoticeRecovered,
		MerchantID: x.merchant, WebhookID: w.ID, URL: w.URL, Since: since, At: x.now,
	}
}

// kinds reports if the notices that wait are not those of w, in any order, and
// acknowledges them.
func (x *trial) kinds(after string, w store.Webhook, want ...string) {
	x.Helper()
	got := map[string]string{}
	for _, n := range x.noticesNow() {
		if n.WebhookID == w.ID {
			got[n.ID] = string(n.Kind)
		}
		equal(x, "owner of a notice after "+after, n.WebhookID, w.ID)
	}
	equal(x, "number of notices after "+after, len(got), len(want))
	for _, id := range want {
		if got[id] == "" {
			x.Errorf("after %s there is no notice %s", after, id)
		}
	}
}
