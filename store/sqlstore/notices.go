package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// AddNotice implements [store.Notices].
func (s *Store) AddNotice(ctx context.Context, merchantID string, n store.Notice, oldMark, newMark string) (bool, error) {
	added, err := s.change(ctx, "notice_add", encode(merchantID), encode(n.WebhookID), encode(oldMark), encode(newMark),
		string(n.Kind), encode(n.URL), encode(n.Reason), n.Failures, n.DisableAfter, millis(n.Since), s.now())
	if err == nil && added == 0 {
		var there int
		_, err = s.one(ctx, s.reads, "webhook_exists", func(r scan) error { return r(&there) }, encode(merchantID), encode(n.WebhookID))
		if err == nil && there == 0 {
			err = noWebhook(n.WebhookID)
		}
	}
	if added > 0 {
		s.Wake()
	}
	return added > 0, err
}

// change runs one statement by name.
func (s *Store) change(ctx context.Context, name string, args ...any) (n int64, err error) {
	err = s.engine.write(ctx, func(q querier) error {
		n, err = s.exec(ctx, q, name, args...)
		return err
	})
	return n, err
}

// ClaimNotices implements [store.Notices].
func (s *Store) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	ids := map[string]int64{}
	var out []store.NoticeLease
	claim := func(r scan) error {
		var l store.NoticeLease
		var id, since, at int64
		err := r(&id, &l.MerchantID, &l.WebhookID, &l.Kind, &l.URL, &l.Reason, &l.Failures, &l.DisableAfter, &since, &at, &l.Token)
		l.ID, l.MerchantID, l.WebhookID = writeNumber(noticePrefix, id), decode(l.MerchantID), decode(l.WebhookID)
		l.URL, l.Reason, l.Since, l.At = decode(l.URL), decode(l.Reason), stamp(since), stamp(at)
		ids[l.ID] = id
		out = append(out, l)
		return err
	}
	err := s.engine.write(ctx, func(q querier) error {
		out = nil
		return s.each(ctx, q, "notice_claim", claim, limit, lease.Milliseconds(), s.now())
	})
	slices.SortFunc(out, func(a, b store.NoticeLease) int { return cmp.Compare(ids[a.ID], ids[b.ID]) })
	return out, err
}

// DeferNotice implements [store.Notices].
func (s *Store) DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) error {
	id, ok := readNumber(noticePrefix, noticeID)
	if !ok {
		return nil
	}
	_, err := s.change(ctx, "notice_defer", id, token, max(delay, 0).Milliseconds(), s.now(), encode(merchantID))
	return err
}

// AckNotice implements [store.Notices].
func (s *Store) AckNotice(ctx context.Context, merchantID, noticeID string) error {
	id, ok := readNumber(noticePrefix, noticeID)
	if !ok {
		return nil
	}
	_, err := s.change(ctx, "notice_ack", id, encode(merchantID))
	return err
}
