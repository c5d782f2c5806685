package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/rag-assistant/webhooks/store"
)

// What the finish script says of a result.
const (
	finishAccepted = iota
	finishDisabled
	finishRepeated
	finishStale
	finishGone
)

// Finish implements [store.Queue]. Results for a shard that is out of reach are
// unavailable; it fails only if no shard is within reach.
func (s *Store) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	shards, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]store.Finished, len(results))
	parts := map[int][]int{} // indexes of results by shard
	for i := range results {
		if outcomeCode(results[i].Outcome) == "" {
			return nil, fmt.Errorf("redisstore: outcome %q is none of the four", results[i].Outcome)
		}
		if _, ok := packID(results[i].DeliveryID); !ok {
			out[i].State = store.FinishGone
			continue
		}
		n := pick(shards, results[i].MerchantID)
		parts[n] = append(parts[n], i)
	}
	var failed error
	reached, over := false, false
	for n, indexes := range parts {
		away := over
		for part := range slices.Chunk(indexes, batch) {
			if !away {
				if err := s.finish(ctx, shards[n], results, part, out); err != nil {
					failed, away, over = err, true, s.concernsAll(ctx, err)
				}
			}
			if !away {
				reached = true
				continue
			}
			for _, i := range part {
				out[i] = store.Finished{State: store.FinishUnavailable}
			}
		}
	}
	if failed != nil && !reached {
		return nil, failed
	}
	return out, nil
}

// finish settles the results of the given indexes.
func (s *Store) finish(ctx context.Context, h shard, results []store.Result, indexes []int, out []store.Finished) error {
	args := append(make([]any, 0, 1+14*len(indexes)), len(indexes))
	for _, i := range indexes {
		r := &results[i]
		id, _ := packID(r.DeliveryID) // Checked above.
		args = append(
			args, r.MerchantID, r.WebhookID, id, r.Token, outcomeCode(r.Outcome), max(r.Delay.Milliseconds(), 0), flag(r.Fault),
			int(r.Streak), max(r.DisableAfter, 0), r.DisableReason,
			r.Attempt.Duration.Milliseconds(), r.Attempt.StatusCode, r.Attempt.Error, r.Attempt.ResponseBody,
		)
	}
	r, err := s.run(ctx, call{name: "finish", on: h, args: args})
	if err != nil {
		return err
	}
	for _, i := range indexes {
		switch r.int() {
		case finishAccepted:
			out[i] = store.Finished{State: store.FinishAccepted}
		case finishDisabled:
			out[i] = store.Finished{State: store.FinishAccepted, Disabled: true}
		case finishRepeated:
			out[i] = store.Finished{State: store.FinishRepeated}
		case finishStale:
			out[i] = store.Finished{State: store.FinishStale}
		case finishGone:
			out[i] = store.Finished{State: store.FinishGone}
		default:
			r.bad = true
		}
	}
	return r.check("finish")
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// outcomeCode is the script's word for an outcome, empty for what is none.
func outcomeCode(o store.Outcome) string {
	switch o {
	case store.Succeeded:
		return "s"
	case store.Failed:
		return "f"
	case store.Retry:
		return "r"
	case store.Released:
		return "l"
	default:
		return ""
	}
}
