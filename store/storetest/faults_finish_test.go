package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// settling makes a fault that settles one result after the other. before and after
// are called where the delivery is known, and may be nil.
func settling(before, after func(c *call)) func(c *call) {
	return func(c *call) {
		defer c.m.change()()
		for i := range c.results {
			c.r = &c.results[i]
			c.d, c.w = c.m.delivery(c.r.MerchantID, c.r.WebhookID, c.r.DeliveryID), c.m.webhook(c.r.MerchantID, c.r.WebhookID)
			if c.d != nil && before != nil {
				before(c)
			}
			f := c.m.finish(*c.r)
			if c.f = &f; c.d != nil && after != nil {
				after(c)
			}
			c.finished = append(c.finished, f)
		}
	}
}

// settled makes a fault that changes what a result has done.
func settled(change func(c *call)) func(c *call) { return settling(nil, change) }

// resulting makes a fault that changes each result.
func resulting(change func(c *call)) func(c *call) { return settling(change, nil) }

// accepted, disabling and standing make faults that change what an accepted result has
// done, or one that has disabled the webhook, or has a standing.
func accepted(change func(c *call)) func(c *call) {
	return settled(where(func(c *call) bool { return c.f.State == store.FinishAccepted }, change))
}

func disabling(change func(c *call)) func(c *call) {
	return settled(where(func(c *call) bool { return c.f.Disabled }, change))
}

func standing(change func(c *call)) func(c *call) {
	return settled(where(func(c *call) bool { return c.f.Standing != nil }, change))
}

// trying is accepted for those that are tries.
func trying(change func(c *call)) func(c *call) {
	return accepted(where(func(c *call) bool { return c.r.Outcome != store.Released }, change))
}

func stale(c *call) bool         { return c.f.State == store.FinishStale }
func extends(c *call) bool       { return c.r.Streak == store.StreakExtend }
func gone(f store.Finished) bool { return f.State == store.FinishGone }

// refusing makes a fault that calls some results stale.
func refusing(which func(c *call) bool) func(c *call) {
	return resulting(func(c *call) { set(which(c), &c.r.Token, -1) })
}

func tokenIgnored(outcomes ...store.Outcome) func(c *call) {
	return resulting(func(c *call) { set(slices.Contains(outcomes, c.r.Outcome), &c.r.Token, c.d.token) })
}

