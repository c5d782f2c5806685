package redisstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Backlog implements [store.Backlogs]. Each shard keeps a count and an order, so
// that it costs a few commands a shard.
func (s *Store) Backlog(ctx context.Context) (store.Backlog, error) {
	var out store.Backlog
	asked := 0
	_, err := s.each(ctx, 0, func(ctx context.Context, h shard) (bool, error) {
		r, err := s.run(ctx, call{name: "backlog", on: h})
		if err != nil {
			return false, err
		}
		asked++
		out.Pending += r.int()
		out.OldestDue = max(out.OldestDue, time.Duration(r.int())*time.Millisecond)
		out.Damaged += r.int()
		return true, r.check("backlog")
	})
	if err == nil && asked < len(s.shards) {
		err = errAway
	}
	if err != nil {
		return store.Backlog{}, err
	}
	return out, nil
}
