package redisstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// AddNotice implements [store.Notices].
func (s *Store) AddNotice(ctx context.Context, merchantID string, n store.Notice, oldMark, newMark string) (bool, error) {
	r, err := s.run(ctx, call{name: "notices", on: s.at(merchantID), args: []any{
		"add", merchantID, n.WebhookID, rand.Text(), oldMark, newMark, string(n.Kind), n.URL, n.Reason, n.Failures, n.DisableAfter, millis(n.Since),
	}})
	if err != nil {
		return false, named("webhook", n.WebhookID, err)
	}
	return r.int() == 1, r.check("notices")
}

// ClaimNotices implements [store.Notices].
func (s *Store) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	var out []store.NoticeLease
	_, err := s.each(ctx, 0, func(ctx context.Context, h shard) (bool, error) {
		if len(out) >= limit {
			return false, nil
		}
		r, err := s.run(ctx, call{name: "notices", on: h, args: []any{"claim", min(limit-len(out), batch), lease.Milliseconds()}})
		if err != nil {
			return false, err
		}
		for r.more() {
			id, f := r.text(), r.part()
			f.next() // the number of its webhook
			out = append(out, store.NoticeLease{Token: f.int(), Notice: store.Notice{
				ID: id, MerchantID: f.text(), WebhookID: f.text(), Kind: store.NoticeKind(f.text()), URL: f.text(), Reason: f.text(),
				Failures: f.number(), DisableAfter: f.number(), Since: f.time(), At: f.time(),
			}})
			r.bad = r.bad || f.bad
		}
		return true, r.check("notices")
	})
	if len(out) > 0 {
		return out, nil // What is claimed is claimed.
	}
	return nil, err
}

// DeferNotice implements [store.Notices].
func (s *Store) DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) error {
	_, err := s.run(ctx, call{name: "notices", on: s.at(merchantID), args: []any{"defer", merchantID, noticeID, token, max(delay.Milliseconds(), 0)}})
	return err
}

// AckNotice implements [store.Notices].
func (s *Store) AckNotice(ctx context.Context, merchantID, noticeID string) error {
	_, err := s.run(ctx, call{name: "notices", on: s.at(merchantID), args: []any{"ack", merchantID, noticeID}})
	return err
}
