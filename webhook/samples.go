package webhook

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
)

// Test sends a webhook.test event to one webhook, whatever its status
// and subscriptions, in one attempt. It shows in the log and in the stats, and
// counts neither as a failure nor as a success of the webhook. See [Service.Await]
// for its outcome.
func (s *Service) Test(ctx context.Context, merchantID, webhookID string) (Delivery, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Delivery{}, err
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return Delivery{}, fmt.Errorf("webhook: test: %w", err)
	}
	return s.test(ctx, merchantID, webhookID, trial{
		message: "This is a test webhook delivery", encodings: []jcs.Encoding{jcs.Encoding(w.Encoding)},
	})
}

// Sample is [Service.Test] with the catalog's example of an event type in place of a
// webhook.test event. It is a test like that: its id begins with "evt_test_", and it counts
// for nothing. A type without an example is an [*InvalidError].
func (s *Service) Sample(ctx context.Context, merchantID, webhookID string, of event.Type) (Delivery, error) {
	if of == event.TypeWebhookTest {
		return s.Test(ctx, merchantID, webhookID)
	}
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Delivery{}, err
	}
	entry, known := s.catalog.Lookup(of)
	var example struct {
		Data json.RawMessage `json:"data"`
	}
	if !known {
		return Delivery{}, invalidIf(faults{NewFault("eventType", FaultUnknownType, "is not in the catalog of event types")})
	}
	if json.Unmarshal(entry.Example, &example) != nil || example.Data == nil {
		return Delivery{}, invalid("eventType", "has no example in the catalog")
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return Delivery{}, fmt.Errorf("webhook: sample: %w", err)
	}
	return s.test(ctx, merchantID, webhookID, trial{
		sample: event.Event{Type: of, Data: example.Data}, encodings: []jcs.Encoding{jcs.Encoding(w.Encoding)},
	})
}

// test stores a test event.
func (s *Service) test(ctx context.Context, merchantID, webhookID string, t trial) (Delivery, error) {
	e, err := newTest(s.shaper(), once.ID(ctx, "evt_test_"), s.now(), webhookID, t)
	if err != nil {
		return Delivery{}, err
	}
	out, err := s.publish(ctx, s.store, merchantID, []store.NewEvent{e})
	if err != nil {
		return Delivery{}, err
	}
	if len(out[0].Deliveries) != 1 {
		return Delivery{}, fmt.Errorf("webhook: test: %w", errAnswers)
	}
	return s.look(ctx, merchantID, webhookID, out[0].Deliveries[0].ID)
}

// Example returns the catalog's example of an event type as it is sent. It is nothing if the
// catalog has none, or its shape fails on it.
func (s *Service) Example(of event.Type) event.Shaped {
	entry, _ := s.catalog.Lookup(of)
	if len(entry.Example) == 0 {
		return event.Shaped{}
	}
	if s.catalog.Shape() == nil {
		return event.Shaped{Body: entry.Example, ContentType: shape.JSON}
	}
	canonical, err := jcs.Canonicalize(entry.Example)
	if err != nil {
		return event.Shaped{}
	}
	made, err := s.shaper().contain(canonical)
	if err != nil {
		return event.Shaped{}
	}
	return made
}
