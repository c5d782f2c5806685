package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// claimBytes is how many bytes of bodies one script answers at most, unless one body
// is larger.
const claimBytes = 4 << 20

// Claim implements [store.Queue]. Shards take turns, too: each call begins at the next
// one. It visits all of them unless c.Limit is reached before, and goes on past those
// that are out of reach.
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
		g := claiming{ClaimRequest: c, s: s, life: life, how: "new", out: store.Claimed{Next: -1}}
		if c.Key != "" && len(s.shards) > 1 {
			g.how = "mark"
		}
		pause, err := s.each(ctx, start, g.visit)
		if len(g.out.Leases) == 0 {
			if err != nil {
				return store.Claimed{}, err
			}
			if g.how == "again" {
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

	s     *Store
	life  int    // of the key: how often all that it had was over
	how   string // see lua/claim.lua
	bytes int    // of bodies so far
	out   store.Claimed
}

func (g *claiming) sooner(next time.Duration) {
	if next >= 0 && (g.out.Next < 0 || next < g.out.Next) {
		g.out.Next = next
	}
}

// visit claims from one shard, and says if to go on to the next one.
func (g *claiming) visit(ctx context.Context, h shard) (bool, error) {
	for round := 0; ; round++ {
		limit, bytes := min(g.Limit-len(g.out.Leases), batch), claimBytes
		if g.MaxBytes > 0 {
			bytes = min(bytes, g.MaxBytes-g.bytes)
		}
		if limit <= 0 || bytes <= 0 {
			g.out.Next = 0 // This one may have more.
			return false, nil
		}
		more, err := g.claim(ctx, h, limit, bytes, round)
		if err != nil && round > 0 {
			g.sooner(0)
		}
		if err != nil || !more {
			return err == nil, err
		}
	}
}

// claim runs one script, and says if another one may have more.
func (g *claiming) claim(ctx context.Context, h shard, limit, bytes, round int) (bool, error) {
	name := ""
	if g.Key != "" {
		name = fmt.Sprintf("%s.%d.%d", g.Key, g.life, round)
	}
	r, err := g.s.run(ctx, call{name: "claim", on: h, args: []any{
		limit, max(g.Lease.Milliseconds(), 1), g.PerWebhook, bytes, flag(g.MaxBytes <= 0 || len(g.out.Leases) == 0), name, g.how,
	}})
	if err != nil {
		return false, err
	}
	at, micros := stamp(r.int()), r.int()
	if g.out.At.IsZero() || at.Before(g.out.At) {
		g.out.At = at // Where clocks differ, leases end before others think.
	}
	g.out.Notices = r.int() == 1 || g.out.Notices
	g.out.Jobs = r.int() == 1 || g.out.Jobs
	again := r.int() == 1
	if again {
		g.how, g.out.Again = "again", true
	} else if g.how == "mark" {
		g.how = "new"
	}
	hooks, events, order, records := r.part(), r.part(), unpacker{rest: r.text()}, r.part()
	if err := errors.Join(r.check("claim"), hooks.check("claim"), events.check("claim")); err != nil {
		return false, err
	}
	more := again || len(records.list) > 0 && micros == 0
	spoiled := g.read(h, at, hooks, events, &order, records)
	if len(spoiled) > 0 { // They would be claimed for ever.
		if _, err := g.s.settle(ctx, h, spoiled); err != nil {
			return false, fmt.Errorf("redisstore: claim: %w", err)
		}
	}
	if !more {
		g.sooner(time.Duration(micros) * time.Microsecond) // Below 0 if nothing waits.
	}
	return more, nil
}

// read makes leases of an answer. It returns results that end what it cannot read.
func (g *claiming) read(h shard, at time.Time, hooks, events reply, order *unpacker, records reply) []settling {
	known := make([]claimed, len(hooks.list)/2)
	for i := range known {
		known[i].n = integer(hooks.text())
		known[i].hook, known[i].err = unpackHook(hooks.text(), at)
	}
	of := make([]stored, len(events.list))
	for i := range of {
		e := &of[i]
		var body string
		_, e.trace, body, e.ok = unpackEvent(events.text())
		e.body = []byte(body)
		g.bytes += len(body)
	}
	var spoiled []settling
	for records.more() {
		w, e, seq := order.num(2)-1, order.num(2)-1, order.num(6)
		packed := records.text()
		r, ok := unpackRecord(packed)
		if !ok || w < 0 || int(w) >= len(known) || e < 0 || int(e) >= len(of) || known[w].err != nil {
			continue // The lease ends by itself.
		}
		hook, event := &known[w], &of[e]
		if !event.ok {
			what := append(packer(packed[:6]), spoiledOutcome...).num(0, 1).num(int64(store.StreakSame), 1).num(0, 6).num(0, 6)
			spoiled = append(spoiled, settling{
				field: field(hook.n, seq), n: hook.n, owner: owner(hook.merchantID, hook.webhookID), what: what, attempt: packer(faultCode),
			})
			continue
		}
		g.out.Leases = append(g.out.Leases, store.Lease{
			MerchantID: hook.merchantID, WebhookID: hook.webhookID, DeliveryID: h.deliveryID(hook.n, seq), EventID: r.eventID, EventType: r.kind,
			Test: r.flags&flagTest != 0, Forged: r.flags&flagForged != 0, Body: event.body, Trace: event.trace,
			Token: r.token, Attempts: int(r.attempts), Reclaims: int(r.reclaims),
			URL: hook.url, Encoding: hook.encoding, Secret: hook.secret, PreviousSecret: hook.previous, Headers: hook.headers,
		})
	}
	return spoiled
}

// claimed is a webhook as a claim answers it.
type claimed struct {
	hook

	n   int64
	err error
}

// stored is an event as a claim answers it.
type stored struct {
	trace string
	body  []byte
	ok    bool
}
