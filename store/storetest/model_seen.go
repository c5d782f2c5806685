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
	end         time.Time
}

func (m *model) seenID(scope, id string) *modelSeen {
	return find(m.seen, func(s *modelSeen) bool { return s.scope == scope && s.id == id && !m.over(s.end) })
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
		m.seen = append(m.seen, &modelSeen{scope: scope, id: id, holder: b.Holder, fingerprint: b.Fingerprint, end: m.now.Add(b.Lease)})
		return store.SeenAnswer{State: store.SeenNew}, nil
	case s.fingerprint != "" && b.Fingerprint != "" && s.fingerprint != b.Fingerprint:
		return store.SeenAnswer{State: store.SeenConflict}, nil
	case s.done:
		return store.SeenAnswer{State: store.SeenDone, Value: slices.Clone(s.value)}, nil
	case s.holder != b.Holder:
		return store.SeenAnswer{State: store.SeenInProgress}, nil
	}
	s.end = m.now.Add(b.Lease)
	return store.SeenAnswer{State: store.SeenNew}, nil
}

// CommitSeen implements [store.Seen].
func (m *model) CommitSeen(_ context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	defer m.lock()()
	s := m.seenID(scope, id)
	if s == nil || s.holder != holder {
		return store.ErrStale
	}
	if !s.done {
		s.done, s.value, s.end = true, slices.Clone(value), m.now.Add(ttl)
	}
	return nil
}

// ForgetSeen implements [store.Seen].
func (m *model) ForgetSeen(_ context.Context, scope, id, holder string) error {
	defer m.lock()()
	if s := m.seenID(scope, id); s != nil && s.holder == holder && !s.done {
		m.forgetSeen(scope, id)
	}
	return nil
}
