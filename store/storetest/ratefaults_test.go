package storetest

import (
	"cmp"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// limited calls f for each webhook with a rate limit.
func limited(m *model, f func(w *store.Webhook, b *modelBucket)) {
	for _, w := range m.webhooks {
		if w.RateLimit > 0 {
			b := m.buckets[ownerOf(w)]
			f(w, &b)
			m.buckets[ownerOf(w)] = b
		}
	}
}

// refilling claims from buckets that were refilled in another way.
func refilling(level func(m *model, w *store.Webhook, b modelBucket) int64) faulty {
	return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
		unlock := m.hold()
		was, refilled := map[string]modelBucket{}, map[string]modelBucket{}
		limited(m, func(w *store.Webhook, b *modelBucket) {
			was[ownerOf(w)] = *b
			*b = modelBucket{level(m, w, *b), m.now.UnixMilli()}
			refilled[ownerOf(w)] = *b
		})
		unlock()
		out, err := m.Claim(background, c)
		defer m.hold()()
		limited(m, func(w *store.Webhook, b *modelBucket) {
			if *b == refilled[ownerOf(w)] { // Nothing was taken.
				*b = was[ownerOf(w)]
			}
		})
		return out, err
	}}
}

// afterwards changes the buckets when something was claimed.
func afterwards(change func(m *model, w *store.Webhook, b *modelBucket, l store.Lease)) faulty {
	return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
		out, err := m.Claim(background, c)
		defer m.hold()()
		limited(m, func(w *store.Webhook, b *modelBucket) {
			for _, l := range out.Leases {
				if l.WebhookID == w.ID {
					change(m, w, b, l)
				}
			}
		})
		return out, err
	}}
}

// free gives the token of some leases back.
func free(which func(l store.Lease) bool) faulty {
	return afterwards(func(_ *model, _ *store.Webhook, b *modelBucket, l store.Lease) {
		if which(l) {
			b.level += 1000
		}
	})
}

// unlimited runs f as if there were no rates.
func unlimited(m *model, f func()) {
	whileEach(m, func(w *store.Webhook) { w.RateLimit = 0 }, f)
}

// without says that w has deliveries that are due, and no token for them.
func without(m *model, w *store.Webhook) bool {
	if m.over(m.tokenAt(w)) {
		return false
	}
	for _, d := range m.deliveries {
		if owner(d) == ownerOf(w) && m.waiting(d) && m.over(dueAt(d)) {
			return true
		}
	}
	return false
}

func full(w *store.Webhook) int64 { return 1000 * int64(w.RateLimit) }

