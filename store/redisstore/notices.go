package redisstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// ClaimNotices implements [store.Notices].
func (s *Store) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.Notice, error) {
	shards, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	var out []store.Notice
	_, err = s.each(ctx, shards, 0, func(ctx context.Context, h shard) (bool, error) {
		if len(out) >= limit {
			return false, nil
		}
		got, err := s.claimNotices(ctx, h, min(limit-len(out), batch), lease)
		out = append(out, got...)
		return true, err
	})
	if len(out) > 0 {
		return out, nil // What is claimed is claimed.
	}
	return nil, err
}

// claimNotices claims from one shard.
func (s *Store) claimNotices(ctx context.Context, h shard, limit int, lease time.Duration) ([]store.Notice, error) {
	r, err := s.run(ctx, call{name: "notices", on: h, args: []any{limit, lease.Milliseconds()}})
	if err != nil {
		return nil, err
	}
	var out []store.Notice
	for r.more() {
		f := r.part()
		n := store.Notice{
			MerchantID: f.text(), WebhookID: f.text(), URL: f.text(), Reason: f.text(),
			Failures: f.number(), At: stamp(f.int()),
		}
		n.ID = store.NoticeID(n.WebhookID, f.int())
		out = append(out, n)
		r.bad = r.bad || f.bad
	}
	return out, r.check("notices")
}

// AckNotice implements [store.Notices].
func (s *Store) AckNotice(ctx context.Context, merchantID, noticeID string) error {
	h, err := s.at(ctx, merchantID)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, call{name: "ack", on: h, args: []any{merchantID, noticeID}})
	return err
}
