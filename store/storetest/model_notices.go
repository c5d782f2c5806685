package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

type modelNotice struct {
	store.Notice
	leaseEnd time.Time
	token    int64
}

// modelAlarm is what the notices of a webhook depend on, beside the webhook.
type modelAlarm struct {
	streak     time.Time // when the streak began
	told       int64     // the epoch of the last warning or disabling since the last recovery, or 0
	since      time.Time // the beginning of the streak that led to the first of those
	warned     time.Time // when the last warning was
	recoveries int64
}

// streak applies what a result does to a streak, and says if that has disabled the
// webhook.
func (m *model) streak(w *store.Webhook, r store.Result) bool {
	a := m.alarms[ownerOf(w)]
	defer func() { m.alarms[ownerOf(w)] = a }()
	switch r.Streak {
	case store.StreakReset:
		w.ConsecutiveFailures = 0
		if w.Status == store.Active && a.told > 0 {
			m.tell(w, store.NoticeRecovered, a.recoveries, store.Notice{Since: a.since})
			a.told = 0
			a.recoveries++
		}
		return false
	case store.StreakExtend:
		w.ConsecutiveFailures++
		if w.ConsecutiveFailures == 1 {
			a.streak = m.now
		}
	default:
		return false
	}
	about := store.Notice{Failures: w.ConsecutiveFailures, DisableAfter: r.DisableAfter, Since: a.streak}
	disables := r.DisableAfter > 0 && w.ConsecutiveFailures >= r.DisableAfter
	warns := r.WarnAfter > 0 && w.ConsecutiveFailures >= r.WarnAfter && a.told != w.Epoch &&
		(a.warned.IsZero() || m.now.Sub(a.warned) >= r.WarnPause)
	switch {
	case w.Status != store.Active:
		return false
	case disables:
		w.Status, w.DisabledReason, w.DisabledAt = store.Disabled, r.DisableReason, m.now
		w.Version++
		about.Reason = r.DisableReason
		m.tell(w, store.NoticeDisabled, a.recoveries, about)
	case warns:
		a.warned = m.now
		m.tell(w, store.NoticeWarning, a.recoveries, about)
	default:
		return false
	}
	if a.told == 0 {
		a.since = a.streak
	}
	a.told = w.Epoch
	return disables
}

// tell adds a notice about w.
func (m *model) tell(w *store.Webhook, kind store.NoticeKind, round int64, n store.Notice) {
	n.ID, n.Kind, n.At = store.NoticeID(kind, w.ID, w.Epoch, round), kind, m.now
	n.MerchantID, n.WebhookID, n.URL = w.MerchantID, w.ID, w.URL
	m.notices = append(m.notices, &modelNotice{Notice: n})
}

// notice returns the merchant's notice with that id, or nil.
func (m *model) notice(merchantID, noticeID string) *modelNotice {
	for _, n := range m.notices {
		if n.MerchantID == merchantID && n.ID == noticeID {
			return n
		}
	}
	return nil
}

// ClaimNotices implements [store.Notices].
func (m *model) ClaimNotices(_ context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	defer m.hold()()
	var out []store.NoticeLease
	for _, n := range slices.SortedStableFunc(slices.Values(m.notices), func(a, b *modelNotice) int { return cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()) }) {
		if len(out) < limit && m.over(n.leaseEnd) {
			n.leaseEnd = m.now.Add(lease)
			n.token++
			out = append(out, store.NoticeLease{Notice: n.Notice, Token: n.token})
		}
	}
	return out, nil
}

// DeferNotice implements [store.Notices].
func (m *model) DeferNotice(_ context.Context, merchantID, noticeID string, token int64, delay time.Duration) error {
	defer m.hold()()
	if n := m.notice(merchantID, noticeID); n != nil && n.token == token {
		n.leaseEnd = m.now.Add(delay)
	}
	return nil
}

// AckNotice implements [store.Notices].
func (m *model) AckNotice(_ context.Context, merchantID, noticeID string) error {
	defer m.hold()()
	m.notices = slices.DeleteFunc(m.notices, func(n *modelNotice) bool { return n.MerchantID == merchantID && n.ID == noticeID })
	return nil
}
