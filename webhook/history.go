package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// Deliveries lists a webhook's deliveries, newest first.
func (s *Service) Deliveries(ctx context.Context, merchantID, webhookID string, q DeliveryQuery) (DeliveryPage, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return DeliveryPage{}, err
	}
	var bad faults
	if q.Limit < 1 || q.Limit > MaxPage {
		bad.add("limit", FaultWrong, fmt.Sprintf("must be between 1 and %d", MaxPage))
	}
	if q.Offset < 0 {
		bad.add("offset", FaultWrong, "must not be negative")
	}
	switch q.Status {
	case "", store.DeliveryPending, store.DeliverySucceeded, store.DeliveryFailed:
	default:
		bad.add("status", FaultWrong, `must be "pending", "success" or "failed"`)
	}
	if err := invalidIf(bad); err != nil {
		return DeliveryPage{}, err
	}
	page, err := s.store.Deliveries(ctx, merchantID, webhookID, q)
	if errors.Is(err, store.ErrCursor) {
		return DeliveryPage{}, invalid("cursor", "is not one that this API gave out")
	}
	if err != nil {
		return DeliveryPage{}, fmt.Errorf("webhook: list deliveries: %w", err)
	}
	return page, nil
}

// Stats counts a webhook's kept deliveries, tests included.
func (s *Service) Stats(ctx context.Context, merchantID, webhookID string) (Stats, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Stats{}, err
	}
	st, err := s.store.Stats(ctx, merchantID, webhookID)
	if err != nil {
		return Stats{}, fmt.Errorf("webhook: stats: %w", err)
	}
	return st, nil
}

// Delivery returns one delivery with every attempt and its payload.
func (s *Service) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (DeliveryDetail, error) {
	if err := checkIDs(merchantID, webhookID, deliveryID); err != nil {
		return DeliveryDetail{}, err
	}
	d, err := s.delivery(ctx, merchantID, webhookID, deliveryID)
	if err != nil {
		return DeliveryDetail{}, err
	}
	e, err := s.store.Event(ctx, merchantID, d.EventID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return DeliveryDetail{}, fmt.Errorf("webhook: read event: %w", err)
	}
	return DeliveryDetail{Delivery: d, Payload: rawJSON(e.Body)}, nil
}

// Redeliver makes a new delivery of the same event to the same webhook. If the
// webhook is disabled, it waits until that is enabled. It fails with
// [ErrNotFound] if the delivery is not there, or its event any more. A test cannot be
// sent again.
func (s *Service) Redeliver(ctx context.Context, merchantID, webhookID, deliveryID string) (Delivery, error) {
	if err := checkIDs(merchantID, webhookID, deliveryID); err != nil {
		return Delivery{}, err
	}
	d, err := s.delivery(ctx, merchantID, webhookID, deliveryID)
	if err != nil {
		return Delivery{}, err
	}
	if d.Test {
		return Delivery{}, invalid("deliveryId", "is a test, which is sent once; ask for another one")
	}
	ids, err := s.store.Enqueue(ctx, merchantID, webhookID, []string{d.EventID}, id.New("r_"))
	if err == nil && len(ids) != 1 {
		err = errAnswers
	}
	if err != nil {
		return Delivery{}, fmt.Errorf("webhook: redeliver: %w", err)
	}
	if ids[0] == "" {
		return Delivery{}, fmt.Errorf("webhook: redeliver: event: %w", ErrNotFound)
	}
	return s.look(ctx, merchantID, webhookID, ids[0])
}

// replayPage is how many events one step of a replay looks at.
const replayPage = 200

// Replay makes a new delivery of every event in the range that the webhook
// subscribes to and that missed it or failed, and returns how many it made.
// Events whose delivery succeeded or is still pending are left alone, so that a
// replay can be repeated. So are events from the time of which retention has
// removed deliveries of this webhook already, if they have none: nobody can say
// any more whether they were missed.
func (s *Service) Replay(ctx context.Context, merchantID, webhookID string, r Replay) (int, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return 0, err
	}
	if !r.Until.IsZero() && !r.Since.Before(r.Until) {
		return 0, invalid("until", "must be after since")
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return 0, fmt.Errorf("webhook: replay: %w", err)
	}
	wanted := make(map[string]bool, len(w.Events))
	for _, t := range w.Events {
		wanted[t] = true
	}
	if !r.Missed && !r.Failed {
		r.Missed, r.Failed = true, true
	}
	nonce, made := id.New("r_"), 0
	q := store.EventQuery{Since: r.Since, Until: r.Until, WebhookID: webhookID, Limit: replayPage}
	for {
		page, err := s.store.Events(ctx, merchantID, q)
		if err != nil {
			return made, fmt.Errorf("webhook: replay: %w", err)
		}
		var again []string
		for _, e := range page.Events {
			missed := e.Delivered == "" && e.CreatedAt.After(w.PrunedUntil)
			due := r.Missed && missed || r.Failed && e.Delivered == store.DeliveryFailed
			if due && (wanted[e.Type] || wanted[store.EveryType]) {
				again = append(again, e.ID)
			}
		}
		if len(again) > 0 {
			ids, err := s.store.Enqueue(ctx, merchantID, webhookID, again, nonce)
			if err != nil {
				return made, fmt.Errorf("webhook: replay: %w", err)
			}
			for _, deliveryID := range ids {
				if deliveryID != "" {
					made++
				}
			}
		}
		if page.Next == "" {
			return made, nil
		}
		q.Cursor = page.Next
	}
}
