package redisstore

import (
	"context"
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
		webhooks, events, leases := r.part(), r.part(), r.part()
		n, err := readLeases(&out.Leases, &webhooks, &events, &leases)
		if err != nil {
			return out, err
		}
		if err := r.check("claim"); err != nil {
			return out, err
		}
		if n < limit {
			break
		}
	}
	return out, nil
}

func readLeases(to *[]store.Lease, webhooks, events, leases *reply) (int, error) {
	var hooks []store.Lease
	for webhooks.more() {
		w := webhooks.part()
		hooks = append(hooks, store.Lease{
			MerchantID: w.text(), WebhookID: w.text(), URL: w.text(), Encoding: w.text(), Secret: w.text(), PreviousSecret: w.text(),
			Headers: w.text(),
		})
		webhooks.bad = webhooks.bad || w.bad
	}
	var bodies [][]byte
	var traces []string
	for events.more() {
		e := events.part()
		bodies, traces = append(bodies, []byte(e.text())), append(traces, e.text())
		events.bad = events.bad || e.bad
	}
	n := len(leases.list)
	for leases.more() {
		f := leases.part()
		w, b := f.number(), f.number()
		if w < 1 || w > len(hooks) || b < 1 || b > len(bodies) {
			return 0, errReply
		}
		l := hooks[w-1]
		l.Body, l.Trace = bodies[b-1], traces[b-1]
		l.DeliveryID, l.EventID, l.EventType, l.Test = unpackID(f.text()), f.text(), f.text(), f.int() == 1
		l.Token = f.int()<<tokenBits + f.int()
		l.Attempts, l.Reclaims = f.number(), f.number()
		*to = append(*to, l)
		leases.bad = leases.bad || f.bad
	}
	for _, r := range []*reply{webhooks, events, leases} {
		if err := r.check("claim"); err != nil {
			return 0, err
		}
	}
	return n, nil
}