func finishFaults() []fault {
	return []fault{
		{"the token is ignored", "", "Finish", tokenIgnored(store.Succeeded, store.Failed, store.Retry, store.Released)},
		{"the token is ignored on success", "", "Finish", tokenIgnored(store.Succeeded)},
		{"the token is ignored on failure", "", "Finish", tokenIgnored(store.Failed)},
		{"the token is ignored on retry", "", "Finish", tokenIgnored(store.Retry)},
		{"the token is ignored on release", "", "Finish", tokenIgnored(store.Released)},
		{"an older token is good enough", "", "Finish", resulting(func(c *call) { set(c.r.Token == c.d.token-1 && c.d.Reclaims > 1, &c.r.Token, c.d.token) })},
		{"a stale result ends a lease", "", "Finish", settled(where(stale, func(c *call) { set(c.m.leased(c.d), &c.d.leaseEnd, time.Time{}) }))},
		{"a stale result extends the streak", "", "Finish", settled(where(stale, func(c *call) { set(extends(c), &c.w.ConsecutiveFailures, c.w.ConsecutiveFailures+1) }))},
		{"a stale result of an ended delivery is repeated", "", "Finish", settled(where(stale, func(c *call) { set(!c.d.pending(), &c.f.State, store.FinishRepeated) }))},
		{"a result of an earlier claim is repeated", "", "Finish", settled(where(stale, func(c *call) { set(c.r.Token < c.d.token && c.d.Attempts > 0, &c.f.State, store.FinishRepeated) }))},
		{"a result for what nobody has is accepted", "", "Finish", resulting(where(
			func(c *call) bool { return c.d.pending() && c.d.leaseEnd.IsZero() && c.r.Token < c.d.token },
			func(c *call) { c.r.Token, c.d.settled = c.d.token, false },
		))},
		{"an unknown delivery fails the batch", "", "Finish", after(func(c *call) {
			set(len(c.results) > 1 && slices.ContainsFunc(c.finished, gone), &c.err, store.ErrNotFound)
		})},
		{"a stale result spoils its batch", "", "Finish", resulting(func(c *call) {
			set(len(c.finished) > 0 && slices.ContainsFunc(c.finished, func(f store.Finished) bool { return f.State != store.FinishAccepted }), &c.r.Token, -1)
		})},
		{"a result after the lease's end is refused", "", "Finish", refusing(func(c *call) bool { return expired(c.m, c.d) })},
		{"a result for a disabled webhook is refused", "", "Finish", refusing(func(c *call) bool { return c.w.Status == store.Disabled })},
		{"a result of before the enabling is refused", "", "Finish", refusing(func(c *call) bool { return c.d.epoch != c.w.Epoch })},
		{"a repeated result counts twice", "", "Finish", resulting(func(c *call) { c.d.settled = c.d.settled && c.r.Outcome == store.Released })},
		{"a repeated retry counts twice", "", "Finish", resulting(func(c *call) { c.d.settled = c.d.settled && !c.d.pending() })},
		{"a repeated result does not say that it has disabled", "", "Finish", settled(func(c *call) { set(c.f.State == store.FinishRepeated, &c.f.Disabled, false) })},
		{"a repeated result is stale", "", "Finish", settled(func(c *call) { set(c.f.State == store.FinishRepeated, &c.f.State, store.FinishStale) })},
		{"another outcome overwrites the first", "", "Finish", resulting(func(c *call) {
			set(c.r.Outcome == store.Succeeded && c.d.Status == store.DeliveryFailed && c.r.Token == c.d.token, &c.d.settled, false)
		})},
		{"a delivery that is not there is stale", "", "Finish", after(func(c *call) {
			for i := range c.finished {
				set(gone(c.finished[i]), &c.finished[i].State, store.FinishStale)
			}
		})},
		{"another merchant's result is accepted", "", "Finish", func(c *call) {
			for i, r := range c.results {
				for _, d := range c.m.deliveries {
					set(d.ID == r.DeliveryID, &c.results[i].MerchantID, d.MerchantID)
				}
			}
			c.do()
		}},
		{"attempts are off by one", "", "Finish", accepted(func(c *call) { set(c.r.Outcome != store.Released, &c.d.Attempts, c.d.Attempts+1) })},
		{"a retry is not counted", "", "Finish", accepted(func(c *call) { set(c.r.Outcome == store.Retry, &c.d.Attempts, c.d.Attempts-1) })},
		{"a retry is not in the log", "", "Finish", accepted(func(c *call) { set(c.r.Outcome == store.Retry, &c.d.Log, c.d.Log[:max(0, len(c.d.Log)-1)]) })},
		{"the caller's clock is in the log", "", "Finish", trying(func(c *call) { set(!c.r.Attempt.At.IsZero(), &c.d.Log[len(c.d.Log)-1].At, c.r.Attempt.At) })},
		{"the caller's number is in the log", "", "Finish", trying(func(c *call) { set(c.r.Attempt.Number > 0, &c.d.Log[len(c.d.Log)-1].Number, c.r.Attempt.Number) })},
		{"the log keeps whole seconds", "", "Finish", trying(func(c *call) { a := &c.d.Log[len(c.d.Log)-1]; a.Duration = a.Duration.Truncate(time.Second) })},
		{"a release is an attempt", "", "Finish", resulting(func(c *call) { set(c.r.Outcome == store.Released, &c.r.Outcome, store.Retry) })},
		{"a fault is not counted", "", "Finish", resulting(func(c *call) { c.r.Fault = false })},
		{"every release is a fault", "", "Finish", resulting(func(c *call) { c.r.Fault = true })},
		{"a retry is due at once", "", "Finish", resulting(func(c *call) { c.r.Delay = 0 })},
		{"a retry is due a millisecond late", "", "Finish", resulting(func(c *call) { c.r.Delay += time.Millisecond })},
		{"a retry is lost", "", "Finish", accepted(func(c *call) { set(c.r.Outcome == store.Retry, &c.d.leaseEnd, far(c.m)) })},
		{"a release is lost", "", "Finish", accepted(func(c *call) { set(c.r.Outcome == store.Released, &c.d.leaseEnd, far(c.m)) })},
		{"an ended delivery stays leased", "", "Finish", accepted(func(c *call) { set(!c.d.pending(), &c.d.leaseEnd, far(c.m)) })},
		{"a failure has no end", "", "Finish", accepted(func(c *call) { set(c.d.Status == store.DeliveryFailed, &c.d.FinishedAt, time.Time{}) })},

		{"success does not reset the streak", "", "Finish", resulting(func(c *call) { set(c.r.Streak == store.StreakReset, &c.r.Streak, store.StreakSame) })},
		{"the outcome decides on the streak", "", "Finish", resulting(func(c *call) { set(c.r.Outcome == store.Failed, &c.r.Streak, store.StreakExtend) })},
		{"only failures extend the streak", "", "Finish", resulting(func(c *call) { set(c.r.Outcome == store.Retry && extends(c), &c.r.Streak, store.StreakSame) })},
		{"a release extends the streak", "", "Finish", accepted(func(c *call) {
			set(c.r.Outcome == store.Released && extends(c), &c.w.ConsecutiveFailures, c.w.ConsecutiveFailures+1)
		})},
		{"disables one too late", "", "Finish", resulting(func(c *call) { c.r.DisableAfter += min(1, c.r.DisableAfter) })},
		{"disables one too early", "", "Finish", resulting(func(c *call) { set(c.r.DisableAfter > 1, &c.r.DisableAfter, c.r.DisableAfter-1) })},
		{"disables at ten whatever is asked", "finish/disabled by failures", "Finish", resulting(func(c *call) { set(c.r.DisableAfter == 0, &c.r.DisableAfter, 10) })},
		{"disables at the threshold exactly and never beyond", "finish/disabled by failures", "Finish", resulting(func(c *call) { set(c.w.ConsecutiveFailures >= c.r.DisableAfter, &c.r.DisableAfter, 0) })},
		{"failures in all disable", "finish/disabled by failures", "Finish", resulting(func(c *call) {
			failed := count(c.m.deliveries, func(d *modelDelivery) bool { return d.of(c.w) && d.Status == store.DeliveryFailed })
			set(c.r.DisableAfter > 0 && extends(c) && failed >= 5, &c.r.DisableAfter, 1)
		})},
		{"DisableAfterFailingFor is ignored", "", "Finish", resulting(func(c *call) { c.r.DisableAfterFailingFor = 0 })},
		{"DisableAfterFailingFor alone disables", "finish/disabled by failures", "Finish", resulting(func(c *call) {
			set(c.r.DisableAfter > 0 && c.r.DisableAfterFailingFor > 0 && c.w.ConsecutiveFailures > 0 && c.m.now.Sub(c.w.FailingSince) >= c.r.DisableAfterFailingFor, &c.r.DisableAfter, 1)
		})},
		{"the streak began with its last failure", "", "Finish", resulting(func(c *call) { set(extends(c) && c.w.ConsecutiveFailures > 0, &c.w.FailingSince, c.m.now) })},
		{"the streak began with the first one ever", "finish/disabled by failures", "Finish", settling(func(c *call) { c.notes[c.w.ID] = max(c.notes[c.w.ID], int(c.w.FailingSince.Unix())) }, func(c *call) {
			if n := c.notes[c.w.ID]; n > 0 {
				c.w.FailingSince = time.Unix(int64(n), int64(c.w.FailingSince.Nanosecond()))
			}
		})},
		{"a batch keeps the streak's beginning", "finish/disabled by failures", "Finish", func(c *call) {
			before := map[*modelWebhook]store.Webhook{}
			for _, w := range c.m.webhooks {
				before[w] = w.Webhook
			}
			c.do()
			for w, was := range before {
				set(w.ConsecutiveFailures > 0 && was.ConsecutiveFailures > 0, &w.FailingSince, was.FailingSince)
			}
		}},
		{"success forgets since when it failed", "", "Finish", accepted(func(c *call) { set(c.r.Streak == store.StreakReset, &c.w.FailingSince, time.Time{}) })},
		{"success clears the mark", "", "Finish", accepted(func(c *call) { set(c.r.Streak == store.StreakReset, &c.w.Mark, "") })},
		{"disabling clears the mark", "", "Finish", disabling(func(c *call) { c.w.Mark = "" })},
		{"disablings are not counted", "finish/disabled by failures", "Finish", disabling(func(c *call) { c.w.Disablings = 1 })},
		{"a failure disables again and again", "", "Finish", resulting(func(c *call) {
			set(c.r.DisableAfter > 0 && c.w.Status == store.Disabled && c.w.ConsecutiveFailures >= c.r.DisableAfter, &c.w.Status, store.Active)
		})},
		{"two notices for one disabling", "", "Finish", disabling(func(c *call) { c.m.addNotice(c.m.notices[len(c.m.notices)-1].Notice) })},
		{"no notice in a batch", "", "Finish", func(c *call) { was := slices.Clone(c.m.notices); c.do(); set(len(c.results) > 1, &c.m.notices, was) }},
		{"every result of a batch disabled", "", "Finish", settled(func(c *call) { c.f.Disabled = c.f.State == store.FinishAccepted && c.w.Status == store.Disabled })},
		{"disabling keeps the version", "", "Finish", disabling(func(c *call) { c.w.Version-- })},
		{"every result changes the version", "", "Finish", accepted(func(c *call) { c.w.Version++ })},
		{"disabling ends the other deliveries", "", "Finish", disabling(deliveries(func(c *call) { set(c.d.of(c.w) && c.d.pending(), &c.d.Status, store.DeliveryFailed) }))},
		{"the streak has no epoch", "", "Finish", resulting(func(c *call) { c.d.epoch = c.w.Epoch })},
		{"the epoch is that of the first claim", "", "Finish", resulting(func(c *call) { set(c.d.Reclaims > 0, &c.d.epoch, 1) })},

		{"a failure has no standing", "", "Finish", settled(func(c *call) { set(c.r.Streak == store.StreakExtend, &c.f.Standing, nil) })},
		{"no success has a standing", "", "Finish", settled(func(c *call) { set(c.r.Streak == store.StreakReset, &c.f.Standing, nil) })},
		{"a success has a standing only if it has a mark", "", "Finish", settled(func(c *call) { set(c.r.Streak == store.StreakReset && c.w.Mark == "", &c.f.Standing, nil) })},
		{"every accepted result has a standing", "", "Finish", accepted(func(c *call) { c.f.Standing = standingOf(c.w) })},
		{"a standing is that of before", "", "Finish", standing(func(c *call) { set(extends(c), &c.f.Standing.ConsecutiveFailures, c.f.Standing.ConsecutiveFailures-1) })},
		{"a standing is active for ever", "", "Finish", standing(func(c *call) { c.f.Standing.Active = true })},
		{"a standing has no beginning", "", "Finish", standing(func(c *call) { c.f.Standing.FailingSince = time.Time{} })},
		{"a standing has no disablings", "", "Finish", standing(func(c *call) { c.f.Standing.Disablings = 0 })},
		{"a standing has no mark", "", "Finish", standing(func(c *call) { c.f.Standing.Mark = "" })},
	}
}

