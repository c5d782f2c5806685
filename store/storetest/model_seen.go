package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// modelSeen is an id that is held or done, until its end.
type modelSeen struct {
	scope, id   string
	holder      string
	fingerprint string
	done        bool
	value       []byte
	first       string
	end         time.Time
	kept        time.Time // if longer, while it is not done
}

func (m *model) holds(s *modelSeen, holder string) bool {
	return s != nil && s.holder == holder && !m.over(s.end)
}

func (m *model) seenID(scope, id string) *modelSeen {
	return find(m.seen, func(s *modelSeen) bool { return s.scope == scope && s.id == id && !m.over(later(s.end, s.kept)) })
}

func (m *model) forgetSeen(scope, id string) {
	m.seen = slices.DeleteFunc(m.seen, func(s *modelSeen) bool { return s.scope == scope && s.id == id })
}

// BeginSeen implements [store.Seen].
func (m *model) BeginSeen(_ context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	defer m.lock()()
	s := m.seenID(scope, id)
	switch {
	case s == nil:
		m.forgetSeen(scope, id)
		s = &modelSeen{scope: scope, id: id, fingerprint: b.Fingerprint, first: b.Holder}
		m.seen = append(m.seen, s)
	case s.fingerprint != "" && b.Fingerprint != "" && s.fingerprint != b.Fingerprint:
		return store.SeenAnswer{State: store.SeenConflict}, nil
	case s.done:
		return store.SeenAnswer{State: store.SeenDone, Value: slices.Clone(s.value)}, nil
	case s.holder != b.Holder && !m.over(s.end):
		return store.SeenAnswer{State: store.SeenInProgress, Left: s.end.Sub(m.now)}, nil
	}
	s.holder, s.end, s.kept = b.Holder, m.now.Add(b.Lease), later(s.kept, m.now.Add(b.Keep))
	return store.SeenAnswer{State: store.SeenNew, First: s.first}, nil
}

// CommitSeen implements [store.Seen].
func (m *model) CommitSeen(_ context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	defer m.lock()()
	s := m.seenID(scope, id)
	if !m.holds(s, holder) {
		return store.ErrStale
	}
	if !s.done {
		s.done, s.value, s.end, s.kept = true, slices.Clone(value), m.now.Add(ttl), time.Time{}
	}
	return nil
}

// ForgetSeen implements [store.Seen].
func (m *model) ForgetSeen(_ context.Context, scope, id, holder string) error {
	defer m.lock()()
	if s := m.seenID(scope, id); m.holds(s, holder) && !s.done {
		m.forgetSeen(scope, id)
	}
	return nil
}
