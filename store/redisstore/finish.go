package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rag-assistant/webhooks/store"
)

// outcomes are the letters by which the finish script knows them.
var outcomes = map[store.Outcome]string{ //nolint:gochecknoglobals // constant
	store.Succeeded: "s", store.Failed: "f", store.Retry: "r", store.Released: "l",
}

const (
	// spoiledOutcome ends what cannot be delivered, without an attempt.
	spoiledOutcome = "x"
	// faultCode is the code of such a delivery.
	faultCode = store.CodeDamaged
	// What the script says of a result that has disabled its webhook, and of its repetition.
	finishDisabled   = 1
	repeatedDisabled = 6
)

// settling is a result as the script takes it.
type settling struct {
	index         int // among the results of the call
	field         string
	n             int64
	owner         string
	what, attempt packer
}

// Finish implements [store.Queue]. Shards are asked at the same time. If it
// returns an error, some results may have been accepted; to send all of them again
// is safe.
func (s *Store) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	out := make([]store.Finished, len(results))
	parts := map[int][]settling{} // by shard
	for i := range results {
		r := &results[i]
		if outcomes[r.Outcome] == "" {
			return nil, fmt.Errorf("redisstore: finish: outcome %q is none of the four", r.Outcome)
		}
		part := pick(s.shards, r.MerchantID)
		n, seq, ok := s.shards[part].place(r.DeliveryID)
		if !ok {
			out[i].State = store.FinishGone
			continue
		}
		parts[part] = append(parts[part], settling{
			index: i, field: field(n, seq), n: n, owner: owner(r.MerchantID, r.WebhookID), what: packResult(r), attempt: packAttempt(&r.Attempt),
		})
	}
	var asked sync.WaitGroup
	var mu sync.Mutex
	var failed, refused []error
	for part, list := range parts {
		asked.Go(func() {
			err := s.ask(ctx, part, func(ctx context.Context, h shard) error { return s.finish(ctx, h, list, out) })
			if err == nil {
				return
			}
			for i := range list {
				if f := &out[list[i].index]; f.State == "" {
					f.State = store.FinishUnavailable
				}
			}
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, err)
			if !errors.Is(err, errAway) && !outOfReach(err) {
				refused = append(refused, err)
			}
		})
	}
	asked.Wait()
	switch {
	case len(refused) > 0:
		return nil, errors.Join(refused...) // Something is wrong with a result, which the caller has to find.
	case len(failed) > 0 && len(failed) == len(parts):
		return nil, errors.Join(failed...)
	}
	return out, nil
}

// packResult writes what the script needs to know of a result: see lua/finish.lua.
func packResult(r *store.Result) packer {
	p := append(packer(nil).num(r.Token, 6), outcomes[r.Outcome]...)
	streak := r.Streak
	if r.Outcome == store.Released {
		streak = store.StreakSame
	}
	p = p.num(flag(r.Fault), 1).num(int64(streak), 1).num(max(r.Delay.Milliseconds(), 0), 6).num(max(r.Hold.Milliseconds(), 0), 6)
	if streak == store.StreakExtend {
		p = p.num(int64(max(r.DisableAfter, 0)), 4).num(max(r.DisableAfterFailingFor.Milliseconds(), 0), 6)
		p = append(p, r.DisableReason...)
	}
	return p
}

// finish settles the results of one shard.
func (s *Store) finish(ctx context.Context, h shard, list []settling, out []store.Finished) error {
	for len(list) > 0 {
		part := list[:partOf(list)]
		list = list[len(part):]
		fs, err := s.settle(ctx, h, part)
		if err != nil {
			return err
		}
		for i := range part {
			out[part[i].index] = fs[i]
		}
	}
	return nil
}

// partOf returns how many results go into one script, which reads each delivery once.
func partOf(list []settling) int {
	seen := make(map[string]bool, batch)
	for i := range min(len(list), batch) {
		if seen[list[i].field] {
			return i
		}
		seen[list[i].field] = true
	}
	return min(len(list), batch)
}

// settle runs one script. It sorts the results, and its answers are in their order.
func (s *Store) settle(ctx context.Context, h shard, list []settling) ([]store.Finished, error) {
	same := func(a, b *settling) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.owner, b.owner)) }
	slices.SortStableFunc(list, func(a, b settling) int { return same(&a, &b) })
	n := len(list)
	args := make([]any, 2+3*n, 2+6*n)
	args[0] = n
	for i := range list {
		args[1+i], args[1+n+i], args[1+2*n+i] = list[i].field, []byte(list[i].what), []byte(list[i].attempt)
	}
	groups, at := 0, len(args)-1
	for first, i := 0, 1; i <= n; i++ {
		if i == n || same(&list[first], &list[i]) != 0 {
			args = append(args, list[first].n, list[first].owner, i-first)
			groups, first = groups+1, i
		}
	}
	args[at] = groups
	r, err := s.run(ctx, call{name: "finish", on: h, args: args})
	if err != nil {
		return nil, err
	}
	states := []store.FinishState{
		store.FinishAccepted, store.FinishAccepted, store.FinishRepeated, store.FinishStale, store.FinishGone, store.FinishUnavailable,
		store.FinishRepeated,
	}
	out := make([]store.Finished, n)
	for i := range out {
		v := r.next()
		if list, ok := v.([]any); ok {
			at := reply{list: list}
			v = at.int()
			out[i].Standing = &store.Standing{
				Active: at.int() == 1, ConsecutiveFailures: at.number(), FailingSince: stamp(at.int()), Disablings: at.int(), Mark: at.text(),
			}
			r.bad = r.bad || at.bad
		}
		state, ok := v.(int64)
		if !ok || state < 0 || state >= int64(len(states)) {
			r.bad = true
			break
		}
		out[i].State, out[i].Disabled = states[state], state == finishDisabled || state == repeatedDisabled
	}
	return out, r.check("finish")
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}
