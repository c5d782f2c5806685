package memstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// notice is a message that nobody has acknowledged.
type notice struct {
	store.Notice

	number uint64
	token  int64 // how often it was claimed
	place  int32 // in visible
}

// addNotice leaves a notice, and has the watchers woken: their next claim tells of it.
func (s *Store) addNotice(given store.Notice, now int64) {
	n := &notice{Notice: given}
	n.number = s.notices.add(n)
	n.ID, n.At = s.notices.id(n.number), stamp(now)
	s.visible.set(n, key{at: distantPast})
	s.noticed = true
}

func (s *Store) removeNotice(n *notice) {
	s.notices.remove(n.number)
	s.visible.remove(n)
}

// notice returns a notice, or nil.
func (s *Store) notice(merchantID, noticeID string) *notice {
	if number, ok := s.notices.number(noticeID); ok {
		if n := s.notices.at(number); n != nil && n.MerchantID == merchantID {
			return n
		}
	}
	return nil
}

// AddNotice implements [store.Notices].
func (s *Store) AddNotice(ctx context.Context, merchantID string, n store.Notice, oldMark, newMark string) (added bool, err error) {
	w, now, err := s.lockWebhook(ctx, merchantID, n.WebhookID)
	if err != nil {
		return false, err
	}
	defer s.unlock()
	if w.Mark != oldMark {
		return false, nil
	}
	w.Mark = newMark
	n.MerchantID = merchantID
	s.addNotice(n, now)
	return true, nil
}

// ClaimNotices implements [store.Notices].
func (s *Store) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	var out []store.NoticeLease
	for n := range s.notices.after(0) {
		if len(out) >= limit || s.visible.until(now) == nil {
			break
		}
		if k, _ := s.visible.key(n); k.at <= now {
			n.token++
			s.visible.set(n, key{at: now + lease.Milliseconds()})
			out = append(out, store.NoticeLease{Notice: n.Notice, Token: n.token})
		}
	}
	return out, nil
}

// DeferNotice implements [store.Notices].
func (s *Store) DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) error {
	now, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer s.unlock()
	if n := s.notice(merchantID, noticeID); n != nil && n.token == token {
		s.visible.set(n, key{at: now + delay.Milliseconds()})
	}
	return nil
}

// AckNotice implements [store.Notices].
func (s *Store) AckNotice(ctx context.Context, merchantID, noticeID string) error {
	if _, err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if n := s.notice(merchantID, noticeID); n != nil {
		s.removeNotice(n)
	}
	return nil
}
