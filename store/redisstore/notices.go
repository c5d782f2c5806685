package redisstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// noticeFields is how many fields a packed notice has, the last of which is the
// number of its webhook.
const noticeFields = 12

// ClaimNotices implements [store.Notices].
func (s *Store) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	shards, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	var out []store.NoticeLease
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
func (s *Store) claimNotices(ctx context.Context, h shard, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	r, err := s.run(ctx, call{name: "notices", on: h, args: []any{limit, lease.Milliseconds()}})
	if err != nil {
		return nil, err
	}
	var out []store.NoticeLease
	for r.more() {
		f := r.part()
		n := store.NoticeLease{Notice: store.Notice{
			Kind: store.NoticeDisabled, MerchantID: f.text(), WebhookID: f.text(), URL: f.text(), Reason: f.text(),
			Failures: f.number(), At: stamp(f.int()),
		}, Token: r.int()}
		epoch, round := f.int(), int64(0)
		n.Since = n.At
		if len(f.list) > 0 { // Otherwise it was stored before there were kinds.
			n.Kind, round = store.NoticeKind(f.text()), f.int()
			n.Since, n.DisableAfter = stamp(f.int()), f.number()
		}
		n.ID = store.NoticeID(n.Kind, n.WebhookID, epoch, round)
		out = append(out, n)
		r.bad = r.bad || f.bad
	}
	return out, r.check("notices")
}

// DeferNotice implements [store.Notices].
func (s *Store) DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) error {
	h, err := s.at(ctx, merchantID)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, call{name: "defer", on: h, args: []any{merchantID, noticeID, token, max(delay.Milliseconds(), 0)}})
	return err
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
