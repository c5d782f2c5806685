package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// modelLine is since when a webhook waits for its turn: since it became claimable,
// or since it was visited last and was claimable still. Zero if it is not claimable.
// Where a delivery went that it was claimable by, another one has its own moment,
// which is the latest that a store may go by.
type modelLine struct{ from, latest time.Time }

// lineUp notes which webhooks have become claimable, and when: just now, or if time has
// passed, at the moment that was foreseen before.
func (m *model) lineUp(foreseen map[*modelDelivery]time.Time) {
	at, passed := foreseen, foreseen != nil
	if !passed {
		at = m.claimableAt(m.perWebhook)
	}
	for _, w := range m.webhooks {
		var first time.Time
		for d, t := range at {
			if d.of(w) && m.over(t) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
		switch {
		case first.IsZero():
			w.line = modelLine{}
		case !w.line.from.IsZero():
			w.line.latest = later(w.line.latest, first)
		case passed:
			w.line = modelLine{first, first}
		default:
			w.line = modelLine{m.now, m.now}
		}
	}
}

// turns lists the webhooks that are claimable, those that wait longest first.
func (m *model) turns() []*modelWebhook {
	all := slices.DeleteFunc(slices.Clone(m.webhooks), func(w *modelWebhook) bool { return w.line.from.IsZero() })
	slices.SortStableFunc(all, func(a, b *modelWebhook) int { return millis(a.line.from, b.line.from) })
	return all
}

// claimableAt is when each waiting delivery will be claimable if nothing
// happens: when it is due and its webhook has a token and room for one more
// lease, and is not held unless it is a test.
func (m *model) claimableAt(perWebhook int) map[*modelDelivery]time.Time {
	ends := map[*modelWebhook][]time.Time{}
	for _, d := range m.deliveries {
		if m.leased(d) {
			w := m.webhookOf(d)
			ends[w] = append(ends[w], d.leaseEnd)
		}
	}
	room := map[*modelWebhook]time.Time{}
	for w, leases := range ends {
		if len(leases) >= perWebhook {
			slices.SortFunc(leases, time.Time.Compare)
			room[w] = leases[len(leases)-perWebhook]
		}
	}
	out := map[*modelDelivery]time.Time{}
	for _, d := range m.deliveries {
		if m.waiting(d) {
			w := m.webhookOf(d)
			out[d] = later(later(dueAt(d), m.tokenAt(w)), room[w])
			if !d.Test {
				out[d] = later(out[d], w.held)
			}
		}
	}
	return out
}

// claimable lists what one more lease of a webhook could be of: tests first, then
// what is due longest.
func (m *model) claimable(w *modelWebhook, perWebhook int) []*modelDelivery {
	var out []*modelDelivery
	at := m.claimableAt(perWebhook)
	for _, d := range m.deliveries {
		if t, ok := at[d]; ok && d.of(w) && m.over(t) {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b *modelDelivery) int { return cmp.Or(testsFirst(a, b), dueAt(a).Compare(dueAt(b))) })
	return out
}

func testsFirst(a, b *modelDelivery) int {
	switch {
	case a.Test == b.Test:
		return 0
	case a.Test:
		return -1
	}
	return 1
}

// modelBucket is what a webhook with a rate limit may give away.
type modelBucket struct {
	level int64 // in thousandths of a token, when the last one was taken
	taken int64 // when that was, in Unix milliseconds
}

// limit sets the rate of a webhook.
func (m *model) limit(w *modelWebhook, rate int) {
	if rate != w.RateLimit {
		w.RateLimit = rate
		w.bucket = modelBucket{level: 1000 * int64(rate), taken: m.now.UnixMilli()}
	}
}

// level is what the bucket of a webhook holds now.
func (m *model) level(w *modelWebhook) int64 {
	rate := int64(w.RateLimit)
	elapsed := max(0, m.now.UnixMilli()-w.bucket.taken)
	return min(1000*rate, w.bucket.level+rate*elapsed)
}

// spend takes a token for a delivery.
func (m *model) spend(w *modelWebhook) {
	if w.RateLimit > 0 {
		w.bucket = modelBucket{level: m.level(w) - 1000, taken: m.now.UnixMilli()}
	}
}

// tokenAt is the moment at which a webhook's bucket has a token again, or no time
// if there was one left or there is no limit.
func (m *model) tokenAt(w *modelWebhook) time.Time {
	left, rate := w.bucket.level, int64(w.RateLimit)
	if rate == 0 || left >= 1000 {
		return time.Time{}
	}
	return time.UnixMilli(w.bucket.taken + (1000-left+rate-1)/rate)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// millis compares two times as a store does, to the millisecond.
func millis(a, b time.Time) int { return cmp.Compare(a.UnixMilli(), b.UnixMilli()) }

var _ store.Store = (*model)(nil)
