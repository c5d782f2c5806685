package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// modelBucket is what a webhook with a rate limit may give away.
type modelBucket struct {
	level int64 // in thousandths of a token, when the last one was taken
	taken int64 // when that was, in Unix milliseconds
}

func ownerOf(w *store.Webhook) string { return w.MerchantID + "|" + w.ID }

// limit sets the rate of a webhook.
func (m *model) limit(w *store.Webhook, rate int) {
	if rate != w.RateLimit {
		w.RateLimit = rate
		m.buckets[ownerOf(w)] = modelBucket{level: 1000 * int64(rate), taken: m.now.UnixMilli()}
	}
}

// level is what the bucket of a webhook holds now.
func (m *model) level(w *store.Webhook) int64 {
	b, rate := m.buckets[ownerOf(w)], int64(w.RateLimit)
	elapsed := max(0, m.now.UnixMilli()-b.taken)
	return min(1000*rate, b.level+rate*elapsed)
}

// spend takes a token for a delivery.
func (m *model) spend(w *store.Webhook) {
	if w.RateLimit > 0 {
		m.buckets[ownerOf(w)] = modelBucket{level: m.level(w) - 1000, taken: m.now.UnixMilli()}
	}
}

// tokenAt is the moment at which a webhook's bucket has a token again, or no time
// if there was one left or there is no limit.
func (m *model) tokenAt(w *store.Webhook) time.Time {
	b, rate := m.buckets[ownerOf(w)], int64(w.RateLimit)
	if rate == 0 || b.level >= 1000 {
		return time.Time{}
	}
	wait := (1000 - b.level) / rate
	if (1000-b.level)%rate > 0 {
		wait++
	}
	return time.UnixMilli(b.taken + wait)
}

// turnAt is since when, or from when on, d waits for its turn.
func (m *model) turnAt(d *modelDelivery) time.Time {
	return later(dueAt(d), m.tokenAt(m.webhook(d.MerchantID, d.WebhookID)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
