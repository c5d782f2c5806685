package storetest

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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

// addedNotices makes a fault that changes the notices that a call has added.
func addedNotices(change func(n *modelNotice, place int)) func(c *call) {
	return func(c *call) {
		before := len(c.m.notices)
		c.do()
		for i, n := range c.m.notices[before:] {
			change(n, before+i)
		}
	}
}

// named is the notice that a call names.
func (c *call) named() *modelNotice { return c.m.notice(c.merchant, c.id) }

// noticed is the webhook that a notice is about, or an empty one.
func (c *call) noticed() *modelWebhook {
	return cmp.Or(c.m.webhook(c.merchant, c.notice.WebhookID), &modelWebhook{})
}

// seen is the id that a call names, or an empty one. The call's merchant is the scope.
func (c *call) seen() *modelSeen { return cmp.Or(c.m.seenID(c.merchant, c.id), &modelSeen{}) }

func noticeFaults() []fault {
	return []fault{
		{"AddNotice does not compare the mark", "", "AddNotice", func(c *call) { w := c.noticed(); c.oldMark = w.Mark; c.do() }},
		{"AddNotice leaves the mark", "", "AddNotice", func(c *call) { c.newMark = c.oldMark; c.do() }},
		{"AddNotice moves the mark and adds nothing", "", "AddNotice", adding(func(c *call) { c.m.notices = without(c.m.notices, c.mn) })},
		{"AddNotice adds although the mark is another", "", "AddNotice", done(func(c *call) {
			if c.notice.MerchantID = c.merchant; !c.added {
				c.m.addNotice(c.notice)
			}
		})},
		{"AddNotice adds twice", "", "AddNotice", adding(func(c *call) { c.m.addNotice(c.mn.Notice) })},
		{"AddNotice has always added", "", "AddNotice", func(c *call) { c.do(); c.added = c.err == nil }},
		{"AddNotice for nobody is no error", "", "AddNotice", func(c *call) { c.do(); c.err = nil }},
		{"AddNotice cuts the mark", "", "AddNotice", func(c *call) { c.newMark = c.newMark[:min(len(c.newMark), 100)]; c.do() }},
		{"AddNotice is a change of the webhook", "", "AddNotice", adding(func(c *call) { c.m.webhook(c.mn.MerchantID, c.mn.WebhookID).Version++ })},
		{"a mark is compared to the webhook's of any merchant", "", "AddNotice", instead(func(c *call) bool { return c.m.webhook(c.merchant, c.notice.WebhookID) == nil }, func(*call) {})},
		{"an added notice has the caller's time", "", "AddNotice", adding(func(c *call) { c.mn.At = c.notice.At })},
		{"an added notice has the caller's id", "", "AddNotice", adding(func(c *call) { c.mn.ID = c.notice.ID })},
		{"an added notice has the webhook's streak", "", "AddNotice", adding(func(c *call) { c.mn.Failures = c.m.webhook(c.mn.MerchantID, c.mn.WebhookID).ConsecutiveFailures })},
		{"an added notice loses its beginning", "", "AddNotice", adding(func(c *call) { c.mn.Since = time.Time{} })},
		{"a notice has the id of its place", "", "AddNotice Finish", addedNotices(func(n *modelNotice, place int) { n.ID = string(rune('a' + place)) })},
		{"one notice id for each webhook", "", "AddNotice Finish", addedNotices(func(n *modelNotice, _ int) { n.ID = n.WebhookID })},
		{"no notices are an error", "", "ClaimNotices", func(c *call) { c.do(); set(len(c.notices) == 0, &c.err, store.ErrNotFound) }},
		{"notices are not hidden", "", "ClaimNotices", func(c *call) { c.lease = 0; c.do() }},
		{"notices are claimed once", "", "ClaimNotices", func(c *call) { c.lease = 1e6 * time.Hour; c.do() }},
		{"notices ignore the limit", "", "ClaimNotices", func(c *call) { c.limit = endless; c.do() }},
		{"notices are newest first", "", "ClaimNotices", func(c *call) { slices.Reverse(c.m.notices); c.do(); slices.Reverse(c.m.notices) }},
		{"notices are in the order of their webhooks", "", "ClaimNotices", func(c *call) {
			slices.SortStableFunc(c.m.notices, func(a, b *modelNotice) int { return strings.Compare(a.WebhookID, b.WebhookID) })
			c.do()
		}},
		{"an acknowledged notice comes again", "", "AckNotice", func(*call) {}},
		{"an unknown notice is an error", "", "AckNotice", func(c *call) { unknown := c.named() == nil; c.do(); set(unknown, &c.err, store.ErrNotFound) }},
		{"anybody acknowledges a notice", "", "AckNotice", func(c *call) {
			c.m.notices = slices.DeleteFunc(c.m.notices, func(n *modelNotice) bool { return n.ID == c.id })
		}},
		{"who has lost a notice cannot acknowledge it", "", "AckNotice", instead(func(c *call) bool { n := c.named(); return n != nil && n.token > 1 }, func(*call) {})},
		{"a notice shows the webhook of now", "", "ClaimNotices", noted(func(c *call) { c.n.URL = c.m.webhook(c.n.MerchantID, c.n.WebhookID).URL })},
		{"notices of one merchant alone", "", "ClaimNotices", func(c *call) {
			c.do()
			c.notices = slices.DeleteFunc(c.notices, func(n store.NoticeLease) bool { return n.MerchantID != c.notices[0].MerchantID })
		}},
		{"claims of notices are not counted", "", "ClaimNotices", noted(func(c *call) { c.m.notice(c.n.MerchantID, c.n.ID).token = 1; c.n.Token = 1 })},
		{"nothing is put off", "", "DeferNotice", func(*call) {}},
		{"only a claimed notice is put off", "", "DeferNotice", instead(func(c *call) bool { n := c.named(); return n == nil || c.m.over(n.leaseEnd) }, func(*call) {})},
		{"an unknown notice cannot be put off", "", "DeferNotice", after(func(c *call) { set(c.named() == nil, &c.err, store.ErrNotFound) })},
		{"a notice is put off by a lease more", "", "DeferNotice", func(c *call) { c.lease += time.Minute; c.do() }},
		{"who has lost a notice puts it off", "", "DeferNotice", func(c *call) { c.token = cmp.Or(c.named(), &modelNotice{}).token; c.do() }},
		{"anybody puts a notice off", "", "DeferNotice", func(c *call) {
			if n := find(c.m.notices, func(n *modelNotice) bool { return n.ID == c.id }); n != nil {
				n.leaseEnd = c.m.now.Add(c.lease)
			}
		}},
	}
}

