package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rag-assistant/webhooks/store"
)

// finishDisabled is what the finish script says of a result that was accepted and
// disabled its webhook.
const finishDisabled = 1

// Finish implements [store.Queue]. Shards are asked at the same time. If it
// returns an error, some results may have been accepted; to send all of them again
// is safe.
func (s *Store) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	out := make([]store.Finished, len(results))
	parts := map[int][]int{} // indexes of results by shard
	for i := range results {
		switch o := results[i].Outcome; o {
		case store.Succeeded, store.Failed, store.Retry, store.Released:
		default:
			return nil, fmt.Errorf("redisstore: finish: outcome %q is none of the four", o)
		}
		if _, ok := packID(results[i].DeliveryID); !ok {
			out[i].State = store.FinishGone
			continue
		}
		n := pick(s.shards, results[i].MerchantID)
		parts[n] = append(parts[n], i)
	}
	var asked sync.WaitGroup
	var mu sync.Mutex
	var failed, refused []error
	for n, indexes := range parts {
		asked.Go(func() {
			err := s.ask(ctx, n, func(ctx context.Context, h shard) error {
				return s.finishPart(ctx, h, results, indexes, out)
			})
			if err == nil {
				return
			}
			for _, i := range indexes {
				if out[i].State == "" {
					out[i].State = store.FinishUnavailable
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

// finishPart settles the results of the given indexes, all of one shard.
func (s *Store) finishPart(ctx context.Context, h shard, results []store.Result, indexes []int, out []store.Finished) error {
	for len(indexes) > 0 {
		part := indexes[:min(len(indexes), batch)]
		indexes = indexes[len(part):]
		if err := s.finish(ctx, h, results, part, out); err != nil {
			return err
		}
	}
	return nil
}

// finish settles the results of the given indexes.
func (s *Store) finish(ctx context.Context, h shard, results []store.Result, indexes []int, out []store.Finished) error {
	p := newPack(15 * len(indexes))
	for _, i := range indexes {
		r := &results[i]
		id, _ := packID(r.DeliveryID) // Checked above.
		p = p.text(r.MerchantID).text(r.WebhookID).text(id).int(r.Token)
		p = p.text(string(r.Outcome)).int(max(r.Delay.Milliseconds(), 0)).int(flag(r.Fault))
		p = p.int(int64(r.Streak)).int(int64(max(r.DisableAfter, 0))).int(r.DisableAfterFailingFor.Milliseconds()).text(r.DisableReason)
		a := &r.Attempt
		p = p.int(a.Duration.Milliseconds()).int(int64(a.StatusCode)).text(a.Code).text(a.ResponseBody)
	}
	r, err := s.run(ctx, call{name: "finish", on: h, args: []any{[]byte(p)}})
	if err != nil {
		return err
	}
	states := []store.FinishState{store.FinishAccepted, store.FinishAccepted, store.FinishRepeated, store.FinishStale, store.FinishGone}
	for _, i := range indexes {
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
		out[i].State, out[i].Disabled = states[state], state == finishDisabled
	}
	return r.check("finish")
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}
