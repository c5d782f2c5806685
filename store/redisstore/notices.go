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
	var failed error
	for _, h := range shards {
		if len(out) >= limit {
			break
		}
		r, err := s.run(ctx, call{name: "notices", on: h, args: []any{min(limit-len(out), batch), lease.Milliseconds()}})
		if err != nil {
			failed = err
			if s.concernsAll(ctx, err) {
				break
			}
			continue
		}
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
		if err := r.check("notices"); err != nil {
			return out, err
		}
	}
	if len(out) == 0 {
		return nil, failed
	}
	return out, nil
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