func rateFaults() []fault {
	// setting changes what happens when the rate is set.
	setting := func(change func(m *model, w *store.Webhook, u *store.WebhookUpdate) (after func())) faulty {
		return faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			after := func() {}
			if w := m.webhook(merchantID, webhookID); w != nil {
				after = change(m, w, &u)
			}
			out, err := m.UpdateWebhook(background, merchantID, webhookID, u)
			defer m.hold()()
			if err == nil {
				after()
			}
			return out, err
		}}
	}
	fill := func(m *model, w *store.Webhook) func() {
		return func() { m.buckets[ownerOf(w)] = modelBucket{full(w), m.now.UnixMilli()} }
	}
	elapsed := func(m *model, b modelBucket) int64 { return m.now.UnixMilli() - b.taken }
	return []fault{
		{"a rate is ignored", "rate/a second's worth at once", true, faulty{claim: func(m *model, c store.ClaimRequest) (out store.Claimed, err error) {
			unlimited(m, func() { out, err = m.Claim(background, c) })
			return out, err
		}}},
		{"a rate counts each call alone", "rate/over several callers", true, refilling(func(_ *model, w *store.Webhook, _ modelBucket) int64 { return full(w) })},
		{"a bucket grows for ever", "rate/a second's worth at once", true, faulty{claim: func(m *model, c store.ClaimRequest) (out store.Claimed, err error) {
			// A bucket of twice the rate that is refilled as slowly as the other.
			grown := map[string]int64{}
			limited(m, func(w *store.Webhook, b *modelBucket) {
				if over := b.level + int64(w.RateLimit)*elapsed(m, *b) - full(w); over > 0 {
					grown[ownerOf(w)] = over
					*b = modelBucket{b.level + over, b.taken}
				}
			})
			whileEach(m, func(w *store.Webhook) {
				if grown[ownerOf(w)] > 0 {
					w.RateLimit *= 2
				}
			}, func() { out, err = m.Claim(background, c) })
			return out, err
		}}},
		{"a bucket begins empty", "rate/a second's worth at once", true, faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			out, err := m.CreateWebhook(background, merchantID, w, limit)
			if err == nil && w.RateLimit > 0 {
				m.buckets[merchantID+"|"+w.ID] = modelBucket{0, m.now.UnixMilli()}
			}
			return out, err
		}}},
		{"a bucket is never refilled", "rate/a token at a time", true, refilling(func(_ *model, _ *store.Webhook, b modelBucket) int64 { return b.level })},
		{"a bucket is refilled once a second", "rate/a token at a time", true, refilling(func(m *model, w *store.Webhook, b modelBucket) int64 {
			if elapsed(m, b) >= 1000 {
				return full(w)
			}
			return b.level
		})},
		{"a part of a token is lost", "rate/a token at a time", true, refilling(func(m *model, w *store.Webhook, _ modelBucket) int64 {
			return m.level(w) / 1000 * 1000
		})},
		{"a bucket gains a token a millisecond at most", "rate/more than a token each millisecond", false, refilling(func(m *model, w *store.Webhook, b modelBucket) int64 {
			return min(full(w), b.level+min(1000, int64(w.RateLimit))*elapsed(m, b))
		})},
		{"a token comes a millisecond late", "rate/a token at a time", true, afterwards(func(m *model, _ *store.Webhook, b *modelBucket, _ store.Lease) { b.taken = m.now.UnixMilli() + 1 })},
		{"retries are free", "rate/whatever is claimed", true, free(func(l store.Lease) bool { return l.Attempts > 0 })},
		{"reclaims are free", "rate/whatever is claimed", true, free(func(l store.Lease) bool { return l.Reclaims > 0 })},
		{"tests are free", "rate/whatever is claimed", true, free(func(l store.Lease) bool { return l.Test })},
		{"a release gives its token back", "rate/whatever is claimed", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			out, err := m.Finish(background, results)
			defer m.hold()()
			limited(m, func(w *store.Webhook, b *modelBucket) {
				for i, r := range results {
					if r.WebhookID == w.ID && r.Outcome == store.Released && out[i].State == store.FinishAccepted {
						b.level += 1000
					}
				}
			})
			return out, err
		}}},
		{"a claim that finds nothing costs a token", "rate/only what is claimed", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			defer m.hold()()
			limited(m, func(w *store.Webhook, b *modelBucket) {
				if level := m.level(w); len(out.Leases) == 0 && level >= 1000 {
					*b = modelBucket{level - 1000, m.now.UnixMilli()}
				}
			})
			return out, err
		}}},
		{"a token of a full webhook is lost", "rate/only what is claimed", false, afterwards(func(m *model, w *store.Webhook, b *modelBucket, _ store.Lease) {
			leased := 0
			for _, d := range m.deliveries {
				if owner(d) == ownerOf(w) && m.leased(d) {
					leased++
				}
			}
			if b.level >= 1000 && leased > 1 {
				b.level -= 1000
			}
		})},
		{"to wait for a token is an attempt", "rate/waiting is no attempt", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			defer m.hold()()
			for _, d := range m.deliveries {
				if w := m.webhook(d.MerchantID, d.WebhookID); d.Status == store.DeliveryPending && !m.leased(d) && m.over(d.DueAt) && without(m, w) {
					d.Reclaims++
				}
			}
			return out, err
		}}},
		{"a delivery without a token is put off", "rate/waiting is no attempt", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			defer m.hold()()
			for _, d := range m.deliveries {
				if w := m.webhook(d.MerchantID, d.WebhookID); d.Status == store.DeliveryPending && d.leaseEnd.IsZero() && m.over(d.DueAt) && without(m, w) {
					d.DueAt = m.tokenAt(w)
				}
			}
			return out, err
		}}},
		{"setting the same rate fills the bucket", "rate/another rate", true, setting(func(m *model, w *store.Webhook, u *store.WebhookUpdate) func() {
			if u.RateLimit != nil {
				return fill(m, w)
			}
			return func() {}
		})},
		{"another rate keeps the bucket", "rate/another rate", false, setting(func(m *model, w *store.Webhook, _ *store.WebhookUpdate) func() {
			was := m.buckets[ownerOf(w)]
			return func() { m.buckets[ownerOf(w)] = modelBucket{min(was.level, full(w)), was.taken} }
		})},
		{"every update fills the bucket", "rate/other changes", true, setting(func(m *model, w *store.Webhook, _ *store.WebhookUpdate) func() { return fill(m, w) })},
		{"enabling fills the bucket", "rate/other changes", false, setting(func(m *model, w *store.Webhook, u *store.WebhookUpdate) func() {
			if u.Status != nil && *u.Status == store.Active && w.Status == store.Disabled {
				return fill(m, w)
			}
			return func() {}
		})},
		{"an update begins the wait anew", "rate/other changes", true, setting(func(m *model, w *store.Webhook, _ *store.WebhookUpdate) func() {
			return func() {
				if b := m.buckets[ownerOf(w)]; b.level < 1000 {
					m.buckets[ownerOf(w)] = modelBucket{b.level, m.now.UnixMilli()}
				}
			}
		})},
		{"disabled webhooks have no bucket", "rate/while it is disabled", false, faulty{claim: func(m *model, c store.ClaimRequest) (out store.Claimed, err error) {
			whileEach(m, func(w *store.Webhook) {
				if w.Status == store.Disabled {
					w.RateLimit = 0
				}
			}, func() { out, err = m.Claim(background, c) })
			return out, err
		}}},
		{"a webhook without a token blocks the others", "rate/a limited webhook delays nobody", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			for _, w := range m.webhooks {
				if without(m, w) {
					return store.Claimed{Next: m.tokenAt(w).Sub(m.now)}, nil
				}
			}
			return m.Claim(background, c)
		}}},
		{"turns go by the due time alone", "rate/turns", true, ordered(func(_ *model, a, b *modelDelivery) int {
			return cmp.Or(dueAt(a).Compare(dueAt(b)), cmp.Compare(owner(a), owner(b)), testsFirst(a, b))
		})},
		{"limited webhooks go last", "rate/turns", false, ordered(func(m *model, a, b *modelDelivery) int {
			limit := func(d *modelDelivery) int { return m.webhook(d.MerchantID, d.WebhookID).RateLimit }
			return cmp.Compare(min(limit(a), 1), min(limit(b), 1))
		})},
		{"Next does not know buckets", "rate/Next until a token", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			unlimited(m, func() { out.Next = m.next(c.PerWebhook) })
			return out, err
		}}},
		{"Next is a second for every bucket", "rate/Next until a token", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			for _, w := range m.webhooks {
				if without(m, w) && out.Next > 0 {
					out.Next = max(out.Next, time.Second)
				}
			}
			return out, err
		}}},
		{"Next is that of the last bucket", "rate/Next of the first of two", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			for _, w := range m.webhooks {
				if without(m, w) && out.Next > 0 {
					out.Next = max(out.Next, m.tokenAt(w).Sub(m.now))
				}
			}
			return out, err
		}}},
		{"Claim looks into the bucket and then takes", "rate/over callers at once", false, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			unlock := m.hold()
			seen := map[string]modelBucket{}
			limited(m, func(w *store.Webhook, b *modelBucket) { seen[ownerOf(w)] = *b })
			unlock()
			out, err := m.Claim(background, c)
			pause()
			defer m.hold()()
			limited(m, func(w *store.Webhook, b *modelBucket) {
				if n := int64(len(out.Leases)); n > 0 {
					*b = modelBucket{seen[ownerOf(w)].level - 1000*n, m.now.UnixMilli()}
				}
			})
			return out, err
		}}},
		{"another rate does not wake", "watch/another rate", false, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (out store.Webhook, err error) {
			deaf(m, func() { out, err = m.UpdateWebhook(background, merchantID, webhookID, u) })
			return out, err
		}}},
	}
}
