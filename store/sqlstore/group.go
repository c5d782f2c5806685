package sqlstore

import (
	"context"

	"github.com/rag-assistant/webhooks/store"
)

// group is where calls of Publish gather.
type group struct{}

// publish runs a call.
func (s *Store) publish(ctx context.Context, events []newEvent) ([]store.Published, error) {
	return s.call(ctx, events)
}
