package sqlstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// memory is what is known of an id.
type memory struct {
	holder, fingerprint, first string
	done                       bool
	until, kept                int64
	value                      []byte
	now                        int64 // when it was read
}

func (m *memory) scan(row scan) error {
	err := row(&m.holder, &m.fingerprint, &m.first, &m.done, &m.until, &m.kept, &m.value, &m.now)
	m.holder, m.fingerprint, m.first = decode(m.holder), decode(m.fingerprint), decode(m.first)
	return err
}

func (m *memory) over() bool { return max(m.until, m.kept) <= m.now }

// holds says that holder has the id, or has committed it.
func (m *memory) holds(holder string) bool { return m.holder == holder && m.until > m.now }

// remember runs f on what is known of an id, locked, and writes it back if f says so.
func (s *Store) remember(ctx context.Context, doing, scope, id string, f func(tx querier, m *memory) (write bool, err error)) error {
	return s.transact(ctx, doing, func(tx querier) error {
		return s.recall(ctx, tx, scope, id, f)
	})
}

func (s *Store) recall(ctx context.Context, tx querier, scope, id string, f func(tx querier, m *memory) (write bool, err error)) error {
	m := &memory{}
	found, err := s.one(ctx, tx, "seen_lock", m.scan, encode(scope), encode(id), s.now())
	if err != nil {
		return err
	}
	if !found {
		m = nil
	}
	write, err := f(tx, m)
	if err != nil || !write {
		return err
	}
	_, err = s.exec(ctx, tx, "seen_write", encode(scope), encode(id), encode(m.holder), encode(m.fingerprint), encode(m.first),
		m.done, m.until, m.kept, m.value)
	return err
}

// BeginSeen implements [store.Seen].
func (s *Store) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (out store.SeenAnswer, err error) {
	err = s.transact(ctx, "begin seen", func(tx querier) error {
		for known := false; !known; { // What was there when it was inserted may be gone when it is read.
			if _, err := s.exec(ctx, tx, "seen_insert", encode(scope), encode(id), encode(b.Holder), encode(b.Fingerprint)); err != nil {
				return err
			}
			err := s.recall(ctx, tx, scope, id, func(_ querier, m *memory) (bool, error) {
				if known = m != nil; !known {
					return false, nil
				}
				out = m.begin(b)
				return out.State == store.SeenNew, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// begin changes what is known of an id if b may hold it, and answers.
func (m *memory) begin(b store.SeenBegin) store.SeenAnswer {
	switch {
	case m.over():
		*m = memory{now: m.now, fingerprint: b.Fingerprint, first: b.Holder}
	case b.Fingerprint != "" && m.fingerprint != "" && b.Fingerprint != m.fingerprint:
		return store.SeenAnswer{State: store.SeenConflict}
	case m.done:
		return store.SeenAnswer{State: store.SeenDone, Value: m.value}
	case m.holder != b.Holder && m.until > m.now:
		return store.SeenAnswer{State: store.SeenInProgress, Left: time.Duration(m.until-m.now) * time.Millisecond}
	}
	m.holder, m.until, m.kept = b.Holder, m.now+b.Lease.Milliseconds(), max(m.kept, m.now+b.Keep.Milliseconds())
	return store.SeenAnswer{State: store.SeenNew, First: m.first}
}

// CommitSeen implements [store.Seen].
func (s *Store) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	return s.remember(ctx, "commit seen", scope, id, func(_ querier, m *memory) (bool, error) {
		if m == nil || !m.holds(holder) {
			return false, store.ErrStale
		}
		if m.done {
			return false, nil
		}
		m.done, m.value, m.until, m.kept = true, append([]byte{}, value...), m.now+ttl.Milliseconds(), 0
		return true, nil
	})
}

// ForgetSeen implements [store.Seen].
func (s *Store) ForgetSeen(ctx context.Context, scope, id, holder string) error {
	return s.remember(ctx, "forget seen", scope, id, func(tx querier, m *memory) (bool, error) {
		if m == nil || !m.holds(holder) || m.done {
			return false, nil
		}
		_, err := s.exec(ctx, tx, "seen_delete", encode(scope), encode(id))
		return false, err
	})
}
