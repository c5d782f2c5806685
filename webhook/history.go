package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
)

// listedBody is how many characters of an answer a list shows.
const listedBody = 200

// listed is a delivery as a list shows it. Its texts are copies: a store may have cut them
// from whole records, which are not to be kept while the list is written.
func listed(d *store.Delivery) Delivery {
	out := newDelivery(d)
	n := 0
	for i := range out.ResponseBody {
		if n == listedBody {
			out.ResponseBody = out.ResponseBody[:i]
			break
		}
		n++
	}
	out.EventID, out.EventType = strings.Clone(out.EventID), strings.Clone(out.EventType)
	out.Code, out.ResponseBody = Code(strings.Clone(string(out.Code))), strings.Clone(out.ResponseBody)
	return out
}

// Deliveries lists a webhook's deliveries, newest first. Of each answer, it has the first
// 200 characters: see [Service.Delivery] for all that is kept.
func (s *Service) Deliveries(ctx context.Context, merchantID, webhookID string, q DeliveryQuery) (DeliveryPage, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return DeliveryPage{}, err
	}
	var bad faults
	if q.Limit < 1 || q.Limit > MaxPage {
		bad.add("limit", FaultWrong, "must be between 1 and %d", MaxPage)
	}
	if q.Offset < 0 || q.Offset > MaxOffset {
		bad.add("offset", FaultWrong, "must be between 0 and %d", MaxOffset)
	}
	if q.Offset > 0 && q.Cursor != "" {
		bad.add("offset", FaultWrong, "cannot be used together with cursor")
	}
	switch q.Status {
	case "", DeliveryPending, DeliverySucceeded, DeliveryFailed:
	default:
		bad.add("status", FaultWrong, `must be "pending", "success" or "failed"`)
	}
	if err := invalidIf(bad); err != nil {
		return DeliveryPage{}, err
	}
	if q.EventID != "" {
		return s.eventDeliveries(ctx, merchantID, webhookID, q)
	}
	page := DeliveryPage{Next: q.Cursor}
	in := store.DeliveryQuery{Status: store.DeliveryStatus(q.Status), EventType: q.EventType, Since: q.Since, Until: q.Until}
	for steps, skips := 0, 0; steps < maxSteps; {
		in.Limit, in.Cursor = min(q.Offset+q.Limit-len(page.Deliveries), deliveriesStep), page.Next
		got, err := s.store.Deliveries(ctx, merchantID, webhookID, in)
		if errors.Is(err, store.ErrCursor) {
			return DeliveryPage{}, invalid("cursor", "is not one that this API gave out")
		}
		if err != nil {
			return DeliveryPage{}, fmt.Errorf("webhook: list deliveries: %w", err)
		}
		if q.Offset == 0 {
			steps++
		} else if skips++; skips == maxSkips { // What is left out is left out whole, or not at all.
			return DeliveryPage{}, invalid("offset", "leads too far; go on from page to page with cursor")
		}
		skipped := min(q.Offset, len(got.Deliveries))
		q.Offset -= skipped
		for i := range got.Deliveries[skipped:] {
			page.Deliveries = append(page.Deliveries, listed(&got.Deliveries[skipped+i]))
		}
		page.Damaged = append(page.Damaged, got.Damaged...)
		page.Next = got.Next
		if page.Next == "" || len(page.Deliveries) == q.Limit {
			break
		}
	}
	return page, nil
}

// eventDeliveries lists the deliveries of one event to one webhook, newest first. They are
// few, so all of them are one page.
func (s *Service) eventDeliveries(ctx context.Context, merchantID, webhookID string, q DeliveryQuery) (DeliveryPage, error) {
	if _, err := s.store.Webhook(ctx, merchantID, webhookID); err != nil && !errors.Is(err, store.ErrDamaged) {
		return DeliveryPage{}, fmt.Errorf("webhook: list deliveries: %w", err)
	}
	fate, err := s.store.EventDeliveries(ctx, merchantID, q.EventID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return DeliveryPage{}, fmt.Errorf("webhook: list deliveries: %w", err)
	}
	var page DeliveryPage
	for _, p := range fate.Published {
		if p.WebhookID == webhookID && slices.Contains(fate.Damaged, p.ID) {
			page.Damaged = append(page.Damaged, p.ID)
		}
	}
	for i := range fate.Deliveries {
		d := listed(&fate.Deliveries[i])
		switch {
		case d.WebhookID != webhookID, q.Status != "" && q.Status != d.Status, q.EventType != "" && q.EventType != d.EventType:
		case d.CreatedAt.Before(q.Since), !q.Until.IsZero() && !d.CreatedAt.Before(q.Until):
		default:
			page.Deliveries = append(page.Deliveries, d)
		}
	}
	slices.SortStableFunc(page.Deliveries, func(a, b Delivery) int { return b.CreatedAt.Compare(a.CreatedAt) })
	page.Deliveries = page.Deliveries[min(q.Offset, len(page.Deliveries)):]
	page.Deliveries = page.Deliveries[:min(q.Limit, len(page.Deliveries))]
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
	return Stats(st), nil
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
	out := DeliveryDetail{Delivery: newDelivery(&d)}
	for i := range out.Log {
		out.Log[i].Exchange = s.openExchange(&d, d.Log[i].Exchange)
	}
	if d.EventID == "" { // The store has lost it.
		return out, nil
	}
	e, err := s.store.Event(ctx, merchantID, d.EventID)
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
		return DeliveryDetail{}, fmt.Errorf("webhook: read event: %w", err)
	}
	out.Sent, out.Payload = opened(e.Body)
	return out, nil
}

// Redeliver sends the event of a delivery to the same webhook again. One that has ended
// gets a new delivery beside it. One that is pending is brought forward instead, so that
// its next try is due now and counts as usual, and is answered itself: its ID is
// deliveryID. While a try is under way, nothing changes. While the webhook is disabled, the
// delivery waits. It fails with [ErrNotFound] if the delivery is not there, or its event
// any more, with [ErrFull] if the event was sent again too often, and with [ErrCrowded] if
// too many deliveries of the webhook are pending. A test cannot be sent again.
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
	pending, err := s.store.Expedite(ctx, merchantID, webhookID, deliveryID)
	if err != nil {
		return Delivery{}, fmt.Errorf("webhook: redeliver: %w", err)
	}
	if pending {
		return s.look(ctx, merchantID, webhookID, deliveryID)
	}
	made, err := s.store.Enqueue(ctx, merchantID, webhookID, []string{d.EventID}, once.ID(ctx, "r_"), s.limits.Pending)
	switch {
	case err == nil && len(made) != 1:
		err = errAnswers
	case err == nil && made[0].Full:
		err = ErrFull
	case err == nil && made[0].Crowded:
		err = ErrCrowded
	case err == nil && made[0].DeliveryID == "":
		err = fmt.Errorf("event: %w", ErrNotFound)
	}
	if err != nil {
		return Delivery{}, fmt.Errorf("webhook: redeliver: %w", err)
	}
	return s.look(ctx, merchantID, webhookID, made[0].DeliveryID)
}

const (
	// deliveriesStep is how many deliveries are read in one step, which nobody else of a
	// store's shard can act in.
	deliveriesStep = 200
	// maxSteps bounds how often one list asks the store for what a filter lets through.
	maxSteps = 32
	// maxSkips bounds how often it does so to leave out what an offset says.
	maxSkips = 256
)