// full is what a bucket holds at most.
func full(w *modelWebhook) int64 { return 1000 * int64(w.RateLimit) }

// refilling makes a fault that claims from buckets that are refilled in another way.
func refilling(level func(c *call) int64) func(c *call) {
	return func(c *call) {
		was, refilled := map[*modelWebhook]modelBucket{}, map[*modelWebhook]modelBucket{}
		for _, w := range c.m.webhooks {
			was[w] = w.bucket
			c.w = w
			w.bucket = modelBucket{level(c), c.m.now.UnixMilli()}
			refilled[w] = w.bucket
		}
		c.do()
		for w, b := range refilled {
			if w.bucket == b { // Nothing was taken.
				w.bucket = was[w]
			}
		}
	}
}

// free makes a fault that gives the token of some leases back.
func free(which func(c *call) bool) func(c *call) {
	return leasing(func(c *call) {
		if w := c.m.webhookOf(c.d); which(c) && w.RateLimit > 0 {
			w.bucket.level += 1000
		}
	})
}

// drained says that w has deliveries that are due, and no token for them.
func drained(m *model, w *modelWebhook) bool {
	return !m.over(m.tokenAt(w)) && slices.ContainsFunc(m.deliveries, func(d *modelDelivery) bool { return d.of(w) && m.waiting(d) && m.over(dueAt(d)) })
}

