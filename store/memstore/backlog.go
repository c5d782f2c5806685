package memstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Backlog implements [store.Backlogs].
func (s *Store) Backlog(ctx context.Context) (store.Backlog, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Backlog{}, err
	}
	defer s.unlock()
	out := store.Backlog{Pending: s.waiting}
	for _, h := range []*heap[*webhook]{&s.ready, &s.expiring} {
		if top, ok := h.top(); ok {
			out.OldestDue = max(out.OldestDue, time.Duration(now-top.at)*time.Millisecond)
		}
	}
	return out, nil
}