// seenFaults are those of ids that are held or done.
func seenFaults() []fault {
	return []fault{
		{"two holders at once", "", "BeginSeen", func(c *call) { c.do(); set(c.answer.State == store.SeenInProgress, &c.answer.State, store.SeenNew) }},
		{"its own holder has to wait", "", "BeginSeen", instead(func(c *call) bool { s := c.seen(); return s.holder == c.begin.Holder && !s.done }, func(c *call) { c.answer.State = store.SeenInProgress })},
		{"scopes are one", "", "BeginSeen", func(c *call) { c.merchant = "one"; c.do() }},
		{"a commit keeps no value", "", "CommitSeen", func(c *call) { c.value = nil; c.do() }},
		{"a second commit overwrites the value", "", "CommitSeen", func(c *call) {
			s := c.seen()
			set(s.holder == c.holder && s.done, &s.value, slices.Clone(c.value))
			c.do()
		}},
		{"a value is given away to a new holder", "", "BeginSeen", func(c *call) { c.do(); set(c.answer.State == store.SeenNew, &c.answer.Value, []byte("old")) }},
		{"done for ever", "", "CommitSeen", func(c *call) { c.lease = 1e6 * time.Hour; c.do() }},
		{"done for a second", "", "CommitSeen", func(c *call) { c.lease = time.Second; c.do() }},
		{"held for ever", "", "BeginSeen", func(c *call) { c.begin.Lease = 1e6 * time.Hour; c.do() }},
		{"nothing is kept", "", "BeginSeen", func(c *call) { c.begin.Keep = 0; c.do() }},
		{"kept for ever", "", "BeginSeen", func(c *call) { set(c.begin.Keep > 0, &c.begin.Keep, 1e6*time.Hour); c.do() }},
		{"the last holder is the first", "", "BeginSeen", func(c *call) { c.do(); set(c.answer.First != "", &c.answer.First, c.begin.Holder) }},
		{"all of the lease is left", "", "BeginSeen", func(c *call) { c.do(); set(c.answer.Left > 0, &c.answer.Left, duelLease) }},
		{"what is kept is held", "", "BeginSeen", instead(func(c *call) bool {
			s := c.seen()
			return s.holder != "" && s.holder != c.begin.Holder && !s.done && c.m.over(s.end)
		}, func(c *call) { c.answer.State = store.SeenInProgress })},
		{"anybody commits", "", "CommitSeen", func(c *call) { c.holder = cmp.Or(c.seen().holder, c.holder); c.do() }},
		{"a commit after the lease", "", "CommitSeen", after(func(c *call) { set(errors.Is(c.err, store.ErrStale) && c.seen().holder == "", &c.err, nil) })},
		{"committing twice is an error", "", "CommitSeen", instead(func(c *call) bool { return c.seen().done }, func(c *call) { c.err = store.ErrStale })},
		{"anybody forgets", "", "ForgetSeen", func(c *call) { c.holder = cmp.Or(c.seen().holder, c.holder); c.do() }},
		{"nothing is forgotten", "", "ForgetSeen", func(*call) {}},
		{"what is done is forgotten", "", "ForgetSeen", func(c *call) { s := c.seen(); set(s.holder == c.holder, &s.done, false); c.do() }},
		{"fingerprints are ignored", "", "BeginSeen", func(c *call) { c.begin.Fingerprint = ""; c.do() }},
		{"no fingerprint is one", "", "BeginSeen", func(c *call) { set(c.begin.Fingerprint == "", &c.begin.Fingerprint, "none"); c.do() }},
	}
}

