package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

type modelNotice struct {
	store.Notice
	leaseEnd time.Time
	token    int64
}

// AddNotice implements [store.Notices].
func (m *model) AddNotice(_ context.Context, merchantID string, n store.Notice, oldMark, newMark string) (bool, error) {
	defer m.change()()
	w := m.webhook(merchantID, n.WebhookID)
	if w == nil {
		return false, store.ErrNotFound
	}
	if w.Mark != oldMark {
		return false, nil
	}
	w.Mark = newMark
	n.MerchantID = merchantID
	m.addNotice(n)
	return true, nil
}

func (m *model) addNotice(n store.Notice) {
	n.ID, n.At = fmt.Sprint("notice", m.number()), m.now
	m.notices = append(m.notices, &modelNotice{Notice: n})
}

// noticed says that a notice can be claimed.
func (m *model) noticed() bool {
	return slices.ContainsFunc(m.notices, func(n *modelNotice) bool { return m.over(n.leaseEnd) })
}

// notice returns the merchant's notice with that id, or nil.
func (m *model) notice(merchantID, noticeID string) *modelNotice {
	return find(m.notices, func(n *modelNotice) bool { return n.MerchantID == merchantID && n.ID == noticeID })
}

// ClaimNotices implements [store.Notices].
func (m *model) ClaimNotices(_ context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	defer m.lock()()
	var out []store.NoticeLease
	for _, n := range m.notices { // oldest first
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
	defer m.lock()()
	if n := m.notice(merchantID, noticeID); n != nil && n.token == token {
		n.leaseEnd = m.now.Add(delay)
	}
	return nil
}

// AckNotice implements [store.Notices].
func (m *model) AckNotice(_ context.Context, merchantID, noticeID string) error {
	defer m.lock()()
	m.notices = without(m.notices, m.notice(merchantID, noticeID))
	return nil
}
