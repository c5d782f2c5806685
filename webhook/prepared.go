package webhook

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Prepare checks an event as [Service.Publish] does, and returns it as a store keeps it. It
// is for who takes events from elsewhere, such as rows of a table: see
// [Service.PublishPrepared]. Of e it reads the ID and the Type, which must be set, and the
// Body, which is the event's data alone, as JSON.
//
// The event says created, in whole seconds. It is no part of what makes two events the same,
// as if Publish had set it. The error is an [*InvalidError]: the same event would be refused
// again by a service with the same catalog.
func (s *Service) Prepare(merchantID string, e store.NewEvent, created time.Time) (store.NewEvent, error) {
	if err := checkMerchant(merchantID); err != nil {
		return store.NewEvent{}, err
	}
	if e.ID == "" {
		return store.NewEvent{}, invalid("id", "must be set")
	}
	raw := event.NewRaw(event.Type(e.Type), json.RawMessage(e.Body))
	raw.ID = e.ID
	return s.newEventAt(context.Background(), raw, created)
}

// PublishPrepared publishes events in the service's store that were checked before: what
// [Service.Prepare] returned, or what [Service.PublishTo] gave to a Publisher that kept it for
// later, as an outbox does. The answers are in the order of events. A conflict is one of
// them, and no error.
func (s *Service) PublishPrepared(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	if err := checkMerchant(merchantID); err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, nil
	}
	return s.hand(ctx, s.store, merchantID, slices.Clone(events))
}
