package memstore

import (
	"bytes"
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

type seenID struct{ scope, id string }

// memory is what is known of an id until its time is over.
type memory struct {
	seenID

	holder      string
	fingerprint string
	value       []byte
	done        bool
	place       int32 // in held or done
}

// recall returns what is known of an id, or nil, and forgets whatever is over.
func (s *Store) recall(id seenID, now int64) *memory {
	for _, h := range []*heap[*memory]{&s.held, &s.done} {
		for m := h.until(now); m != nil; m = h.until(now) {
			s.forget(m)
		}
	}
	return s.seen[id]
}

func (s *Store) forget(m *memory) {
	delete(s.seen, m.seenID)
	if m.done {
		s.done.remove(m)
	} else {
		s.held.remove(m)
	}
}

// BeginSeen implements [store.Seen].
func (s *Store) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.SeenAnswer{}, err
	}
	defer s.unlock()
	m := s.recall(seenID{scope, id}, now)
	switch {
	case m == nil:
		m = &memory{seenID: seenID{scope, id}, holder: b.Holder, fingerprint: b.Fingerprint}
		s.seen[m.seenID] = m
		for old := s.done.first(); old != nil && len(s.seen) > s.opts.MaxSeen; old = s.done.first() {
			s.forget(old)
		}
	case b.Fingerprint != "" && m.fingerprint != "" && b.Fingerprint != m.fingerprint:
		return store.SeenAnswer{State: store.SeenConflict}, nil
	case m.done:
		return store.SeenAnswer{State: store.SeenDone, Value: bytes.Clone(m.value)}, nil
	case m.holder != b.Holder:
		return store.SeenAnswer{State: store.SeenInProgress}, nil
	}
	s.held.set(m, key{at: now + b.Lease.Milliseconds()})
	return store.SeenAnswer{State: store.SeenNew}, nil
}

// CommitSeen implements [store.Seen].
func (s *Store) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	now, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer s.unlock()
	m := s.recall(seenID{scope, id}, now)
	if m == nil || m.holder != holder {
		return store.ErrStale
	}
	if !m.done {
		s.held.remove(m)
		m.done, m.value = true, bytes.Clone(value)
		s.seq++
		s.done.set(m, key{now + ttl.Milliseconds(), s.seq})
	}
	return nil
}

// ForgetSeen implements [store.Seen].
func (s *Store) ForgetSeen(ctx context.Context, scope, id, holder string) error {
	now, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer s.unlock()
	if m := s.recall(seenID{scope, id}, now); m != nil && m.holder == holder && !m.done {
		s.forget(m)
	}
	return nil
}
