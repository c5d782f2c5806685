package redisstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// batch is how many records one script takes at most.
	batch = 100
	// breath is after how many deliveries a Publish lets other calls in.
	breath = 500
	// Pauses while the client of a Cluster looks where a slot has gone.
	firstLook, lastLook = 20 * time.Millisecond, 640 * time.Millisecond
	// printBytes is how much of a fingerprint's digest is kept.
	printBytes = 16
)

// What the publish script says of an event.
const (
	publishedBefore = iota + 1
	publishedConflict
)

// Publish implements [store.Publisher].
func (s *Store) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	h := s.at(merchantID)
	if len(events) == 0 {
		return nil, nil
	}
	p := &publishing{merchantID: merchantID, events: events, out: make([]store.Published, 0, len(events))}
	if err := s.publish(ctx, h, p); err != nil {
		return nil, err
	}
	return p.out, nil
}

// publishSome runs one script with as many events of the list as go into one. Those
// that it answered for have their results then.
func (s *Store) publishSome(ctx context.Context, h shard, list []*publishing) error {
	r, err := s.runDurably(ctx, publishCall(h, list))
	if err != nil {
		return err
	}
	lists := r.part()
	subscribers := make([]map[int64]string, len(lists.list)) // id by number
	for i := range subscribers {
		list := lists.part()
		subscribers[i] = make(map[int64]string, len(list.list)/2)
		for list.more() {
			n := integer(list.text())
			subscribers[i][n] = list.text()
		}
	}
	if !r.more() {
		r.bad = true
	}
	var out []store.Published
	for r.more() {
		state, ids, list := r.int(), unpacker{rest: r.text()}, r.number()-1
		p := store.Published{Duplicate: state == publishedBefore, Conflict: state == publishedConflict}
		for ids.rest != "" && list >= 0 && list < len(subscribers) {
			n, seq := ids.num(4), ids.num(6)
			if seq == 0 {
				p.Missed = append(p.Missed, subscribers[list][n])
				continue
			}
			p.Deliveries = append(p.Deliveries, store.PublishedDelivery{
				WebhookID: subscribers[list][n], ID: h.deliveryID(n, seq),
			})
		}
		out = append(out, p)
		r.bad = r.bad || ids.bad
	}
	if err := r.check("publish"); err != nil {
		return err
	}
	for _, p := range list {
		n := min(len(p.rest()), len(out))
		p.out, out = append(p.out, out[:n]...), out[n:]
	}
	return nil
}

// publishCall makes a script of as many events as go into one.
func publishCall(h shard, list []*publishing) call {
	c := call{name: "publish", on: h, args: []any{breath, 0}}
	size := 0
	for _, p := range list {
		rest := p.rest()
		for i := range rest {
			e := &rest[i]
			if size += len(e.Body); len(c.keys) == batch || len(c.keys) > 0 && size > sharedBytes {
				c.args[1] = len(c.keys)
				return c
			}
			digest := sha256.Sum256([]byte(e.Fingerprint))
			mark := append(append(packer(nil).num(int64(min(max(e.MaxPending, 0), math.MaxInt32)), 4), digest[:printBytes]...), e.Trace...)
			c.keys = append(c.keys, h.event(p.merchantID, e.ID))
			c.args = append(c.args, p.merchantID, packList(store.Patterns(e.Type), 2), []byte(packElement(e)), []byte(mark), e.Test, e.Body)
		}
	}
	c.args[1] = len(c.keys)
	return c
}

// runDurably runs a script and waits for the replicas that the options ask for.
// WAIT is about what its own connection wrote, hence both go to one node, and the
// client of a Cluster does not look where a slot has gone.
func (s *Store) runDurably(ctx context.Context, c call) (reply, error) {
	if s.opts.WaitReplicas == 0 {
		return s.run(ctx, c)
	}
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.runAndWait(ctx, s.client, c)
	}
	for pause := firstLook; ; pause *= 2 {
		node, err := cluster.MasterForKey(ctx, c.on.id)
		if err != nil {
			return reply{}, unanswered(c.name, err)
		}
		r, err := s.runAndWait(ctx, node, c)
		moved := isElsewhere(err)
		if moved || isNetwork(err) && !errors.Is(err, ErrNotReplicated) {
			cluster.ReloadState(ctx) // in the background
		}
		if !moved || pause > lastLook {
			return r, err
		}
		select {
		case <-ctx.Done():
			return reply{}, unanswered(c.name, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (s *Store) runAndWait(ctx context.Context, node redis.Cmdable, c call) (reply, error) {
	if err := s.fit(ctx); err != nil {
		return reply{}, fmt.Errorf("redisstore: %s: %w", c.name, err)
	}
	keys, args := s.frame(c)
	var ran *redis.Cmd
	var waited *redis.Cmd
	try := func(run func(p redis.Pipeliner) *redis.Cmd) error {
		_, err := node.Pipelined(ctx, func(p redis.Pipeliner) error {
			ran = run(p)
			waited = p.Do(ctx, "wait", s.opts.WaitReplicas, s.opts.WaitTimeout.Milliseconds())
			return nil
		})
		return err
	}
	script := s.scripts[c.name]
	err := try(func(p redis.Pipeliner) *redis.Cmd { return script.EvalSha(ctx, p, keys, args...) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		err = try(func(p redis.Pipeliner) *redis.Cmd { return script.Eval(ctx, p, keys, args...) })
	}
	if err != nil {
		return reply{}, s.refused(ctx, c, err)
	}
	if got, err := waited.Int(); err != nil || got < s.opts.WaitReplicas {
		return reply{}, fmt.Errorf("redisstore: %s: %d of %d replicas have it: %w", c.name, got, s.opts.WaitReplicas, ErrNotReplicated)
	}
	out, err := ran.Slice()
	if err != nil {
		return reply{}, s.refused(ctx, c, err)
	}
	return readReply(c.name, out)
}

// ErrNotReplicated says that Publish has stored the events, but fewer replicas
// than [Options.WaitReplicas] have them so far. To publish them again is safe. It
// is a [store.ErrUnavailable] too.
var ErrNotReplicated = fmt.Errorf("not replicated in time: %w", store.ErrUnavailable)
