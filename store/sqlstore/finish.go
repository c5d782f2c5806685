package sqlstore

import (
	"context"

	"github.com/rag-assistant/webhooks/store"
)

// Finish implements [store.Queue].
func (s *Store) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	out := make([]store.Finished, 0, len(results))
	for len(results) > 0 {
		some := results[:min(len(results), batch)]
		got, err := s.engine.finish(ctx, some)
		if err != nil {
			return nil, err
		}
		out, results = append(out, got...), results[len(some):]
	}
	s.watches.wake()
	return out, nil
}