// deaf makes a call that wakes nobody.
func deaf(c *call) {
	var watchers []*modelWatcher
	c.locked(func() { watchers, c.m.watchers = c.m.watchers, nil })
	c.do()
	c.locked(func() { c.m.watchers = watchers })
}

func watchFaults() []fault {
	return []fault{
		{"Watch does not say that it began", "watch/woken", "Watch", func(c *call) {
			var calls atomic.Int64
			wake := c.wake
			c.wake = func() {
				if calls.Add(1) > 1 {
					wake()
				}
			}
			c.do()
		}},
		{"Watch returns the context's error", "watch/woken", "Watch", func(c *call) { c.do(); c.err = c.ctx.Err() }},
		{"Watch returns at once", "watch/woken", "Watch", func(c *call) { c.wake() }},
		{"Watch is for one", "watch/woken", "Watch", func(c *call) {
			var first bool
			if c.locked(func() { first = len(c.m.watchers) == 0 }); first {
				c.do()
				return
			}
			c.wake()
			<-c.ctx.Done()
		}},
		{"Publish does not wake", "watch/woken", "Publish", deaf},
		{"Publish of a test does not wake", "watch/woken", "Publish", instead(func(c *call) bool { return len(c.events) > 0 && c.events[0].Test != "" }, deaf)},
		{"Enqueue does not wake", "watch/woken", "Enqueue", deaf},
		{"enabling does not wake", "watch/woken", "UpdateWebhook", instead(func(c *call) bool { return enables(c.update) }, deaf)},
		{"another rate does not wake", "watch/woken", "UpdateWebhook", instead(func(c *call) bool { return c.update.RateLimit != nil }, deaf)},
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
			if t, ok := since(c); ok && c.d.pending() {
				c.backlog.OldestDue = max(c.backlog.OldestDue, c.m.now.Sub(t))
			}
		}
	}
}

