package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// seen runs the script for one id.
func (s *Store) seen(ctx context.Context, scope, id string, args ...any) (reply, error) {
	h := s.shards[pick(s.shards, scope+"|"+id)]
	return s.run(ctx, call{name: "seen", on: h, keys: []string{h.seen(scope, id)}, args: args})
}

// BeginSeen implements [store.Seen] in one round trip.
func (s *Store) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	r, err := s.seen(ctx, scope, id, "begin", b.Holder, b.Fingerprint, max(b.Lease.Milliseconds(), 0), max(b.Keep.Milliseconds(), 0))
	if err != nil {
		return store.SeenAnswer{}, err
	}
	a := store.SeenAnswer{State: store.SeenState(r.text())}
	if v := r.text(); a.State == store.SeenDone {
		a.Value = []byte(v)
	}
	a.First, a.Left = r.text(), time.Duration(r.int())*time.Millisecond
	return a, r.check("seen")
}

// CommitSeen implements [store.Seen].
func (s *Store) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	_, err := s.seen(ctx, scope, id, "commit", holder, value, max(ttl.Milliseconds(), 1), 0)
	if errors.Is(err, store.ErrStale) {
		return named("id", id, err)
	}
	return err
}

// ForgetSeen implements [store.Seen].
func (s *Store) ForgetSeen(ctx context.Context, scope, id, holder string) error {
	_, err := s.seen(ctx, scope, id, "forget", holder, "", 0, 0)
	return err
}
