package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// How a claim script goes about a key.
const (
	claimAgain  = iota // It only answers what is noted under the key.
	claimNew           // It does, or else takes leases.
	claimMarked        // It notes as well that it has taken none.
)

// Claim implements [store.Queue]. Shards take turns, too: each call begins at
// the next one. It visits all of them unless c.Limit is reached before, and goes
// on past those that are out of reach.
//
// A call with a key begins at a shard that the key names, and leaves a note there
// whatever it takes. So a call that is repeated is known as such at once, and looks at
// the others for what it has. If all of that is over, it takes something new, under
// another name. What is lost of one shard while another one answers is not asked for
// again: its leases end.
func (s *Store) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	start := int((s.turn.Add(1) - 1) % int64(len(s.shards)))
	if c.Key != "" {
		start = pick(s.shards, c.Key)
	}
	for life := 0; ; life++ {
		g := claiming{s: s, ClaimRequest: c, life: life, how: claimNew, out: store.Claimed{Next: -1}}
		if c.Key != "" && len(s.shards) > 1 {
			g.how = claimMarked
		}
		pause, err := s.each(ctx, start, g.visit)
		if len(g.out.Leases) == 0 {
			if err != nil {
				return store.Claimed{}, err
			}
			if g.how == claimAgain {
				continue
			}
		}
		if pause > 0 {
			g.sooner(pause)
		}
		return g.out, nil
	}
}

// claiming is one call of Claim.
type claiming struct {
	store.ClaimRequest

	s    *Store
	life int // of the key: how often all that it had was over
	how  int
	size int // of the events so far
	out  store.Claimed
}

func (g *claiming) sooner(next time.Duration) {
	if next >= 0 && (g.out.Next < 0 || next < g.out.Next) {
		g.out.Next = next
	}
}

// visit claims from one shard, and says if to go on to the next one.
func (g *claiming) visit(ctx context.Context, h shard) (bool, error) {
	for round := 0; ; round++ {
		limit := min(g.Limit-len(g.out.Leases), 2*batch)
		if limit <= 0 || g.MaxBytes > 0 && g.size >= g.MaxBytes {
			g.out.Next = 0 // This one may have more.
			return false, nil
		}
		more, err := g.claim(ctx, h, limit, round)
		if err != nil && round > 0 {
			g.sooner(0)
		}
		if err != nil || !more {
			return err == nil, err
		}
	}
}

// claim runs one script, and says if another one may have more.
func (g *claiming) claim(ctx context.Context, h shard, limit, round int) (bool, error) {
	args := []any{limit, max(g.Lease.Milliseconds(), 1), g.PerWebhook}
	if g.Key != "" || g.MaxBytes > 0 {
		name, bytes := "", cmp.Or(max(g.MaxBytes, 0), math.MaxInt)
		if g.Key != "" {
			name = fmt.Sprintf("%s.%d.%d", g.Key, g.life, round)
		}
		args = append(args, bytes, g.size, name, g.how)
	}
	r, err := g.s.run(ctx, call{name: "claim", on: h, args: args})
	if err != nil {
		return false, err
	}
	at, micros := stamp(r.int()), r.int()
	if g.out.At.IsZero() || at.Before(g.out.At) {
		g.out.At = at // Where clocks differ, leases end before others think.
	}
	g.out.Notices = r.int() == 1 || g.out.Notices
	again := r.int() == 1
	if again {
		g.how, g.out.Again = claimAgain, true
	} else if g.how == claimMarked {
		g.how = claimNew
	}
	webhooks, leases, events := r.text(), r.text(), r.part()
	for _, e := range events.list {
		stored, _ := e.(string)
		g.size += len(stored)
	}
	n, err := readLeases(&g.out.Leases, webhooks, leases, events)
	if err != nil || r.bad {
		return false, fmt.Errorf("redisstore: claim: %w", errors.Join(err, r.check("claim")))
	}
	if again || n == limit {
		return true, nil
	}
	g.sooner(time.Duration(micros) * time.Microsecond) // Below 0 if nothing waits.
	return false, nil
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
	of := make([]store.Lease, len(events.list)) // what a lease has of its event
	for i := range of {
		head, body, ok := cutHead(events.text())
		h := packReader{rest: head}
		n := h.length()
		of[i].Body, of[i].Forged = []byte(body), h.int()&flagForged != 0
		if n > headFields {
			h.int() // created
			h.int() // sequence
			for range headFields - 3 {
				h.text()
			}
			of[i].Trace = h.copied()
		}
		events.bad = events.bad || !ok || h.bad
	}
	r := packReader{rest: leases}
	n := r.length() / 9
	*to = slices.Grow(*to, n)
	for range n {
		w, b := r.int(), r.int()
		if w < 1 || int(w) > len(hooks) || b < 1 || int(b) > len(of) {
			return 0, errPacked
		}
		l := hooks[w-1]
		l.Body, l.Forged, l.Trace = of[b-1].Body, of[b-1].Forged, of[b-1].Trace
		l.DeliveryID, l.EventID, l.EventType, l.Test = unpackID(r.text()), r.copied(), r.copied(), r.int() == 1
		l.Token, l.Attempts, l.Reclaims = r.int(), int(r.int()), int(r.int())
		*to = append(*to, l)
	}
	if w.bad || r.bad || events.bad || w.rest != "" || r.rest != "" {
		return 0, errPacked
	}
	return n, nil
}
