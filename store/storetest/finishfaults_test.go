package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// tokenIgnored takes every result for that of the current lease.
func tokenIgnored(m *model, results []store.Result) ([]store.Finished, error) {
	results = slices.Clone(results)
	unlock := m.hold()
	for i, r := range results {
		if d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil {
			results[i].Token = d.token
		}
	}
	unlock()
	return m.Finish(background, results)
}

func finishFaults() []fault {
	// before settles one after the other, after a change.
	before := func(change func(m *model, r *store.Result, d *modelDelivery, w *store.Webhook)) faulty {
		return faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.wake()
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				if d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil {
					change(m, &r, d, m.webhook(d.MerchantID, d.WebhookID))
				}
				out[i] = m.finish(r)
			}
			return out, nil
		}}
	}
	// after settles one after the other, and changes what came out.
	after := func(change func(m *model, r store.Result, f *store.Finished, d *modelDelivery, w *store.Webhook)) faulty {
		return faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.wake()
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				out[i] = m.finish(r)
				if d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil {
					change(m, r, &out[i], d, m.webhook(d.MerchantID, d.WebhookID))
				}
			}
			return out, nil
		}}
	}
	accepted := func(change func(m *model, r store.Result, d *modelDelivery, w *store.Webhook)) faulty {
		return after(func(m *model, r store.Result, f *store.Finished, d *modelDelivery, w *store.Webhook) {
			if f.State == store.FinishAccepted {
				change(m, r, d, w)
			}
		})
	}
	stale := func(outcomes ...store.Outcome) faulty {
		return before(func(_ *model, r *store.Result, d *modelDelivery, _ *store.Webhook) {
			if slices.Contains(outcomes, r.Outcome) {
				r.Token = d.token
			}
		})
	}
	return []fault{
		{"the token is ignored", "interleavings/late failure of a reclaimed delivery", true, faulty{finish: tokenIgnored}},
		{"the token is ignored on success", "interleavings/late success of a reclaimed delivery", true, stale(store.Succeeded)},
		{"the token is ignored on failure", "interleavings/late failure of a reclaimed delivery", true, stale(store.Failed)},
		{"the token is ignored on retry", "interleavings/late retry of a reclaimed delivery", true, stale(store.Retry)},
		{"the token is ignored on release", "interleavings/late release of a reclaimed delivery", true, stale(store.Released)},
		{"an older token is good enough", "interleavings/reclaimed twice", true, before(func(_ *model, r *store.Result, d *modelDelivery, _ *store.Webhook) {
			if r.Token == d.token-1 && d.Reclaims > 1 {
				r.Token = d.token
			}
		})},
		{"a stale result ends a lease", "interleavings/late failure of a reclaimed delivery", true, after(func(m *model, _ store.Result, f *store.Finished, d *modelDelivery, _ *store.Webhook) {
			if f.State == store.FinishStale && m.leased(d) {
				d.leaseEnd, d.DueAt = time.Time{}, m.now
			}
		})},
		{"a stale result extends the streak", "interleavings/late failure of a reclaimed delivery", true, after(func(_ *model, r store.Result, f *store.Finished, _ *modelDelivery, w *store.Webhook) {
			if f.State == store.FinishStale && r.Streak == store.StreakExtend {
				w.ConsecutiveFailures++
			}
		})},
		{"a stale result of an ended delivery is repeated", "interleavings/late result for an ended delivery", false, after(func(_ *model, _ store.Result, f *store.Finished, d *modelDelivery, _ *store.Webhook) {
			if f.State == store.FinishStale && d.Status != store.DeliveryPending {
				f.State = store.FinishRepeated
			}
		})},
		{"a result for what nobody has is accepted", "interleavings/late result for a retried delivery", true, before(func(_ *model, r *store.Result, d *modelDelivery, _ *store.Webhook) {
			if d.Status == store.DeliveryPending && d.leaseEnd.IsZero() && r.Token < d.token {
				r.Token, d.settled = d.token, nil
			}
		})},
		{"an unknown delivery fails the batch", "finish/batch", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			out, err := m.Finish(background, results)
			if len(out) > 1 && slices.ContainsFunc(out, func(f store.Finished) bool { return f.State == store.FinishGone }) {
				err = store.ErrNotFound
			}
			return out, err
		}}},
		{"a stale result spoils its batch", "interleavings/stale and current in one batch", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				if i > 0 && out[i-1].State != store.FinishAccepted {
					out[i].State = store.FinishStale
				} else {
					out[i] = m.finish(r)
				}
			}
			return out, nil
		}}},
		{"a result after the lease's end is refused", "finish/late but unclaimed", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				if d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil && !d.leaseEnd.IsZero() && m.over(d.leaseEnd) {
					out[i].State = store.FinishStale
				} else {
					out[i] = m.finish(r)
				}
			}
			return out, nil
		}}},
		{"a result for a disabled webhook is refused", "interleavings/disabled between claim and finish", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				if w := m.webhook(r.MerchantID, r.WebhookID); w != nil && w.Status == store.Disabled {
					out[i].State = store.FinishStale
				} else {
					out[i] = m.finish(r)
				}
			}
			return out, nil
		}}},
		{"a repeated result counts twice", "finish/repeated", true, before(func(_ *model, r *store.Result, d *modelDelivery, _ *store.Webhook) {
			d.settled = slices.DeleteFunc(d.settled, func(token int64) bool { return token == r.Token && r.Outcome != store.Released })
		})},
		{"a repeated retry counts twice", "finish/repeated", true, before(func(_ *model, r *store.Result, d *modelDelivery, _ *store.Webhook) {
			if d.Status == store.DeliveryPending {
				d.settled = nil
			}
		})},
		{"a repeated result is stale", "finish/repeated", true, after(func(_ *model, _ store.Result, f *store.Finished, _ *modelDelivery, _ *store.Webhook) {
			if f.State == store.FinishRepeated {
				f.State = store.FinishStale
			}
		})},
		{"another outcome overwrites the first", "finish/another result for a settled lease", true, before(func(_ *model, r *store.Result, d *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Succeeded && d.Status == store.DeliveryFailed && r.Token == d.token {
				d.settled = nil
			}
		})},
		{"a delivery that is not there is stale", "finish/gone", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			out, err := m.Finish(background, results)
			for i := range out {
				if out[i].State == store.FinishGone {
					out[i].State = store.FinishStale
				}
			}
			return out, err
		}}},
		{"another merchant's result is accepted", "isolation/Finish", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			results = slices.Clone(results)
			for i, r := range results {
				for _, d := range m.deliveries {
					if d.ID == r.DeliveryID {
						results[i].MerchantID = d.MerchantID
					}
				}
			}
			return m.Finish(background, results)
		}}},
		{"attempts are off by one", "finish/success", true, accepted(func(_ *model, r store.Result, d *modelDelivery, _ *store.Webhook) {
			if r.Outcome != store.Released {
				d.Attempts++
			}
		})},
		{"a retry is not counted", "finish/retry", true, accepted(func(_ *model, r store.Result, d *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Retry {
				d.Attempts--
			}
		})},
		{"a retry is not in the log", "finish/attempts log", true, accepted(func(_ *model, r store.Result, d *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Retry {
				d.Log = d.Log[:len(d.Log)-1]
			}
		})},
		{"the caller's clock is in the log", "finish/attempts log", false, accepted(func(_ *model, r store.Result, d *modelDelivery, _ *store.Webhook) {
			if n := len(d.Log); n > 0 && r.Outcome != store.Released && !r.Attempt.At.IsZero() {
				d.Log[n-1].At = r.Attempt.At
			}
		})},
		{"the log keeps whole seconds", "finish/success", true, accepted(func(_ *model, r store.Result, d *modelDelivery, _ *store.Webhook) {
			if n := len(d.Log); n > 0 && r.Outcome != store.Released {
				d.Log[n-1].Duration = d.Log[n-1].Duration.Truncate(time.Second)
			}
		})},
		{"a release is an attempt", "finish/release", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Released {
				r.Outcome = store.Retry
			}
		})},
		{"a fault is not counted", "finish/release for a fault", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) { r.Fault = false })},
		{"every release is a fault", "finish/release", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) { r.Fault = true })},
		{"a retry is due at once", "claim/not before its time", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) { r.Delay = 0 })},
		{"a retry is due a millisecond late", "claim/not before its time", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			r.Delay += time.Millisecond
		})},
		{"a retry is lost", "finish/retry", true, accepted(func(m *model, r store.Result, d *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Retry {
				d.leaseEnd = m.now.Add(1e6 * time.Hour)
			}
		})},
		{"a release is lost", "finish/release", true, accepted(func(m *model, r store.Result, d *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Released {
				d.leaseEnd = m.now.Add(1e6 * time.Hour)
			}
		})},
		{"an ended delivery stays leased", "claim/cap of a webhook", true, accepted(func(m *model, _ store.Result, d *modelDelivery, _ *store.Webhook) {
			if d.Status != store.DeliveryPending {
				d.leaseEnd = m.now.Add(time.Hour)
			}
		})},
		{"a failure has no end", "finish/failure", true, accepted(func(_ *model, _ store.Result, d *modelDelivery, _ *store.Webhook) {
			if d.Status == store.DeliveryFailed {
				d.FinishedAt = time.Time{}
			}
		})},
		{"success does not reset the streak", "streak/same, reset, extend", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			if r.Streak == store.StreakReset {
				r.Streak = store.StreakSame
			}
		})},
		{"the outcome decides on the streak", "streak/same, reset, extend", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Failed {
				r.Streak = store.StreakExtend
			}
		})},
		{"only failures extend the streak", "streak/attempts count", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			if r.Outcome == store.Retry && r.Streak == store.StreakExtend {
				r.Streak = store.StreakSame
			}
		})},
		{"disables one too late", "streak/disables exactly at the threshold", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			if r.DisableAfter > 0 {
				r.DisableAfter++
			}
		})},
		{"disables one too early", "streak/disables exactly at the threshold", true, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			if r.DisableAfter > 1 {
				r.DisableAfter--
			}
		})},
		{"disables at ten whatever is asked", "streak/never", false, before(func(_ *model, r *store.Result, _ *modelDelivery, _ *store.Webhook) {
			if r.DisableAfter == 0 {
				r.DisableAfter = 10
			}
		})},
		{"failures in all disable", "streak/success in between", false, before(func(m *model, r *store.Result, d *modelDelivery, w *store.Webhook) {
			failed := 0
			for _, o := range m.deliveries {
				if owner(o) == owner(d) && o.Status == store.DeliveryFailed {
					failed++
				}
			}
			if r.DisableAfter > 0 && r.Streak == store.StreakExtend && failed >= 5 {
				r.DisableAfter = 1
			}
		})},
		{"a failure disables again and again", "streak/only an active webhook", true, before(func(_ *model, r *store.Result, _ *modelDelivery, w *store.Webhook) {
			if r.DisableAfter > 0 && w.Status == store.Disabled && w.ConsecutiveFailures >= r.DisableAfter {
				w.Status = store.Active
			}
		})},
		{"two notices for one transition", "streak/disables exactly at the threshold", true, after(func(m *model, _ store.Result, f *store.Finished, _ *modelDelivery, _ *store.Webhook) {
			if f.Disabled {
				again := *m.notices[len(m.notices)-1]
				m.notices = append(m.notices, &again)
			}
		})},
		{"no notice in a batch", "streak/two in one batch", false, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			out, err := m.Finish(background, results)
			if len(results) > 1 && slices.ContainsFunc(out, func(f store.Finished) bool { return f.Disabled }) {
				m.notices = nil
			}
			return out, err
		}}},
		{"every result of a batch disabled", "streak/two in one batch", true, after(func(_ *model, _ store.Result, f *store.Finished, _ *modelDelivery, w *store.Webhook) {
			f.Disabled = f.State == store.FinishAccepted && w.Status == store.Disabled
		})},
		{"one notice id for ever", "streak/again after enabling", true, after(func(m *model, _ store.Result, f *store.Finished, _ *modelDelivery, w *store.Webhook) {
			if f.Disabled {
				m.notices[len(m.notices)-1].ID = store.NoticeID(store.NoticeDisabled, w.ID, 1, 0)
			}
		})},
		{"the streak has no epoch", "interleavings/enabled between claim and finish", true, before(func(_ *model, _ *store.Result, d *modelDelivery, w *store.Webhook) { d.epoch = w.Epoch })},
		{"a result of before fails altogether", "interleavings/enabled between claim and finish", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID)
				if d != nil && d.epoch != m.webhook(d.MerchantID, d.WebhookID).Epoch {
					out[i].State = store.FinishStale
				} else {
					out[i] = m.finish(r)
				}
			}
			return out, nil
		}}},
		{"the epoch is that of the first claim", "interleavings/enabled between lease and reclaim", true, before(func(m *model, _ *store.Result, d *modelDelivery, w *store.Webhook) {
			if d.Reclaims > 0 {
				d.epoch = 1
			}
		})},
		{"disabling keeps the version", "update/version after a failure disabled", true, after(func(_ *model, _ store.Result, f *store.Finished, _ *modelDelivery, w *store.Webhook) {
			if f.Disabled {
				w.Version--
			}
		})},
		{"every result changes the version", "interleavings/updated between claim and finish", true, accepted(func(_ *model, _ store.Result, _ *modelDelivery, w *store.Webhook) { w.Version++ })},
		{"disabling ends the other deliveries", "streak/disables exactly at the threshold", true, after(func(m *model, _ store.Result, f *store.Finished, d *modelDelivery, _ *store.Webhook) {
			if f.Disabled {
				for _, o := range m.deliveries {
					if owner(o) == owner(d) && o.Status == store.DeliveryPending {
						o.Status = store.DeliveryFailed
					}
				}
			}
		})},
	}
}
