package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// claimOnce makes one Claim.
func (x *trial) claimOnce(limit int) store.Claimed {
	x.Helper()
	return x.claimBy(store.ClaimRequest{Limit: limit, Lease: x.lease, PerWebhook: x.per})
}

func (x *trial) claimBy(req store.ClaimRequest) store.Claimed {
	x.Helper()
	c, err := x.st.Claim(x.Context(), req)
	x.must(err, "Claim")
	x.fatalIf(len(c.Leases) > req.Limit, "Claim took %d deliveries, at most %d were asked for", len(c.Leases), req.Limit)
	if millis(c.At, x.now) != 0 {
		x.fatalf("At of a claim is %s, want the store's time %s", show(c.At), show(x.now))
	}
	return c
}

// claim claims until it has limit leases or the store says that there is no more
// now. One Claim need not find all: Next may be too short.
func (x *trial) claim(limit int) []store.Lease {
	x.Helper()
	var out []store.Lease
	for range endless {
		c := x.claimOnce(limit - len(out))
		out = append(out, c.Leases...)
		if len(out) == limit || c.Next != 0 {
			return out
		}
	}
	x.fatalf("Claim was asked %d times and still answers a Next of 0", endless)
	return nil
}

// take claims one delivery.
func (x *trial) take() store.Lease {
	x.Helper()
	ls := x.claim(1)
	x.fatalIf(len(ls) == 0, "Claim took nothing, want one delivery")
	return ls[0]
}

// claims reports if the deliveries that can be claimed now are not those. Their
// order is left open.
func (x *trial) claims(when string, want ...string) {
	x.Helper()
	got := pick(x.claim(endless), leaseID)
	if c := changes(want, got); c != "" || len(got) != len(want) {
		x.Errorf("%s: Claim took %d deliveries, want %d\n\t%s", when, len(got), len(want), c)
	}
}

// settle describes the result of a lease.
func settle(l store.Lease, o store.Outcome) store.Result {
	return store.Result{
		MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID,
		Token: l.Token, Outcome: o,
	}
}

// succeed is the result of a try that the receiver took.
func succeed(l store.Lease) store.Result {
	r := settle(l, store.Succeeded)
	r.Attempt = store.Attempt{Duration: 120 * time.Millisecond, StatusCode: 200, ResponseBody: "thanks"}
	r.Streak = store.StreakReset
	return r
}

// fail is the result of the last try, and the receiver refused.
func fail(l store.Lease) store.Result {
	r := settle(l, store.Failed)
	r.Attempt = store.Attempt{Duration: 30 * time.Millisecond, StatusCode: 500, Code: "status", ResponseBody: "sorry"}
	r.Streak = store.StreakExtend
	return r
}

// failAt is fail, and disables the webhook at a streak of n.
func failAt(l store.Lease, n int) store.Result {
	r := fail(l)
	r.DisableAfter, r.DisableReason = n, "too_many_failures"
	return r
}

// retry is the result of a try that another one follows.
func retry(l store.Lease, delay time.Duration) store.Result {
	r := settle(l, store.Retry)
	r.Attempt = store.Attempt{Duration: 10 * time.Second, Code: "timeout"}
	r.Delay = delay
	return r
}

// release gives a lease back untried.
func release(l store.Lease, delay time.Duration) store.Result {
	r := settle(l, store.Released)
	r.Delay = delay
	return r
}

// finishAll settles leases in one batch.
func (x *trial) finishAll(results ...store.Result) []store.Finished {
	x.Helper()
	out, err := x.st.Finish(x.Context(), results)
	x.must(err, "Finish")
	x.fatalIf(len(out) != len(results), "Finish answers %d results with %d", len(results), len(out))
	return out
}

// finish settles one lease and reports if the answer is not the wanted one.
func (x *trial) finish(r store.Result, want store.FinishState) {
	x.Helper()
	equal(x, "the answer to outcome "+string(r.Outcome), x.finishAll(r)[0].State, want)
}

// prune prunes until nothing is left to do, and adds up.
func (x *trial) prune(p store.PruneRequest) store.Pruned {
	x.Helper()
	if p.Limit == 0 {
		p.Limit = endless
	}
	var sum store.Pruned
	idle := false
	for range endless {
		done, err := x.st.Prune(x.Context(), p)
		x.must(err, "Prune")
		n := done.Deliveries + done.Paused + done.Events + done.Notices + done.Jobs
		if n > p.Limit {
			x.Errorf("Prune with a limit of %d did %s", p.Limit, show(done))
		}
		sum.Deliveries += done.Deliveries
		sum.Paused += done.Paused
		sum.Events += done.Events
		sum.Notices += done.Notices
		sum.Jobs += done.Jobs
		if !done.More {
			return sum
		}
		x.fatalIf(n == 0 && idle, "Prune says More twice although it finds nothing to do")
		idle = n == 0
	}
	x.fatalf("Prune says %d times that more is left", endless)
	return sum
}