func backlogFaults() []fault {
	return []fault{
		{"pending counts all", "", "Backlog", pending(func(*call) bool { return true })},
		{"pending counts no leased ones", "", "Backlog", pending(func(c *call) bool { return c.d.pending() && !c.m.leased(c.d) })},
		{"pending counts no tests", "", "Backlog", pending(func(c *call) bool { return c.d.pending() && !c.d.Test })},
		{"pending counts no later ones", "", "Backlog", pending(func(c *call) bool { return c.d.pending() && c.m.over(c.d.DueAt) })},
		{"pending of one merchant", "", "Backlog", pending(func(c *call) bool { return c.d.pending() && c.d.MerchantID == c.m.deliveries[0].MerchantID })},
		{"repetitions are pending too", "", "Publish Backlog", after(func(c *call) {
			c.notes["more"] += count(c.published, func(p store.Published) bool { return p.Conflict })
			c.backlog.Pending += int64(c.notes["more"])
		})},
		{"what Prune ended is pending", "", "Backlog", pending(func(c *call) bool { return c.d.pending() || c.d.paused })},
		{"deleted ones are pending for ever", "", "DeleteWebhook Backlog", func(c *call) {
			c.notes["more"] += count(c.m.deliveries, func(d *modelDelivery) bool { return c.on == "DeleteWebhook" && d.pending() && d.WebhookID == c.id })
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
		var seen T
		c.locked(func() { seen = look(c) })
		between()
		act(c, seen)
	}
}

// locked does something under the model's lock.
func (c *call) locked(do func()) {
	defer c.m.lock()()
	do()
}

// raceFaults look first and act later, and anybody may come in between.
func raceFaults() []fault {
	return []fault{
		{"Claim looks and then takes", "concurrency/publish, claim, finish", "Claim", looking(
			func(c *call) []*modelDelivery {
				return slices.DeleteFunc(slices.Clone(c.m.deliveries), func(d *modelDelivery) bool { return !d.leaseEnd.IsZero() })
			},
			func(c *call, free []*modelDelivery) {
				c.locked(func() {
					for _, d := range free {
						d.leaseEnd = time.Time{}
					}
				})
				c.do()
			})},
		{"Claim looks into the bucket and then takes", "concurrency/a rate", "Claim", looking(
			func(c *call) []modelBucket {
				return pick(c.m.webhooks, func(w *modelWebhook) modelBucket { return w.bucket })
			},
			func(c *call, seen []modelBucket) {
				c.locked(func() {
					for i, b := range seen {
						c.m.webhooks[i].bucket = b
					}
				})
				c.do()
			})},
		{"Publish looks and then stores", "concurrency/one event from everybody", "Publish", looking(
			func(c *call) []bool {
				return pick(c.events, func(e store.NewEvent) bool { return c.m.event(c.merchant, e.ID) != nil })
			},
			func(c *call, known []bool) {
				answering(func(c *call) {
					c.p.Duplicate = known[slices.IndexFunc(c.events, func(e store.NewEvent) bool { return e.ID == c.e.ID })]
				})(c)
			})},
		{"Finish looks and then settles", "concurrency/one result from everybody", "Finish", looking(
			func(c *call) []bool {
				return pick(c.results, func(r store.Result) bool { return c.m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID).settled })
			},
			func(c *call, settled []bool) {
				resulting(func(c *call) { c.d.settled = settled[len(c.finished)] })(c)
			})},
		{"CreateWebhook counts and then stores", "concurrency/webhooks up to the limit", "CreateWebhook", looking(
			func(c *call) bool {
				return count(c.m.webhooks, func(w *modelWebhook) bool { return w.MerchantID == c.merchant }) < c.limit
			},
			func(c *call, room bool) { set(room, &c.limit, 0); c.do() })},
		{"UpdateWebhook compares and then writes", "concurrency/update if unchanged", "UpdateWebhook", looking(
			func(c *call) bool { return c.own().Version == c.update.IfVersion },
			func(c *call, same bool) { set(same, &c.update.IfVersion, 0); c.do() })},
		{"AddNotice compares and then writes", "concurrency/one notice from everybody", "AddNotice", looking(
			func(c *call) bool { return c.noticed().Mark == c.oldMark },
			func(c *call, same bool) {
				c.locked(func() { set(same, &c.oldMark, c.noticed().Mark) })
				c.do()
			})},
		{"BeginSeen looks and then holds", "concurrency/one id to process", "BeginSeen", looking(
			func(c *call) bool { return c.seen().holder == "" },
			func(c *call, free bool) {
				if free {
					c.locked(func() { c.m.forgetSeen(c.merchant, c.id) })
				}
				c.do()
			})},
	}
}
