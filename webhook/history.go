package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
)

// listedBody is how many characters of an answer a list shows.
const listedBody = 200

func shorten(body string) string {
	n := 0
	for i := range body {
		if n == listedBody {
			return strings.Clone(body[:i]) // The rest is not kept while the list is written.
		}
		n++
	}
	return body
}

// Deliveries lists a webhook's deliveries, newest first. Of each answer, it has the first
// 200 characters: see [Service.Delivery] for all that is kept.
func (s *Service) Deliveries(ctx context.Context, merchantID, webhookID string, q DeliveryQuery) (DeliveryPage, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return DeliveryPage{}, err
	}
	var bad faults
	if q.Limit < 1 || q.Limit > MaxPage {
		bad.add("limit", FaultWrong, fmt.Sprintf("must be between 1 and %d", MaxPage))
	}
	if q.Offset < 0 || q.Offset > MaxOffset {
		bad.add("offset", FaultWrong, fmt.Sprintf("must be between 0 and %d", MaxOffset))
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
	page := DeliveryPage{Next: q.Cursor}
	in := store.DeliveryQuery{Status: store.DeliveryStatus(q.Status), EventType: q.EventType, Since: q.Since, Until: q.Until}
	for steps, skips := 0, 0; steps < maxSteps; {
		in.Limit, in.Cursor = min(q.Offset+q.Limit-len(page.Deliveries), MaxPage), page.Next
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
			d := newDelivery(&got.Deliveries[skipped+i])
			d.ResponseBody = shorten(d.ResponseBody)
			page.Deliveries = append(page.Deliveries, d)
		}
		page.Next = got.Next
		if page.Next == "" || len(page.Deliveries) == q.Limit {
			break
		}
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
	e, err := s.store.Event(ctx, merchantID, d.EventID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return DeliveryDetail{}, fmt.Errorf("webhook: read event: %w", err)
	}
	return DeliveryDetail{Delivery: newDelivery(&d), Payload: e.Body}, nil
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
	// maxSteps bounds how often one list asks the store for what a filter lets through.
	maxSteps = 32
	// maxSkips bounds how often it does so to leave out what an offset says.
	maxSkips = 256
	// A replay is held in this scope, and taken for dead so long after its last step.
	replays     = "replay|"
	replayLease = time.Minute
	// replayPage is how many events one step of a replay looks at.
	replayPage = 200
)

// Replay makes a new delivery of every event in the range that the webhook
// subscribes to and that missed it since it was registered, or failed. Events whose delivery succeeded or is
// still pending are left alone, so that a replay can be repeated. What it could not
// send is counted: see [Replayed]. One replay of a webhook runs at a time, over all
// processes: another one meanwhile fails with [ErrReplaying].
func (s *Service) Replay(ctx context.Context, merchantID, webhookID string, r Replay) (Replayed, error) {
	var done Replayed
	if err := checkIDs(merchantID, webhookID); err != nil {
		return done, err
	}
	if !r.Until.IsZero() && !r.Since.Before(r.Until) {
		return done, invalid("until", "must be after since")
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return done, fmt.Errorf("webhook: replay: %w", err)
	}
	wanted := make(map[string]bool, len(w.Events))
	for _, t := range w.Events {
		wanted[t] = true
	}
	if !r.Missed && !r.Failed {
		r.Missed, r.Failed = true, true
	}
	nonce := once.ID(ctx, "r_")
	hold := func() error {
		got, err := s.store.BeginSeen(ctx, replays+merchantID, webhookID, store.SeenBegin{Holder: nonce, Lease: replayLease})
		if err == nil && got.State != store.SeenNew {
			err = ErrReplaying
		}
		return err
	}
	if r.DryRun {
		hold = func() error { return nil }
	} else {
		defer func() { _ = s.store.ForgetSeen(context.WithoutCancel(ctx), replays+merchantID, webhookID, nonce) }()
	}
	q := store.EventQuery{Since: r.Since, Until: r.Until, WebhookID: webhookID, Limit: replayPage}
	for {
		if err := hold(); err != nil {
			return done, fmt.Errorf("webhook: replay: %w", err)
		}
		page, err := s.store.Events(ctx, merchantID, q)
		if err != nil {
			return done, fmt.Errorf("webhook: replay: %w", err)
		}
		// Retention may have removed deliveries since the webhook was read, and moves
		// PrunedUntil in the same step.
		if r.Missed && slices.ContainsFunc(page.Events, func(e store.Event) bool { return e.Delivered == "" }) {
			if w, err = s.store.Webhook(ctx, merchantID, webhookID); err != nil {
				return done, fmt.Errorf("webhook: replay: %w", err)
			}
		}
		var again []string
		for _, e := range page.Events {
			switch {
			case !wanted[e.Type] && !wanted[store.EveryType]:
			case e.Delivered == "" && !r.Backfill && e.CreatedAt.Before(w.CreatedAt):
			case r.Failed && e.Delivered == store.DeliveryFailed, r.Missed && e.Delivered == "" && e.CreatedAt.After(w.PrunedUntil):
				again = append(again, e.ID)
			case r.Missed && e.Delivered == "":
				done.LeftOut++
			}
		}
		if r.DryRun {
			done.Deliveries += len(again)
		} else if done.Waiting > 0 {
			done.Waiting += len(again)
		} else if len(again) > 0 {
			answers, err := s.store.Enqueue(ctx, merchantID, webhookID, again, nonce, s.limits.Pending)
			if err == nil && len(answers) != len(again) {
				err = errAnswers
			}
			if err != nil {
				return done, fmt.Errorf("webhook: replay: %w", err)
			}
			for _, a := range answers {
				switch {
				case a.Full:
					done.Full++
				case a.Crowded:
					done.Waiting++
				case a.DeliveryID != "":
					done.Deliveries++
				}
			}
		}
		if page.Next == "" {
			return done, nil
		}
		q.Cursor = page.Next
	}
}
