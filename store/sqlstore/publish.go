package sqlstore

import (
	"context"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// batch is how many records go in one call of the database. It is less than the 1,024
	// that an id tells apart in one.
	batch = 500
	// batchBytes is how many bytes of bodies do.
	batchBytes = 4 << 20
)

// newEvent is an event of a merchant.
type newEvent struct {
	merchantID string
	*store.NewEvent
}

var errNobody = fmt.Errorf("sqlstore: publish a test: no such webhook: %w", store.ErrNotFound)

func newEvents(merchantID string, events []store.NewEvent) []newEvent {
	list := make([]newEvent, len(events))
	for i := range events {
		list[i] = newEvent{merchantID, &events[i]}
	}
	return list
}

// Publish implements [store.Publisher]. Calls of one process share transactions.
func (s *Store) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	list := newEvents(merchantID, events)
	out := make([]store.Published, 0, len(events))
	for len(list) > 0 {
		n := cut(list)
		some, err := s.engine.publish(ctx, list[:n])
		if err != nil {
			return nil, err
		}
		out, list = append(out, some...), list[n:]
	}
	if len(events) > 0 {
		s.Wake()
	}
	return out, nil
}

// cut says how many events go in one call.
func cut(list []newEvent) int {
	size := 0
	for i := range list[:min(len(list), batch)] {
		if size += len(list[i].Body); i > 0 && size > batchBytes {
			return i
		}
	}
	return min(len(list), batch)
}

// Enqueue implements [store.History].
func (s *Store) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	out := make([]store.Enqueued, 0, len(eventIDs))
	for rest := eventIDs; ; rest = rest[batch:] {
		some := rest[:min(len(rest), batch)]
		got, err := s.engine.enqueue(ctx, merchantID, webhookID, some, nonce, maxPending)
		if err != nil {
			return nil, err
		}
		if out = append(out, got...); len(got) < len(some) {
			return nil, noWebhook(webhookID)
		}
		if len(some) == len(rest) {
			break
		}
	}
	if len(eventIDs) == 0 {
		if _, err := s.Webhook(ctx, merchantID, webhookID); err != nil {
			return nil, err
		}
	}
	s.Wake()
	return out, nil
}
