package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// noticeFaults are those of warnings, recoveries and notices that are put off.
func noticeFaults() []fault {
	// alarmed settles one after the other, and changes what the webhook's notices
	// depend on before or after.
	alarmed := func(before, after func(m *model, r *store.Result, a *modelAlarm, w *store.Webhook)) faulty {
		return faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.wake()
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				w := m.webhook(r.MerchantID, r.WebhookID)
				step := func(change func(m *model, r *store.Result, a *modelAlarm, w *store.Webhook)) {
					if w != nil && change != nil {
						a := m.alarms[ownerOf(w)]
						change(m, &r, &a, w)
						m.alarms[ownerOf(w)] = a
					}
				}
				step(before)
				out[i] = m.finish(r)
				step(after)
			}
			return out, nil
		}}
	}
	// told changes the notices of one kind as they are made.
	told := func(kind store.NoticeKind, change func(m *model, n *modelNotice)) faulty {
		known := 0
		return alarmed(func(m *model, _ *store.Result, _ *modelAlarm, _ *store.Webhook) { known = len(m.notices) },
			func(m *model, _ *store.Result, _ *modelAlarm, _ *store.Webhook) {
				for _, n := range slices.Clone(m.notices[min(known, len(m.notices)):]) {
					if n.Kind == kind {
						change(m, n)
					}
				}
			})
	}
	putting := func(put func(m *model, merchantID, noticeID string, token int64, delay time.Duration) error) faulty {
		return faulty{put: put}
	}
	return []fault{
		{"a warning has no limit", "warnings/at the mark", true, told(store.NoticeWarning, func(_ *model, n *modelNotice) { n.DisableAfter = 0 })},
		{"a warning has no beginning", "warnings/at the mark", true, told(store.NoticeWarning, func(_ *model, n *modelNotice) { n.Since = n.At })},
		{"warnings come late", "warnings/at the mark", true, alarmed(func(_ *model, r *store.Result, _ *modelAlarm, _ *store.Webhook) {
			if r.WarnAfter > 0 {
				r.WarnAfter++
			}
		}, nil)},
		{"each failure warns", "warnings/one for a streak", true, alarmed(nil, func(_ *model, r *store.Result, a *modelAlarm, w *store.Webhook) {
			if r.Streak == store.StreakExtend && w.Status == store.Active {
				a.told = min(a.told, 0)
			}
		})},
		{"recoveries are not counted", "warnings/one for a streak", true, alarmed(nil, func(_ *model, _ *store.Result, a *modelAlarm, _ *store.Webhook) {
			a.recoveries = 0
		})},
		{"a batch keeps the streak's beginning", "warnings/begins anew", false, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			began := map[string]time.Time{}
			for _, w := range m.webhooks {
				if w.ConsecutiveFailures > 0 {
					began[ownerOf(w)] = m.alarms[ownerOf(w)].streak
				}
			}
			out, err := m.Finish(background, results)
			for _, w := range m.webhooks {
				if at, ok := began[ownerOf(w)]; ok && w.ConsecutiveFailures > 0 {
					a := m.alarms[ownerOf(w)]
					a.streak = at
					m.alarms[ownerOf(w)] = a
				}
			}
			return out, err
		}}},
		{"no pause", "warnings/pause", false, alarmed(func(_ *model, r *store.Result, _ *modelAlarm, _ *store.Webhook) { r.WarnPause = 0 }, nil)},
		{"a pause never ends", "warnings/pause", false, alarmed(func(_ *model, r *store.Result, _ *modelAlarm, _ *store.Webhook) {
			if r.WarnPause > 0 {
				r.WarnPause = 1e6 * time.Hour
			}
		}, nil)},
		{"a disabled webhook is warned of", "warnings/none with the last straw", true, alarmed(nil, func(m *model, r *store.Result, a *modelAlarm, w *store.Webhook) {
			if r.Streak == store.StreakExtend && w.Status == store.Disabled && r.WarnAfter > 0 && w.ConsecutiveFailures >= r.WarnAfter {
				m.tell(w, store.NoticeWarning, a.recoveries, store.Notice{})
			}
		})},
		{"no warning in a batch", "warnings/in one batch", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			if results = slices.Clone(results); len(results) > 1 {
				for i := range results {
					results[i].WarnAfter = 0
				}
			}
			return m.Finish(background, results)
		}}},
		{"half the threshold always warns", "warnings/never", true, alarmed(func(_ *model, r *store.Result, _ *modelAlarm, _ *store.Webhook) {
			if r.WarnAfter == 0 {
				r.WarnAfter = r.DisableAfter/2 + 1
			}
		}, nil)},
		{"warned once for ever", "warnings/again after enabling", false, alarmed(func(_ *model, r *store.Result, a *modelAlarm, _ *store.Webhook) {
			if a.told > 0 {
				r.WarnAfter = 0
			}
		}, nil)},
		{"every success is a recovery", "warnings/recovered", true, alarmed(func(_ *model, _ *store.Result, a *modelAlarm, w *store.Webhook) {
			if w.ConsecutiveFailures > 0 {
				a.told = max(a.told, 1)
			}
		}, nil)},
		{"nothing recovers", "warnings/recovered", true, told(store.NoticeRecovered, func(m *model, n *modelNotice) {
			m.notices = slices.DeleteFunc(m.notices, func(o *modelNotice) bool { return o == n })
		})},
		{"a recovery comes twice", "warnings/recovered", true, told(store.NoticeRecovered, func(m *model, n *modelNotice) {
			again := *n
			m.notices = append(m.notices, &again)
		})},
		{"a disabled webhook recovers", "warnings/recovered after enabling", true, alarmed(func(m *model, r *store.Result, a *modelAlarm, w *store.Webhook) {
			if r.Streak == store.StreakReset && w.Status == store.Disabled && a.told > 0 {
				m.tell(w, store.NoticeRecovered, a.recoveries, store.Notice{Since: a.since})
				a.told = 0
			}
		}, nil)},
		{"enabling forgets the trouble", "warnings/recovered after enabling", true, alarmed(func(_ *model, _ *store.Result, a *modelAlarm, w *store.Webhook) {
			if a.told != w.Epoch {
				a.told = 0
			}
		}, nil)},
		{"a webhook that was disabled by hand recovers", "warnings/by hand", true, alarmed(func(_ *model, _ *store.Result, a *modelAlarm, w *store.Webhook) {
			if w.Epoch > 1 && a.recoveries == 0 {
				a.told = max(a.told, 1)
			}
		}, nil)},
		{"results of before count", "warnings/results of before", true, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			defer m.wake()
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				if d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID); d != nil {
					d.epoch = m.webhook(d.MerchantID, d.WebhookID).Epoch
				}
				out[i] = m.finish(r)
			}
			return out, nil
		}}},
		{"deleting keeps warnings", "warnings/of a deleted webhook", true, faulty{remove: func(m *model, merchantID, webhookID string, ifVersion int64) error {
			kept := slices.DeleteFunc(slices.Clone(m.notices), func(n *modelNotice) bool { return n.Kind != store.NoticeWarning })
			err := m.DeleteWebhook(background, merchantID, webhookID, ifVersion)
			for _, n := range kept {
				if m.notice(n.MerchantID, n.ID) == nil {
					m.notices = append(m.notices, n)
				}
			}
			return err
		}}},

		{"nothing is put off", "notices/put off", true, putting(func(*model, string, string, int64, time.Duration) error { return nil })},
		{"only a claimed notice is put off", "notices/put off", true, putting(func(m *model, merchantID, noticeID string, token int64, delay time.Duration) error {
			if n := m.notice(merchantID, noticeID); n == nil || m.over(n.leaseEnd) {
				return nil
			}
			return m.DeferNotice(background, merchantID, noticeID, token, delay)
		})},
		{"an unknown notice cannot be put off", "notices/put off", true, putting(func(m *model, merchantID, noticeID string, token int64, delay time.Duration) error {
			if m.notice(merchantID, noticeID) == nil {
				return store.ErrNotFound
			}
			return m.DeferNotice(background, merchantID, noticeID, token, delay)
		})},
		{"a notice is put off by a lease more", "notices/put off", true, putting(func(m *model, merchantID, noticeID string, token int64, delay time.Duration) error {
			return m.DeferNotice(background, merchantID, noticeID, token, delay+time.Minute)
		})},
		{"who has lost a notice puts it off", "notices/put off too late", true, putting(func(m *model, merchantID, noticeID string, token int64, delay time.Duration) error {
			if n := m.notice(merchantID, noticeID); n != nil && token <= n.token {
				token = n.token
			}
			return m.DeferNotice(background, merchantID, noticeID, token, delay)
		})},
		{"a notice is put off within its lease only", "notices/put off too late", true, putting(func(m *model, merchantID, noticeID string, token int64, delay time.Duration) error {
			if n := m.notice(merchantID, noticeID); n != nil && token > 0 && m.over(n.leaseEnd) {
				return nil
			}
			return m.DeferNotice(background, merchantID, noticeID, token, delay)
		})},
		{"claims of notices are not counted", "notices/claims are counted", true, faulty{notices: func(m *model, limit int, lease time.Duration) ([]store.NoticeLease, error) {
			out, err := m.ClaimNotices(background, limit, lease)
			for i, n := range out {
				m.notice(n.MerchantID, n.ID).token = 1
				out[i].Token = 1
			}
			return out, err
		}}},
		{"anybody puts a notice off", "isolation/DeferNotice", true, putting(func(m *model, _, noticeID string, _ int64, delay time.Duration) error {
			for _, n := range m.notices {
				if n.ID == noticeID {
					n.leaseEnd = m.now.Add(delay)
				}
			}
			return nil
		})},
	}
}
