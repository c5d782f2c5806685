package sqlstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Claim implements [store.Queue].
func (s *Store) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	return s.engine.claim(ctx, c)
}

// Backlog implements [store.Backlogs].
func (s *Store) Backlog(ctx context.Context) (out store.Backlog, err error) {
	_, err = s.one(ctx, s.reads, "backlog", func(r scan) error {
		var now int64
		var since *int64
		err := r(&now, &out.Pending, &since, &out.Damaged)
		if since != nil {
			out.OldestDue = max(time.Duration(now-*since)*time.Millisecond, 0)
		}
		return err
	}, s.now())
	return out, err
}