// waitsForToken says that a delivery is due, and that its webhook has no token for it.
func waitsForToken(c *call) bool {
	return c.d.pending() && c.m.over(c.d.DueAt) && drained(c.m, c.m.webhookOf(c.d))
}

func refill(c *call) { c.w.bucket = modelBucket{full(c.w), c.m.now.UnixMilli()} }

// lastToken is how long it takes until every bucket has a token again.
func (c *call) lastToken() (wait time.Duration) {
	for _, w := range c.m.webhooks {
		set(drained(c.m, w), &wait, max(wait, c.m.tokenAt(w).Sub(c.m.now)))
	}
	return wait
}

func rateFaults() []fault {
	return []fault{
		{"a rate is ignored", "", "Claim", func(c *call) { c.whileEach(func(w *modelWebhook) { w.RateLimit = 0 }) }},
		{"a rate counts each call alone", "", "Claim", refilling(func(c *call) int64 { return full(c.w) })},
		{"a bucket grows for ever", "", "Claim", func(c *call) {
			c.whileEach(func(w *modelWebhook) {
				over := w.bucket.level + int64(w.RateLimit)*(c.m.now.UnixMilli()-w.bucket.taken) - full(w)
				set(over > 0, &w.bucket.level, w.bucket.level+over)
				set(over > 0, &w.RateLimit, 2*w.RateLimit)
			})
		}},
		{"a bucket begins empty", "", "CreateWebhook", done(func(c *call) { c.own().bucket.level = 0 })},
		{"a bucket is never refilled", "", "Claim", refilling(func(c *call) int64 { return c.w.bucket.level })},
		{"a bucket is refilled once a second", "", "Claim", refilling(func(c *call) int64 {
			return c.w.bucket.level + full(c.w)*min(1, (c.m.now.UnixMilli()-c.w.bucket.taken)/1000)
		})},
		{"a part of a token is lost", "", "Claim", refilling(func(c *call) int64 { return c.m.level(c.w) / 1000 * 1000 })},
		{"a bucket gains a token a millisecond at most", "rate/to the millisecond", "Claim", refilling(func(c *call) int64 {
			return min(full(c.w), c.w.bucket.level+min(1000, int64(c.w.RateLimit))*(c.m.now.UnixMilli()-c.w.bucket.taken))
		})},
		{"a token comes a millisecond late", "", "Claim", leasing(func(c *call) { c.m.webhookOf(c.d).bucket.taken = c.m.now.UnixMilli() + 1 })},
		{"retries are free", "", "Claim", free(func(c *call) bool { return c.l.Attempts > 0 })},
		{"reclaims are free", "", "Claim", free(func(c *call) bool { return c.l.Reclaims > 0 })},
		{"tests are free", "", "Claim", free(func(c *call) bool { return c.l.Test })},
		{"a release gives its token back", "", "Finish", accepted(func(c *call) {
			set(c.r.Outcome == store.Released && c.w.RateLimit > 0, &c.w.bucket.level, c.w.bucket.level+1000)
		})},
		{"a claim that finds nothing costs a token", "", "Claim", after(webhooks(func(c *call) {
			level := c.m.level(c.w)
			set(c.w.RateLimit > 0 && len(c.claimed.Leases) == 0 && level >= 1000, &c.w.bucket, modelBucket{level - 1000, c.m.now.UnixMilli()})
		}))},
		{"a token of a full webhook is lost", "", "Claim", leasing(func(c *call) {
			b := &c.m.webhookOf(c.d).bucket
			set(b.level >= 1000 && c.m.leases(c.m.webhookOf(c.d)) > 1, &b.level, b.level-1000)
		})},
		{"to wait for a token is a reclaim", "", "Claim", after(deliveries(where(waitsForToken, func(c *call) { set(!c.m.leased(c.d), &c.d.Reclaims, c.d.Reclaims+1) })))},
		{"a delivery without a token is put off", "", "Claim", after(deliveries(where(waitsForToken, func(c *call) { set(c.d.leaseEnd.IsZero(), &c.d.DueAt, c.m.tokenAt(c.m.webhookOf(c.d))) })))},
		{"setting the same rate fills the bucket", "", "UpdateWebhook", updating(where(func(c *call) bool { return c.update.RateLimit != nil }, refill))},
		{"another rate keeps the bucket", "", "UpdateWebhook", updating(func(c *call) { c.w.bucket = modelBucket{min(c.was.level, full(c.w)), c.was.taken} })},
		{"every update fills the bucket", "", "UpdateWebhook", updating(refill)},
		{"enabling fills the bucket", "", "UpdateWebhook", updating(where(func(c *call) bool { return enables(c.update) && c.before.Status == store.Disabled }, refill))},
		{"an update begins the wait anew", "", "UpdateWebhook", updating(func(c *call) { set(c.w.bucket.level < 1000, &c.w.bucket.taken, c.m.now.UnixMilli()) })},
		{"disabled webhooks have no bucket", "", "Claim", func(c *call) { c.whileEach(func(w *modelWebhook) { set(w.Status == store.Disabled, &w.RateLimit, 0) }) }},
		{"a webhook without a token blocks the others", "", "Claim", instead(someWebhook(func(c *call) bool { return drained(c.m, c.w) }), func(c *call) {
			c.claimed = store.Claimed{Next: c.m.tokenAt(c.w).Sub(c.m.now), At: c.m.now}
		})},
		{"turns go by the due time alone", "", "Claim", queueing(func(c *call) {
			list := append(pick(c.m.claimable(c.w, c.claim.PerWebhook), dueAt), c.w.line.from)
			set(c.w.RateLimit > 0, &c.w.line.from, list[0])
		})},
		{"limited webhooks go last", "", "Claim", queueing(func(c *call) { set(c.w.RateLimit > 0, &c.w.line.from, c.m.now.Add(time.Hour)) })},
		{"Next does not know buckets", "", "Claim", func(c *call) {
			c.do()
			inner := call{m: c.m, do: func() { c.claimed.Next = c.m.next(c.claim.PerWebhook) }}
			inner.whileEach(func(w *modelWebhook) { w.RateLimit = 0 })
		}},
		{"Next is a second for every bucket", "", "Claim", after(func(c *call) {
			set(c.claimed.Next > 0 && c.lastToken() > 0, &c.claimed.Next, max(c.claimed.Next, time.Second))
		})},
		{"Next is that of the last bucket", "", "Claim", after(func(c *call) { set(c.claimed.Next > 0, &c.claimed.Next, max(c.claimed.Next, c.lastToken())) })},
	}
}
