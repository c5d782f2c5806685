package redisstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// pruneStep is how many records one script removes at most, so that others get their turn.
const pruneStep = 500

// Prune implements [store.Queue].
func (s *Store) Prune(ctx context.Context, p store.PruneRequest) (store.Pruned, error) {
	var done store.Pruned
	left := max(p.Limit, 1)
	_, err := s.each(ctx, 0, func(ctx context.Context, h shard) (bool, error) {
		more, err := s.collect(ctx, h)
		if err != nil {
			return false, err
		}
		done.More = done.More || more
		return true, s.prune(ctx, h, p, &left, &done)
	})
	return done, err
}

// sweepAge is for how long a lease must be over before Prune puts its delivery back in
// line, where a claim should have done it. Each call looks at some hundred deliveries that
// were claimed, so that what was lost beside them is mended in time.
const sweepAge = time.Minute

// prune removes from one shard what is left to remove.
func (s *Store) prune(ctx context.Context, h shard, p store.PruneRequest, left *int, done *store.Pruned) error {
	for _, k := range []struct {
		what  string
		age   time.Duration
		keep  int
		code  string
		count *int
	}{
		{what: "sweep", age: sweepAge, count: new(int)},
		{what: "paused", age: p.PausedAge, code: p.PausedCode, count: &done.Paused},
		{what: "age", age: p.DeliveryAge, count: &done.Deliveries},
		{what: "surplus", keep: p.DeliveriesPerWebhook, count: &done.Deliveries},
		{what: "kept", age: p.EventAge, count: &done.Events},
		{what: "events", age: p.EventAge, count: &done.Events},
		{what: "notices", age: p.NoticeAge, count: &done.Notices},
		{what: "jobs", age: p.JobAge, count: &done.Jobs},
	} {
		if k.age <= 0 && k.keep <= 0 {
			continue
		}
		from := ""
		for more := true; more; {
			limit := min(*left, pruneStep)
			r, err := s.run(ctx, call{name: "prune", on: h, args: []any{k.what, k.age.Milliseconds() + int64(k.keep), limit, from, k.code}})
			if err != nil {
				return err
			}
			n := r.number()
			more, from = r.int() == 1, r.text()
			for r.more() {
				done.Damaged = append(done.Damaged, h.damage(r.text(), r.text()))
			}
			if err := r.check("prune"); err != nil {
				return err
			}
			*k.count += n
			*left -= n
			if more && limit == 0 {
				done.More = true
				return nil
			}
		}
	}
	return nil
}
