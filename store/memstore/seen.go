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
	first       string
	until       int64 // when the lease ends, in Unix milliseconds
	kept        int64 // when it is forgotten, if that is later
	done        bool
	place       int32 // in held or done
	turn        int32 // in done of its scope
}

// scope is what is known of a scope's ids.
type scope struct {
	ids  int
	done heap[*memory] // as the store's
}

// admit adds an id, in place of another one if there are too many of its scope.
func (s *Store) admit(m *memory) {
	of := s.scopes[m.scope]
	if of == nil {
		of = &scope{done: newHeap(func(m *memory) *int32 { return &m.turn })}
		s.scopes[m.scope] = of
	}
	s.seen[m.seenID] = m
	of.ids++
	for old := of.done.first(); old != nil && of.ids > s.opts.MaxSeen; old = of.done.first() {
		s.forget(old)
	}
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
	of := s.scopes[m.scope]
	if of.ids--; of.ids == 0 {
		delete(s.scopes, m.scope)
	}
	if m.done {
		s.done.remove(m)
		of.done.remove(m)
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
		m = &memory{seenID: seenID{scope, id}, first: b.Holder, fingerprint: b.Fingerprint}
		s.admit(m)
	case b.Fingerprint != "" && m.fingerprint != "" && b.Fingerprint != m.fingerprint:
		return store.SeenAnswer{State: store.SeenConflict}, nil
	case m.done:
		return store.SeenAnswer{State: store.SeenDone, Value: bytes.Clone(m.value)}, nil
	case m.holder != b.Holder && m.until > now:
		return store.SeenAnswer{State: store.SeenInProgress, Left: time.Duration(m.until-now) * time.Millisecond}, nil
	}
	m.holder, m.until, m.kept = b.Holder, now+b.Lease.Milliseconds(), max(m.kept, now+b.Keep.Milliseconds())
	s.held.set(m, key{at: max(m.until, m.kept)})
	return store.SeenAnswer{State: store.SeenNew, First: m.first}, nil
}

// CommitSeen implements [store.Seen].
func (s *Store) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	now, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer s.unlock()
	m := s.recall(seenID{scope, id}, now)
	if m == nil || m.holder != holder || !m.done && m.until <= now {
		return store.ErrStale
	}
	if !m.done {
		s.held.remove(m)
		m.done, m.value = true, bytes.Clone(value)
		s.seq++
		end := key{now + ttl.Milliseconds(), s.seq}
		s.done.set(m, end)
		s.scopes[scope].done.set(m, end)
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
	if m := s.recall(seenID{scope, id}, now); m != nil && m.holder == holder && !m.done && m.until > now {
		s.forget(m)
	}
	return nil
}
