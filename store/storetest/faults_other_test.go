package storetest

import (
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// noted makes a fault that changes each notice that is claimed.
func noted(change func(c *call)) func(c *call) {
	return func(c *call) {
		c.do()
		for i := range c.notices {
			c.n = &c.notices[i]
			change(c)
		}
	}
}

// adding makes a fault that changes the notice that was added.
func adding(change func(c *call)) func(c *call) {
	return func(c *call) {
		if c.do(); c.added {
			c.mn = c.m.notices[len(c.m.notices)-1]
			change(c)
		}
	}
}

func noticeFaults() []fault {
	return []fault{
		{"AddNotice does not compare the mark", "", "AddNotice", func(c *call) {
			if w := c.m.webhook(c.merchant, c.notice.WebhookID); w != nil {
				c.oldMark = w.Mark
			}
			c.do()
		}},
		{"AddNotice leaves the mark", "", "AddNotice", func(c *call) { c.newMark = c.oldMark; c.do() }},
		{"AddNotice moves the mark and adds nothing", "", "AddNotice", adding(func(c *call) { c.m.notices = without(c.m.notices, c.mn) })},
		{"AddNotice adds although the mark is another", "", "AddNotice", func(c *call) {
			if c.do(); !c.added && c.err == nil {
				c.notice.MerchantID = c.merchant
				c.m.addNotice(c.notice)
			}
		}},
		{"AddNotice adds twice", "", "AddNotice", adding(func(c *call) { c.m.addNotice(c.mn.Notice) })},
		{"AddNotice has always added", "", "AddNotice", func(c *call) { c.do(); c.added = c.err == nil }},
		{"AddNotice for nobody is no error", "", "AddNotice", func(c *call) { c.do(); c.err = nil }},
		{"AddNotice cuts the mark", "", "AddNotice", func(c *call) { c.newMark = c.newMark[:min(len(c.newMark), 100)]; c.do() }},
		{"AddNotice is a change of the webhook", "", "AddNotice", adding(func(c *call) { c.m.webhook(c.mn.MerchantID, c.mn.WebhookID).Version++ })},
		{"a mark is compared to the webhook's of any merchant", "", "AddNotice", func(c *call) {
			if w := c.m.webhook(c.merchant, c.notice.WebhookID); w == nil {
				c.err = nil
				return
			}
			c.do()
		}},
		{"an added notice has the caller's time", "", "AddNotice", adding(func(c *call) { c.mn.At = c.notice.At })},
		{"an added notice has the caller's id", "", "AddNotice", adding(func(c *call) { c.mn.ID = c.notice.ID })},
		{"an added notice has the webhook's streak", "", "AddNotice", adding(func(c *call) { c.mn.Failures = c.m.webhook(c.mn.MerchantID, c.mn.WebhookID).ConsecutiveFailures })},
		{"an added notice loses its beginning", "", "AddNotice", adding(func(c *call) { c.mn.Since = time.Time{} })},
		{"a notice has the id of its place", "", "AddNotice Finish", func(c *call) {
			before := len(c.m.notices)
			c.do()
			for i, n := range c.m.notices[before:] {
				n.ID = string(rune('a' + before + i))
			}
		}},
		{"one notice id for each webhook", "", "AddNotice Finish", func(c *call) {
			before := len(c.m.notices)
			c.do()
			for _, n := range c.m.notices[before:] {
				n.ID = n.WebhookID
			}
		}},
		{"no notices are an error", "", "ClaimNotices", func(c *call) { c.do(); set(len(c.notices) == 0, &c.err, store.ErrNotFound) }},
		{"notices are not hidden", "", "ClaimNotices", func(c *call) { c.lease = 0; c.do() }},
		{"notices are claimed once", "", "ClaimNotices", func(c *call) { c.lease = 1e6 * time.Hour; c.do() }},
		{"notices ignore the limit", "", "ClaimNotices", func(c *call) { c.limit = endless; c.do() }},
		{"notices are newest first", "", "ClaimNotices", func(c *call) { slices.Reverse(c.m.notices); c.do(); slices.Reverse(c.m.notices) }},
		{"notices are in the order of their webhooks", "", "ClaimNotices", func(c *call) {
			slices.SortStableFunc(c.m.notices, func(a, b *modelNotice) int {
				if a.WebhookID < b.WebhookID {
					return -1
				}
				return 1
			})
			c.do()
		}},
		{"an acknowledged notice comes again", "", "AckNotice", func(*call) {}},
		{"an unknown notice is an error", "", "AckNotice", func(c *call) {
			n := len(c.m.notices)
			if c.do(); len(c.m.notices) == n {
				c.err = store.ErrNotFound
			}
		}},
		{"anybody acknowledges a notice", "", "AckNotice", func(c *call) {
			c.m.notices = slices.DeleteFunc(c.m.notices, func(n *modelNotice) bool { return n.ID == c.id })
		}},
		{"who has lost a notice cannot acknowledge it", "", "AckNotice", func(c *call) {
			if n := c.m.notice(c.merchant, c.id); n == nil || n.token < 2 {
				c.do()
			}
		}},
		{"a notice shows the webhook of now", "", "ClaimNotices", noted(func(c *call) { c.n.URL = c.m.webhook(c.n.MerchantID, c.n.WebhookID).URL })},
		{"notices of one merchant alone", "", "ClaimNotices", func(c *call) {
			c.do()
			c.notices = slices.DeleteFunc(c.notices, func(n store.NoticeLease) bool { return n.MerchantID != c.notices[0].MerchantID })
		}},
		{"claims of notices are not counted", "", "ClaimNotices", noted(func(c *call) { c.m.notice(c.n.MerchantID, c.n.ID).token = 1; c.n.Token = 1 })},
		{"nothing is put off", "", "DeferNotice", func(*call) {}},
		{"only a claimed notice is put off", "", "DeferNotice", func(c *call) {
			if n := c.m.notice(c.merchant, c.id); n != nil && !c.m.over(n.leaseEnd) {
				c.do()
			}
		}},
		{"an unknown notice cannot be put off", "", "DeferNotice", func(c *call) { c.do(); set(c.m.notice(c.merchant, c.id) == nil, &c.err, store.ErrNotFound) }},
		{"a notice is put off by a lease more", "", "DeferNotice", func(c *call) { c.lease += time.Minute; c.do() }},
		{"who has lost a notice puts it off", "", "DeferNotice", func(c *call) {
			if n := c.m.notice(c.merchant, c.id); n != nil {
				c.token = n.token
			}
			c.do()
		}},
		{"anybody puts a notice off", "", "DeferNotice", func(c *call) {
			for _, n := range c.m.notices {
				if n.ID == c.id {
					n.leaseEnd = c.m.now.Add(c.lease)
				}
			}
		}},
	}
}

// seenFaults are those of ids that are held or done. A call's merchant is the scope.
func seenFaults() []fault {
	return []fault{
		{"two holders at once", "", "BeginSeen", func(c *call) { c.do(); set(c.answer.State == store.SeenInProgress, &c.answer.State, store.SeenNew) }},
		{"its own holder has to wait", "", "BeginSeen", func(c *call) {
			if s := c.m.seenID(c.merchant, c.id); s != nil && s.holder == c.begin.Holder && !s.done {
				c.answer.State = store.SeenInProgress
				return
			}
			c.do()
		}},
		{"scopes are one", "", "BeginSeen", func(c *call) { c.merchant = "one"; c.do() }},
		{"a commit keeps no value", "", "CommitSeen", func(c *call) { c.value = nil; c.do() }},
		{"a second commit overwrites the value", "", "CommitSeen", func(c *call) {
			if s := c.m.seenID(c.merchant, c.id); s != nil && s.holder == c.holder && s.done {
				s.value = slices.Clone(c.value)
			}
			c.do()
		}},
		{"a value is given away to a new holder", "", "BeginSeen", func(c *call) { c.do(); set(c.answer.State == store.SeenNew, &c.answer.Value, []byte("old")) }},
		{"done for ever", "", "CommitSeen", func(c *call) { c.lease = 1e6 * time.Hour; c.do() }},
		{"done for a second", "", "CommitSeen", func(c *call) { c.lease = time.Second; c.do() }},
		{"held for ever", "", "BeginSeen", func(c *call) { c.begin.Lease = 1e6 * time.Hour; c.do() }},
		{"anybody commits", "", "CommitSeen", func(c *call) {
			if s := c.m.seenID(c.merchant, c.id); s != nil {
				c.holder = s.holder
			}
			c.do()
		}},
		{"a commit after the lease", "", "CommitSeen", func(c *call) {
			c.do()
			set(errors.Is(c.err, store.ErrStale) && c.m.seenID(c.merchant, c.id) == nil, &c.err, nil)
		}},
		{"committing twice is an error", "", "CommitSeen", func(c *call) {
			if s := c.m.seenID(c.merchant, c.id); s != nil && s.done {
				c.err = store.ErrStale
				return
			}
			c.do()
		}},
		{"anybody forgets", "", "ForgetSeen", func(c *call) {
			if s := c.m.seenID(c.merchant, c.id); s != nil {
				c.holder = s.holder
			}
			c.do()
		}},
		{"nothing is forgotten", "", "ForgetSeen", func(*call) {}},
		{"what is done is forgotten", "", "ForgetSeen", func(c *call) {
			if s := c.m.seenID(c.merchant, c.id); s != nil && s.holder == c.holder {
				s.done = false
			}
			c.do()
		}},
		{"fingerprints are ignored", "", "BeginSeen", func(c *call) { c.begin.Fingerprint = ""; c.do() }},
		{"no fingerprint is one", "", "BeginSeen", func(c *call) { set(c.begin.Fingerprint == "", &c.begin.Fingerprint, "none"); c.do() }},
	}
}

// deaf makes a call that wakes nobody.
func deaf(c *call) {
	unlock := c.m.lock()
	watchers := c.m.watchers
	c.m.watchers = nil
	unlock()
	c.do()
	defer c.m.lock()()
	c.m.watchers = watchers
}

func watchFaults() []fault {
	return []fault{
		{"Watch does not say that it began", "watch/woken", "Watch", func(c *call) {
			first, wake := true, c.wake
			c.wake = func() {
				if !first {
					wake()
				}
				first = false
			}
			c.do()
		}},
		{"Watch returns the context's error", "watch/woken", "Watch", func(c *call) { c.do(); c.err = c.ctx.Err() }},
		{"Watch returns at once", "watch/woken", "Watch", func(c *call) { c.wake() }},
		{"Watch is for one", "watch/woken", "Watch", func(c *call) {
			unlock := c.m.lock()
			first := len(c.m.watchers) == 0
			unlock()
			if first {
				c.do()
				return
			}
			c.wake()
			<-c.ctx.Done()
		}},
		{"Publish does not wake", "watch/woken", "Publish", deaf},
		{"Publish of a test does not wake", "watch/woken", "Publish", instead(
			func(c *call) bool { return len(c.events) > 0 && c.events[0].Test != "" },
			func(c *call) { deaf(c) },
		)},
		{"Enqueue does not wake", "watch/woken", "Enqueue", deaf},
		{"enabling does not wake", "watch/woken", "UpdateWebhook", instead(func(c *call) bool { return enables(c.update) }, func(c *call) { deaf(c) })},
		{"another rate does not wake", "watch/woken", "UpdateWebhook", instead(func(c *call) bool { return c.update.RateLimit != nil }, func(c *call) { deaf(c) })},
		{"a release does not wake", "watch/woken", "Finish", deaf},
		{"the caller's bodies are kept", "webhooks/kept apart from the caller's memory", "Publish", answering(func(c *call) { c.m.event(c.merchant, c.e.ID).Body = c.e.Body })},
	}
}

// pending makes a fault that counts another kind of deliveries.
func pending(counts func(c *call) bool) func(c *call) {
	return func(c *call) {
		c.do()
		c.backlog.Pending = 0
		for _, c.d = range c.m.deliveries {
			if counts(c) {
				c.backlog.Pending++
			}
		}
	}
}

// oldest makes a fault that finds another delivery due longest.
func oldest(since func(c *call) (time.Time, bool)) func(c *call) {
	return func(c *call) {
		c.do()
		c.backlog.OldestDue = 0
		for _, c.d = range c.m.deliveries {
			if t, ok := since(c); ok && c.d.Status == store.DeliveryPending {
				c.backlog.OldestDue = max(c.backlog.OldestDue, c.m.now.Sub(t))
			}
		}
	}
}

func backlogFaults() []fault {
	waits := func(d *modelDelivery) bool { return d.Status == store.DeliveryPending }
	return []fault{
		{"pending counts all", "", "Backlog", pending(func(*call) bool { return true })},
		{"pending counts no leased ones", "", "Backlog", pending(func(c *call) bool { return waits(c.d) && !c.m.leased(c.d) })},
		{"pending counts no tests", "", "Backlog", pending(func(c *call) bool { return waits(c.d) && !c.d.Test })},
		{"pending counts no later ones", "", "Backlog", pending(func(c *call) bool { return waits(c.d) && c.m.over(c.d.DueAt) })},
		{"pending of one merchant", "", "Backlog", pending(func(c *call) bool { return waits(c.d) && c.d.MerchantID == c.m.deliveries[0].MerchantID })},
		{"repetitions are pending too", "", "Publish Backlog", func(c *call) {
			c.do()
			for _, p := range c.published {
				if p.Conflict {
					c.notes["more"]++
				}
			}
			c.backlog.Pending += int64(c.notes["more"])
		}},
		{"what Prune ended is pending", "", "Backlog", pending(func(c *call) bool { return waits(c.d) || c.d.paused })},
		{"deleted ones are pending for ever", "", "DeleteWebhook Backlog", func(c *call) {
			if c.on == "DeleteWebhook" {
				for _, d := range c.m.deliveries {
					if waits(d) && d.WebhookID == c.id {
						c.notes["more"]++
					}
				}
			}
			c.do()
			c.backlog.Pending += int64(c.notes["more"])
		}},
		{"age instead of due time", "", "Backlog", oldest(func(c *call) (time.Time, bool) {
			return c.d.CreatedAt, c.d.leaseEnd.IsZero() && c.m.waiting(c.d) && c.m.over(c.d.DueAt)
		})},
		{"due in the future", "", "Backlog", oldest(func(c *call) (time.Time, bool) {
			return c.m.now.Add(c.m.now.Sub(c.d.DueAt).Abs() * -1), c.d.leaseEnd.IsZero() && c.m.waiting(c.d)
		})},
		{"due longest of one merchant", "", "Backlog", oldest(func(c *call) (time.Time, bool) {
			return c.d.DueAt, c.d.leaseEnd.IsZero() && c.m.waiting(c.d) && c.m.over(c.d.DueAt) && c.d.MerchantID == c.m.deliveries[len(c.m.deliveries)-1].MerchantID
		})},
		{"leases that ended are not due", "", "Backlog", oldest(func(c *call) (time.Time, bool) {
			t, ok := c.m.claimableAt(c.m.perWebhook)[c.d]
			return later(c.d.DueAt, c.m.tokenAt(c.m.webhookOf(c.d))), ok && c.d.leaseEnd.IsZero() && c.m.over(t)
		})},
		{"disabled webhooks have due ones", "", "Backlog", oldest(func(c *call) (time.Time, bool) {
			return c.d.DueAt, c.d.leaseEnd.IsZero() && c.m.over(c.d.DueAt) && (c.m.waiting(c.d) || !c.d.Test)
		})},
		{"full webhooks have due ones", "", "Backlog", oldest(func(c *call) (time.Time, bool) {
			return c.d.DueAt, c.d.leaseEnd.IsZero() && c.m.over(later(c.d.DueAt, c.m.tokenAt(c.m.webhookOf(c.d)))) && c.m.waiting(c.d)
		})},
		{"webhooks without a token have due ones", "", "Backlog", oldest(func(c *call) (time.Time, bool) {
			return c.d.DueAt, c.d.leaseEnd.IsZero() && c.m.over(c.d.DueAt) && c.m.waiting(c.d) && c.m.leases(c.m.webhookOf(c.d)) < c.m.perWebhook
		})},
	}
}

// between lets others come in between.
func between() {
	for range 100 {
		runtime.Gosched()
	}
}

// looking makes a fault that looks, under the lock, and acts later.
func looking[T any](look func(c *call) T, act func(c *call, seen T)) func(c *call) {
	return func(c *call) {
		unlock := c.m.lock()
		seen := look(c)
		unlock()
		between()
		act(c, seen)
	}
}

// raceFaults look first and act later, and anybody may come in between.
func raceFaults() []fault {
	return []fault{
		{"Claim looks and then takes", "concurrency/publish, claim, finish", "Claim", looking(
			func(c *call) (due []*modelDelivery) {
				for _, w := range c.m.turns() {
					due = append(due, c.m.claimable(w, c.claim.PerWebhook)...)
				}
				return due
			},
			func(c *call, due []*modelDelivery) {
				defer c.m.change()()
				for _, d := range due[:min(1, c.claim.Limit, len(due))] {
					if d.Status == store.DeliveryPending {
						c.claimed.Leases = append(c.claimed.Leases, c.m.take(d, c.claim.Lease, ""))
					}
				}
				c.claimed.Next, c.claimed.At = c.m.next(c.claim.PerWebhook), c.m.now
			})},
		{"Claim looks into the bucket and then takes", "concurrency/a rate", "Claim", looking(
			func(c *call) map[*modelWebhook]modelBucket {
				seen := map[*modelWebhook]modelBucket{}
				for _, w := range c.m.webhooks {
					seen[w] = w.bucket
				}
				return seen
			},
			func(c *call, seen map[*modelWebhook]modelBucket) {
				c.do()
				between()
				defer c.m.change()()
				for w, b := range seen {
					if n := int64(len(c.claimed.Leases)); n > 0 && w.RateLimit > 0 {
						w.bucket = modelBucket{b.level - 1000*n, c.m.now.UnixMilli()}
					}
				}
			})},
		{"Publish looks and then stores", "concurrency/one event from everybody", "Publish", looking(
			func(c *call) (known []bool) {
				for _, e := range c.events {
					known = append(known, c.m.event(c.merchant, e.ID) != nil)
				}
				return known
			},
			func(c *call, known []bool) {
				c.do()
				for i := range c.published {
					c.published[i].Duplicate = known[i]
				}
			})},
		{"Finish looks and then settles", "concurrency/one result from everybody", "Finish", looking(
			func(c *call) (settled []bool) {
				for _, r := range c.results {
					d := c.m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID)
					settled = append(settled, d == nil || d.settled)
				}
				return settled
			},
			func(c *call, settled []bool) {
				defer c.m.change()()
				for i, r := range c.results {
					if d := c.m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil {
						d.settled = settled[i]
					}
					c.finished = append(c.finished, c.m.finish(r))
				}
			})},
		{"CreateWebhook counts and then stores", "concurrency/webhooks up to the limit", "CreateWebhook", looking(
			func(c *call) (owned int) {
				for _, w := range c.m.webhooks {
					if w.MerchantID == c.merchant {
						owned++
					}
				}
				return owned
			},
			func(c *call, owned int) {
				if c.limit > 0 && owned >= c.limit {
					c.err = store.ErrLimit
					return
				}
				c.limit = 0
				c.do()
			})},
		{"UpdateWebhook compares and then writes", "concurrency/update if unchanged", "UpdateWebhook", looking(
			func(c *call) bool {
				w := c.own()
				return w != nil && c.update.IfVersion == w.Version
			},
			func(c *call, same bool) { set(same, &c.update.IfVersion, 0); c.do() })},
		{"AddNotice compares and then writes", "concurrency/one notice from everybody", "AddNotice", looking(
			func(c *call) bool {
				w := c.m.webhook(c.merchant, c.notice.WebhookID)
				return w != nil && w.Mark == c.oldMark
			},
			func(c *call, same bool) {
				defer c.m.change()()
				if same {
					c.m.webhook(c.merchant, c.notice.WebhookID).Mark = c.newMark
					c.m.addNotice(c.notice)
					c.added = true
				}
			})},
		{"BeginSeen looks and then holds", "concurrency/one id to process", "BeginSeen", looking(
			func(c *call) bool { return c.m.seenID(c.merchant, c.id) == nil },
			func(c *call, free bool) {
				if free {
					unlock := c.m.lock()
					c.m.forgetSeen(c.merchant, c.id)
					unlock()
				}
				c.do()
			})},
	}
}
