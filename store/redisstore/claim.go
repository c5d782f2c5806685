package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// tokenBits is how many claims of one delivery have tokens of their own. Above
// them is the delivery's number, so that one that was pruned and made anew has
// other tokens.
const tokenBits = 16

// Claim implements [store.Queue]. Shards take turns, too: each call begins at
// the next one. It visits all of them unless c.Limit is reached before, and goes
// on past those that are out of reach.
func (s *Store) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	shards, err := s.open(ctx)
	if err != nil {
		return store.Claimed{}, err
	}
	out := store.Claimed{Next: -1}
	sooner := func(next time.Duration) {
		if next >= 0 && (out.Next < 0 || next < out.Next) {
			out.Next = next
		}
	}
	start := int((s.turn.Add(1) - 1) % int64(len(shards)))
	pause, err := s.each(ctx, shards, start, func(ctx context.Context, h shard) (bool, error) {
		if len(out.Leases) >= c.Limit {
			out.Next = 0 // This one may have more.
			return false, nil
		}
		ask := c
		ask.Limit = c.Limit - len(out.Leases)
		got, err := s.claim(ctx, h, ask)
		if err != nil {
			return false, err
		}
		out.Leases = append(out.Leases, got.Leases...)
		out.Notices = out.Notices || got.Notices
		sooner(got.Next)
		return true, nil
	})
	if err != nil && len(out.Leases) == 0 {
		return store.Claimed{}, err
	}
	if pause > 0 {
		sooner(pause)
	}
	return out, nil
}

// claim claims from one shard.
func (s *Store) claim(ctx context.Context, h shard, c store.ClaimRequest) (store.Claimed, error) {
	var out store.Claimed
	for len(out.Leases) < c.Limit {
		limit := min(c.Limit-len(out.Leases), 2*batch)
		r, err := s.run(ctx, call{name: "claim", on: h, args: []any{limit, max(c.Lease.Milliseconds(), 1), c.PerWebhook}})
		if err != nil {
			if len(out.Leases) > 0 {
				break
			}
			return out, err
		}
		micros := r.int()
		out.Next = time.Duration(max(micros, -1))
		if micros > 0 {
			out.Next = time.Duration(micros) * time.Microsecond
		}
		out.Notices = r.int() == 1
		webhooks, leases, events := r.text(), r.text(), r.part()
		n, err := readLeases(&out.Leases, webhooks, leases, events)
		if err != nil || r.bad {
			return out, fmt.Errorf("redisstore: claim: %w", errors.Join(err, r.check("claim")))
		}
		if n < limit {
			break
		}
	}
	return out, nil
}

// readLeases reads packed webhooks, packed leases and the events of a reply: see
// lua/claim.lua.
func readLeases(to *[]store.Lease, webhooks, leases string, events reply) (int, error) {
	w := packReader{rest: webhooks}
	hooks := make([]store.Lease, w.length()/7)
	for i := range hooks {
		h := &hooks[i]
		h.MerchantID, h.WebhookID, h.URL, h.Encoding = w.copied(), w.copied(), w.copied(), w.copied()
		h.Secret, h.PreviousSecret, h.Headers = w.copied(), w.copied(), w.copied()
	}
	bodies, traces := make([][]byte, len(events.list)/2), make([]string, len(events.list)/2)
	for i := range bodies {
		stored := events.text()
		_, body, ok := cutHead(stored)
		bodies[i], traces[i] = []byte(body), events.text()
		events.bad = events.bad || !ok
	}
	r := packReader{rest: leases}
	n := r.length() / 10
	*to = slices.Grow(*to, n)
	for range n {
		w, b := r.int(), r.int()
		if w < 1 || int(w) > len(hooks) || b < 1 || int(b) > len(bodies) {
			return 0, errPacked
		}
		l := hooks[w-1]
		l.Body, l.Trace = bodies[b-1], traces[b-1]
		l.DeliveryID, l.EventID, l.EventType, l.Test = unpackID(r.text()), r.copied(), r.copied(), r.int() == 1
		l.Token = r.int()<<tokenBits + r.int()
		l.Attempts, l.Reclaims = int(r.int()), int(r.int())
		*to = append(*to, l)
	}
	if w.bad || r.bad || events.bad || w.rest != "" || r.rest != "" {
		return 0, errPacked
	}
	return n, nil
}
