package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func claimCases() []testCase {
	return []testCase{
		{
			name:    "a lease",
			promise: "Lease is the right to try one delivery until the lease ends. … The webhook as it was when claimed.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.update(w, store.WebhookUpdate{Encoding: new("ascii"), Rotate: new("two"), KeepPrevious: time.Hour})
				e := x.newEvent("a")
				e.Body = []byte("\x00\xff opaque\n")
				x.publishAll(e)
				l := x.take()
				want := store.Lease{
					MerchantID: x.merchant, WebhookID: w.ID, DeliveryID: fanOut(w, e.ID)[0], EventID: e.ID, EventType: "a",
					Body: e.Body, URL: w.URL, Encoding: "ascii", Secret: "two", PreviousSecret: w.Secret,
				}
				same(x, "the lease", l, want, "Token")
				d := x.delivery(w, l.DeliveryID)
				equal(x, "Leased", d.Leased, true)
				equal(x, "Status while leased", d.Status, store.DeliveryPending)
				equal(x, "Attempts while leased", d.Attempts, 0)
				x.update(w, store.WebhookUpdate{URL: new("https://example.com/new"), Encoding: new("html"), Rotate: new("three")})
				x.finish(retry(l, 0), store.FinishAccepted)
				want.URL, want.Encoding, want.Secret, want.PreviousSecret, want.Attempts = "https://example.com/new", "html", "three", "", 1
				again := x.take()
				same(x, "the lease after the webhook changed", again, want, "Token")
				equal(x, "Token of the second claim", again.Token, l.Token+1)
			},
		},
		{
			name:    "none due",
			promise: "None due is not an error.",
			run: func(x *trial) {
				c := x.claimOnce(10)
				equal(x, "number of leases of an empty store", len(c.Leases), 0)
				w := x.webhook("a")
				x.claims("no event yet")
				x.publish("b", 1)
				x.claims("no subscribed event yet")
				x.publish("a", 1)
				x.take()
				x.claims("everything is leased")
				x.remove(w)
			},
		},
		{
			name:    "hidden from others",
			promise: "Claim hides due deliveries from every other caller until their lease ends, at most c.Limit of them",
			run: func(x *trial) {
				w := x.webhook("a")
				want := fanOut(w, x.publish("a", 7)...)
				var got []string
				for _, n := range []int{1, 3, 2, 5} {
					for _, l := range x.claim(n) {
						got = append(got, l.DeliveryID)
					}
				}
				if c := changes(want, got); c != "" || len(got) != len(want) {
					x.Errorf("four calls took %d deliveries, want each of %d once\n\t%s", len(got), len(want), c)
				}
				x.advance(x.lease - time.Millisecond)
				x.claims("a millisecond before the leases end")
			},
		},
		{
			name:    "longest due first",
			promise: "Of one webhook, the delivery that is due longest goes first",
			run: func(x *trial) {
				w := x.webhook("a")
				first := fanOut(w, x.publish("a", 1)...)[0]
				x.finish(retry(x.take(), 5*time.Second), store.FinishAccepted)
				x.advance(2 * time.Second)
				second := fanOut(w, x.publish("a", 1)...)[0]
				x.advance(time.Second)
				third := fanOut(w, x.publish("a", 1)...)[0]
				x.finish(release(x.take(), 4*time.Second), store.FinishAccepted) // second is due last
				x.advance(time.Minute)
				for _, want := range []string{third, first, second} {
					equal(x, "the next delivery", x.take().DeliveryID, want)
				}
			},
		},
		{
			name:    "in the order of one claim",
			promise: "Of one webhook, the delivery that is due longest goes first",
			run: func(x *trial) {
				w := x.webhook("a")
				var want []string
				for range 9 {
					want = append(want, fanOut(w, x.publish("a", 1)...)[0])
					x.advance(time.Millisecond)
				}
				sameList(x, "the first four", pick(x.claim(4), leaseID), want[:4])
				sameList(x, "the rest", pick(x.claim(9), leaseID), want[4:])
			},
		},
		{
			name:    "tests first",
			promise: "and tests go before the others",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 20)
				x.advance(time.Hour)
				e := x.testEvent(w)
				x.publishAll(e)
				l := x.take()
				equal(x, "the delivery that goes first", l.DeliveryID, fanOut(w, e.ID)[0])
				equal(x, "its Test", l.Test, true)
				x.finish(retry(l, time.Minute), store.FinishAccepted)
				equal(x, "Test of the next", x.take().Test, false)
				x.advance(time.Minute)
				equal(x, "the delivery that goes first when the test is due again", x.take().DeliveryID, l.DeliveryID)
			},
		},
		{
			name:    "cap of a webhook",
			promise: "at most c.PerWebhook leased per webhook at any time … PerWebhook bounds the leased deliveries of one webhook over all callers",
			run: func(x *trial) {
				x.per = 3
				w := x.webhook("a")
				x.publish("a", 10)
				ls := x.claim(2)
				equal(x, "number that the first caller gets", len(ls), 2)
				ls = append(ls, x.claim(10)...)
				equal(x, "number that two callers get", len(ls), 3)
				x.claims("a third caller")
				x.finishAll(succeed(ls[0]), retry(ls[1], time.Hour))
				equal(x, "number claimed after two were settled", len(x.claim(10)), 2)
				x.advance(2 * x.lease)
				equal(x, "number claimed after all leases ended", len(x.claim(10)), 3)
				x.publishAll(x.testEvent(w))
				x.claims("a test of a webhook at its cap")
			},
		},
		{
			name:    "cap of each webhook in one claim",
			promise: "none gets more than c.PerWebhook in one call",
			run: func(x *trial) {
				x.per = 2
				ws := []store.Webhook{x.webhook("a"), x.webhook("a"), x.webhook("a")}
				x.publish("a", 10)
				count := map[string]int{}
				for _, l := range x.claim(100) {
					count[l.WebhookID]++
				}
				for _, w := range ws {
					equal(x, "number of leases of one webhook", count[w.ID], 2)
				}
			},
		},
		{
			name:    "paused",
			promise: "A delivery is due if its time has come and its webhook is active, or if it is a test, whatever the status.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				l := x.take()
				x.disable(w)
				e := x.testEvent(w)
				x.publishAll(e)
				test := fanOut(w, e.ID)[0]
				for _, t := range x.claims("a disabled webhook", test) {
					x.finish(retry(t, time.Second), store.FinishAccepted)
				}
				x.advance(2 * x.lease)
				x.claims("a disabled webhook after its lease ended", test)
				x.advance(2 * x.lease)
				x.claims("a disabled webhook after its test's lease ended", test)
				equal(x, "Status of a paused delivery", x.delivery(w, l.DeliveryID).Status, store.DeliveryPending)
				x.finish(retry(l, 0), store.FinishAccepted)
				x.claims("a disabled webhook after a retry")
			},
		},
		{
			name:    "not before its time",
			promise: "A delivery is due if its time has come",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				one, two := x.take(), x.take()
				x.finishAll(retry(one, 10*time.Second), release(two, 20*time.Second))
				equal(x, "DueAt of the retry", show(x.delivery(w, one.DeliveryID).DueAt), show(x.now.Add(10*time.Second)))
				equal(x, "DueAt of the release", show(x.delivery(w, two.DeliveryID).DueAt), show(x.now.Add(20*time.Second)))
				x.claims("at once")
				x.advance(10*time.Second - time.Millisecond)
				x.claims("a millisecond before the first is due")
				x.advance(time.Millisecond)
				x.claims("when the first is due", one.DeliveryID)
				x.advance(10*time.Second - time.Millisecond)
				x.claims("a millisecond before the second is due")
				x.advance(time.Millisecond)
				x.claims("when the second is due", two.DeliveryID)
			},
		},
		{
			name:    "notices",
			promise: "Notices says that ClaimNotices would find something.",
			run: func(x *trial) {
				flag := func(when string, want bool) {
					x.Helper()
					got := false
					for range endless {
						c := x.claimOnce(1)
						if got = got || c.Notices; c.Next != 0 {
							break
						}
					}
					equal(x, "Notices "+when, got, want)
				}
				w := x.webhook("a")
				flag("of a store without any", false)
				x.ended(w, func(l store.Lease) store.Result { return failAt(l, 1) })
				flag("with one", true)
				ns, err := x.st.ClaimNotices(x.Context(), 1, time.Minute)
				x.must(err, "ClaimNotices")
				flag("while somebody has it", false)
				x.advance(time.Minute + time.Millisecond)
				flag("when its lease has ended", true)
				for _, n := range ns {
					x.must(x.st.AckNotice(x.Context(), n.MerchantID, n.ID), "AckNotice")
				}
				flag("when it is acknowledged", false)
			},
		},
	}
}
