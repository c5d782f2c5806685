package memstore

import (
	"bytes"
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// seen is the store's role of [store.Seen], which shares nothing with the rest.
type seen struct {
	mu   sync.Mutex
	max  int
	ids  map[seenID]*memory
	held *list.List // of *memory, by begin
	done *list.List // of *memory, by commit
}

type seenID struct{ scope, id string }

// memory is what is known of an id until its time is over.
type memory struct {
	seenID

	holder      string
	fingerprint string
	value       []byte
	done        bool
	until       int64         // the end of lease or ttl
	in          *list.Element // of held or done
}

func newSeen(limit int) seen {
	return seen{max: limit, ids: map[seenID]*memory{}, held: list.New(), done: list.New()}
}

// current returns what is known of an id now, or nil.
func (n *seen) current(id seenID, now int64) *memory {
	m := n.ids[id]
	if m != nil && m.until <= now {
		n.forget(m)
		return nil
	}
	return m
}

func (n *seen) forget(m *memory) {
	delete(n.ids, m.seenID)
	if m.done {
		n.done.Remove(m.in)
	} else {
		n.held.Remove(m.in)
	}
}

// trim forgets what is over, and the oldest that is done as long as there are
// too many.
func (n *seen) trim(now int64) {
	for _, l := range []*list.List{n.held, n.done} {
		for e := l.Front(); e != nil; e = l.Front() {
			m, _ := e.Value.(*memory)
			if m.until > now && (!m.done || len(n.ids) <= n.max) {
				break
			}
			n.forget(m)
		}
	}
}

// BeginSeen implements [store.Seen].
func (s *Store) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	if err := ctx.Err(); err != nil {
		return store.SeenAnswer{}, err
	}
	n := &s.seen
	n.mu.Lock()
	defer n.mu.Unlock()
	now := s.now()
	until := now + b.Lease.Milliseconds()
	m := n.current(seenID{scope, id}, now)
	switch {
	case m == nil:
		m = &memory{seenID: seenID{scope, id}, holder: b.Holder, fingerprint: b.Fingerprint, until: until}
		m.in = n.held.PushBack(m)
		n.ids[m.seenID] = m
		n.trim(now)
		return store.SeenAnswer{State: store.SeenNew}, nil
	case b.Fingerprint != "" && m.fingerprint != "" && b.Fingerprint != m.fingerprint:
		return store.SeenAnswer{State: store.SeenConflict}, nil
	case m.done:
		return store.SeenAnswer{State: store.SeenDone, Value: bytes.Clone(m.value)}, nil
	case m.holder != b.Holder:
		return store.SeenAnswer{State: store.SeenInProgress}, nil
	default:
		m.until = until
		n.held.MoveToBack(m.in)
		return store.SeenAnswer{State: store.SeenNew}, nil
	}
}

// CommitSeen implements [store.Seen].
func (s *Store) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := &s.seen
	n.mu.Lock()
	defer n.mu.Unlock()
	now := s.now()
	m := n.current(seenID{scope, id}, now)
	if m == nil || m.holder != holder {
		return store.ErrStale
	}
	if m.done {
		return nil
	}
	n.held.Remove(m.in)
	m.done, m.value, m.until = true, bytes.Clone(value), now+ttl.Milliseconds()
	m.in = n.done.PushBack(m)
	return nil
}

// ForgetSeen implements [store.Seen].
func (s *Store) ForgetSeen(ctx context.Context, scope, id, holder string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := &s.seen
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.current(seenID{scope, id}, s.now()); m != nil && m.holder == holder && !m.done {
		n.forget(m)
	}
	return nil
}
