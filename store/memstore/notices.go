package memstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// notice is a message that nobody has acknowledged. It is in one of the heaps of
// notices.
type notice struct {
	store.Notice

	seq                 uint64
	created             int64
	token               int64 // how often it was claimed
	inVisible, inHidden int32
}

func (n *notice) born() key { return key{n.created, n.seq} }

// notices holds the notices of all merchants.
type notices struct {
	log     ledger[*notice]
	visible heap[*notice] // by age
	hidden  heap[*notice] // by the lease's end
}

func newNotices() notices {
	return notices{
		visible: heap[*notice]{place: func(n *notice) *int32 { return &n.inVisible }},
		hidden:  heap[*notice]{place: func(n *notice) *int32 { return &n.inHidden }},
	}
}

func (ns *notices) add(m *merchant, n *notice) {
	m.notices[n.ID] = n
	ns.log.append(n)
	ns.visible.set(n, key{seq: n.seq})
}

func (ns *notices) remove(m *merchant, n *notice) {
	delete(m.notices, n.ID)
	ns.log.remove(n)
	ns.visible.remove(n)
	ns.hidden.remove(n)
}

// any says if a notice is to be had, and shows those whose lease has ended.
func (ns *notices) any(now int64) bool {
	for {
		top, ok := ns.hidden.top()
		if !ok || top.at > now {
			return len(ns.visible.nodes) > 0
		}
		ns.hidden.remove(top.v)
		ns.visible.set(top.v, key{seq: top.v.seq})
	}
}

// ClaimNotices implements [store.Notices].
func (s *Store) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	s.notices.any(now)
	var out []store.NoticeLease
	for len(out) < limit {
		top, ok := s.notices.visible.top()
		if !ok {
			break
		}
		top.v.token++
		out = append(out, store.NoticeLease{Notice: top.v.Notice, Token: top.v.token})
		s.notices.visible.remove(top.v)
		s.notices.hidden.set(top.v, key{now + lease.Milliseconds(), top.seq})
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
	m := s.merchants[merchantID]
	if m == nil {
		return nil
	}
	if n := m.notices[noticeID]; n != nil && n.token == token {
		s.notices.visible.remove(n)
		s.notices.hidden.set(n, key{now + delay.Milliseconds(), n.seq})
	}
	return nil
}

// AckNotice implements [store.Notices].
func (s *Store) AckNotice(ctx context.Context, merchantID, noticeID string) error {
	if _, err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if m := s.merchants[merchantID]; m != nil && m.notices[noticeID] != nil {
		s.notices.remove(m, m.notices[noticeID])
	}
	return nil
}
