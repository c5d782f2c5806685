package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const deferPromise = "DeferNotice hides a notice from everybody for delay from now, even after the lease's end. With a token other than the notice's current one it changes nothing, for somebody else has it now."

const ackPromise = "AckNotice removes a notice for good, whoever has claimed it since: what was handed over need not be once more."

const noticesPromise = "ClaimNotices hides up to limit notices from every other caller until the lease ends, oldest first. None is not an error."

func noticeCases() []testCase {
	return []testCase{
		{
			name:    "none",
			promise: noticesPromise,
			run: func(x *trial) {
				x.noticed()
				x.ended(x.webhook("a"), fail)
				x.noticed()
			},
		},
		{
			name:    "hidden until the lease ends",
			promise: noticesPromise,
			run: func(x *trial) {
				ids := x.disabledByFailures(3)
				sameList(x, "the first claim", x.claimNotices(2), ids[:2])
				sameList(x, "the second claim", x.claimNotices(2), ids[2:])
				x.advance(time.Minute - time.Millisecond)
				sameList(x, "a claim before the leases end", x.claimNotices(10), nil)
				x.advance(2 * time.Millisecond)
				sameList(x, "a claim after the leases ended", x.claimNotices(10), ids)
			},
		},
		{
			name:    "acknowledged",
			promise: ackPromise + " One that is not there is not an error.",
			run: func(x *trial) {
				ids := x.disabledByFailures(3)
				x.claimNotices(1)
				for _, id := range []string{ids[0], ids[0], ids[1], "no such notice"} {
					x.must(x.st.AckNotice(x.Context(), x.merchant, id), "AckNotice")
				}
				x.advance(2 * time.Minute)
				sameList(x, "the notices that are left", x.claimNotices(10), ids[2:])
				x.must(x.st.AckNotice(x.Context(), x.merchant, ids[2]), "AckNotice")
				x.advance(2 * time.Minute)
				sameList(x, "the notices in the end", x.claimNotices(10), nil)
			},
		},
		{
			name:    "what it says",
			promise: "Notice says what has become of a webhook, as of then. … the streak that led to the notice … Since is when the streak began.",
			run: func(x *trial) {
				w := x.webhook("a")
				began := x.now
				x.ended(w, fail)
				x.ended(w, fail)
				x.advance(time.Second)
				x.ended(w, func(l store.Lease) store.Result { return failAt(l, 3) })
				want := x.disabling(w, 1, "too_many_failures", 3, began)
				x.advance(time.Second)
				w = x.enable(w)
				x.update(w, store.WebhookUpdate{URL: new("https://example.com/new")})
				x.noticed(want)
			},
		},
		{
			name:    "put off",
			promise: deferPromise + " Neither that nor a notice that is not there is an error.",
			run: func(x *trial) {
				ids := x.disabledByFailures(3)
				x.claimNotices(1)
				x.deferNotice(ids[0], 1, time.Hour)
				x.deferNotice(ids[1], 0, time.Hour+time.Second)
				x.deferNotice("no such notice", 1, time.Hour)
				sameList(x, "the notices that were not put off", x.claimNotices(10), ids[2:])
				x.must(x.st.AckNotice(x.Context(), x.merchant, ids[2]), "AckNotice")
				x.deferNotice(ids[2], 1, time.Minute)
				x.advance(time.Hour - time.Millisecond)
				sameList(x, "the notices before the time", x.claimNotices(10), nil)
				x.advance(time.Millisecond)
				sameList(x, "the notices when the first time has come", x.claimNotices(10), ids[:1])
				x.advance(time.Second)
				sameList(x, "the notices when the second time has come", x.claimNotices(10), ids[1:2])
				x.deferNotice(ids[0], 2, 0)
				sameList(x, "a notice that is given back", x.claimNotices(10), ids[:1])
			},
		},
		{
			name:    "put off too late",
			promise: deferPromise,
			run: func(x *trial) {
				ids := x.disabledByFailures(1)
				x.claimNotices(1)
				x.advance(time.Minute + time.Millisecond)
				sameList(x, "the second claim", x.claimNotices(1), ids)
				x.deferNotice(ids[0], 1, 0)
				sameList(x, "what the first one gave back to the second", x.claimNotices(1), nil)
				x.deferNotice(ids[0], 1, time.Hour)
				x.advance(time.Minute + time.Millisecond)
				x.deferNotice(ids[0], 2, time.Second)
				sameList(x, "what was put off after its lease's end", x.claimNotices(1), nil)
				x.advance(time.Second)
				sameList(x, "the third claim", x.claimNotices(1), ids)
				x.deferNotice(ids[0], 3, 0)
				sameList(x, "the fourth claim", x.claimNotices(1), ids)
				x.deferNotice(ids[0], 3, 0)
				sameList(x, "what was given back twice", x.claimNotices(1), nil)
			},
		},
		{
			name:    "claims are counted",
			promise: "ClaimNotices hides up to limit notices … Each claim adds 1 to the notice's Token.",
			run: func(x *trial) {
				ids := x.disabledByFailures(2)
				for n := range int64(3) {
					ns, err := x.st.ClaimNotices(x.Context(), 1, time.Minute)
					x.must(err, "ClaimNotices")
					sameList(x, "the claimed", pick(ns, func(n store.NoticeLease) string { return n.ID }), ids[:1])
					sameList(x, "Token", pick(ns, func(n store.NoticeLease) int64 { return n.Token }), []int64{n + 1})
					x.deferNotice(ids[0], n+1, 0)
				}
			},
		},
		{
			name:    "of other merchants",
			promise: "ClaimNotices hides up to limit notices",
			run: func(x *trial) {
				own := x.disabledByFailures(1)
				mine := x.merchant
				x.merchant = x.id("merchant")
				theirs := x.disabledByFailures(1)
				x.must(x.st.AckNotice(x.Context(), mine, theirs[0]), "AckNotice with another merchant's id")
				got := x.claimNotices(10)
				slices.Sort(got)
				sameList(x, "the notices of both", got, slices.Sorted(slices.Values(append(own, theirs...))))
			},
		},
	}
}

// disabledByFailures lets n webhooks fail, a second apart, and returns the ids of
// the notices.
func (x *trial) disabledByFailures(n int) []string {
	x.Helper()
	var ids []string
	for range n {
		x.advance(time.Second)
		w := x.webhook("a")
		x.ended(w, func(l store.Lease) store.Result { return failAt(l, 1) })
		ids = append(ids, store.NoticeID(store.NoticeDisabled, w.ID, 1, 0))
	}
	return ids
}

// deferNotice puts off a notice that was claimed token times.
func (x *trial) deferNotice(id string, token int64, delay time.Duration) {
	x.Helper()
	x.must(x.st.DeferNotice(x.Context(), x.merchant, id, token, delay), "DeferNotice")
}

// claimNotices claims notices for a minute and returns their ids.
func (x *trial) claimNotices(limit int) []string {
	x.Helper()
	ns, err := x.st.ClaimNotices(x.Context(), limit, time.Minute)
	x.must(err, "ClaimNotices")
	if len(ns) > limit {
		x.Errorf("ClaimNotices took %d notices, at most %d were asked for", len(ns), limit)
	}
	return pick(ns, func(n store.NoticeLease) string { return n.ID })
}
