package webhook

import (
	"context"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// cancelStep is how many deliveries one call of the store gives up.
	cancelStep = 200
	// maxCancelSteps bounds how many calls one CancelPending makes.
	maxCancelSteps = 1000
)

// CancelDelivery gives a pending delivery up, which may be a test. It ends as failed with
// [CodeCancelled], without an attempt, and counts for nothing; its event can be sent again.
// A try that is under way is not called back: it may still arrive, and its outcome is not
// kept. A delivery that was cancelled before is answered as it is. It fails with [ErrEnded] if
// the delivery has ended in another way, and with [ErrNotFound].
func (s *Service) CancelDelivery(ctx context.Context, merchantID, webhookID, deliveryID string) (Delivery, error) {
	if err := checkIDs(merchantID, webhookID, deliveryID); err != nil {
		return Delivery{}, err
	}
	done, err := s.store.Cancel(ctx, merchantID, webhookID, store.CancelRequest{DeliveryID: deliveryID, Code: string(CodeCancelled), Limit: 1})
	if err != nil {
		return Delivery{}, fmt.Errorf("webhook: cancel: %w", err)
	}
	d, err := s.look(ctx, merchantID, webhookID, deliveryID)
	if err == nil && done.Deliveries == 0 && d.Code != CodeCancelled {
		err = fmt.Errorf("webhook: cancel: %w", ErrEnded)
	}
	if err != nil {
		return Delivery{}, err
	}
	return d, nil
}

// CancelPending gives up all deliveries of a webhook that are pending, as CancelDelivery
// does one, but no tests and nothing that is published meanwhile. What is tried while it
// works may be left pending. It fails with [ErrNotFound]; after any error, it tells how many
// it has given up so far, and can be called again.
func (s *Service) CancelPending(ctx context.Context, merchantID, webhookID string) (Cancelled, error) {
	var done Cancelled
	if err := checkIDs(merchantID, webhookID); err != nil {
		return done, err
	}
	c := store.CancelRequest{Code: string(CodeCancelled), Limit: cancelStep}
	for range maxCancelSteps {
		step, err := s.store.Cancel(ctx, merchantID, webhookID, c)
		if err != nil {
			return done, fmt.Errorf("webhook: cancel: %w", err)
		}
		done.Deliveries += step.Deliveries
		if step.Next == "" {
			return done, nil
		}
		c.Cursor = step.Next
	}
	done.More = true
	return done, nil
}
