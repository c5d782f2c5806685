package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// EventQuery selects a page of events.
type EventQuery struct {
	ID    string    // empty: any; else that event alone, which may be a test
	Type  string    // empty: any
	Since time.Time // CreatedAt not before; zero: any
	Until time.Time // CreatedAt before; zero: any

	Limit  int    // 1 to 1000
	Cursor string // from a page's Next
}

// EventPage is a page of events, newest first.
type EventPage struct {
	Events []EventRecord

	// Next continues after this page, empty at the end. A page that looked at very many
	// events to find few has fewer than Limit, and a Next.
	Next string
}

// EventDetail is an event with what became of it at each of the merchant's webhooks. Of
// one that the store cannot read, it has the ID and what is kept of deliveries.
type EventDetail struct {
	EventRecord

	Text     string          // as [Explanation].Text
	Message  words.Message   // Text for those who say it in words of their own
	Payload  json.RawMessage // as in [DeliveryDetail]; nil if the store cannot read it, too
	Sent     event.Shaped    // as in [DeliveryDetail]
	Verdicts []Verdict       // one for each webhook of now, oldest first; of a test, one

	// Deliveries are those of all webhooks that are kept, oldest first, with the first 200
	// characters of each answer.
	Deliveries []Delivery
	Damaged    []string // ids of deliveries that the store cannot read
}

// Events lists what was published, newest first. Tests are not listed. It fails with
// [ErrInvalid] if the query is not valid.
func (s *Service) Events(ctx context.Context, merchantID string, q EventQuery) (EventPage, error) {
	if err := checkMerchant(merchantID); err != nil {
		return EventPage{}, err
	}
	var bad faults
	if q.Limit < 1 || q.Limit > MaxPage {
		bad.add("limit", FaultWrong, "must be between 1 and %d", MaxPage)
	}
	if !q.Until.IsZero() && !q.Since.Before(q.Until) {
		bad.add("until", FaultWrong, "must be after since")
	}
	if q.ID != "" && q.Cursor != "" {
		bad.add("cursor", FaultWrong, "cannot be used together with id")
	}
	if err := invalidIf(bad); err != nil {
		return EventPage{}, err
	}
	if q.ID != "" {
		return s.oneEvent(ctx, merchantID, q)
	}
	page := EventPage{Next: q.Cursor}
	for range maxSteps {
		got, err := s.store.Events(ctx, merchantID, store.EventQuery{
			Newest: true, Type: q.Type, Since: q.Since, Until: q.Until, Limit: q.Limit - len(page.Events), Cursor: page.Next,
		})
		if errors.Is(err, store.ErrCursor) {
			return EventPage{}, invalid("cursor", "is not one that this API gave out")
		}
		if err != nil {
			return EventPage{}, fmt.Errorf("webhook: list events: %w", err)
		}
		for _, e := range got.Events {
			page.Events = append(page.Events, newEventRecord(e))
		}
		if page.Next = got.Next; page.Next == "" || len(page.Events) == q.Limit {
			break
		}
	}
	return page, nil
}

// oneEvent is the page of a query that names an event. A damaged one is on it with nothing
// but its ID.
func (s *Service) oneEvent(ctx context.Context, merchantID string, q EventQuery) (EventPage, error) {
	var page EventPage
	if !id.Valid(q.ID) {
		return page, nil // None has it.
	}
	e, err := s.store.Event(ctx, merchantID, q.ID)
	damaged := errors.Is(err, store.ErrDamaged)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return page, nil
	case err != nil && !damaged:
		return page, fmt.Errorf("webhook: list events: %w", err)
	}
	e.ID = q.ID
	if damaged || (q.Type == "" || q.Type == e.Type) && !e.CreatedAt.Before(q.Since) && (q.Until.IsZero() || e.CreatedAt.Before(q.Until)) {
		page.Events = []EventRecord{newEventRecord(e)}
	}
	return page, nil
}

func newEventRecord(e store.Event) EventRecord {
	return EventRecord{ID: e.ID, Type: e.Type, Test: e.Test, CreatedAt: e.CreatedAt}
}

// Event returns one event with its deliveries over all webhooks, and says of each webhook
// what became of it: see [Service.Why]. It fails with [ErrNotFound] if the merchant never
// published it, or it is not kept any more.
func (s *Service) Event(ctx context.Context, merchantID, eventID string) (EventDetail, error) {
	if err := checkIDs(merchantID, eventID); err != nil {
		return EventDetail{}, err
	}
	e, err := s.store.Event(ctx, merchantID, eventID)
	damaged := errors.Is(err, store.ErrDamaged)
	if err != nil && !damaged {
		return EventDetail{}, fmt.Errorf("webhook: read event: %w", err)
	}
	fate, err := s.store.EventDeliveries(ctx, merchantID, eventID)
	if err != nil && (!damaged || !errors.Is(err, store.ErrDamaged)) {
		return EventDetail{}, fmt.Errorf("webhook: read event: %w", err)
	}
	out := EventDetail{EventRecord: newEventRecord(e), Damaged: fate.Damaged}
	out.ID = eventID
	out.Sent, out.Payload = opened(e.Body)
	for i := range fate.Deliveries {
		out.Deliveries = append(out.Deliveries, listed(&fate.Deliveries[i]))
	}
	slices.SortStableFunc(out.Deliveries, func(a, b Delivery) int { return a.CreatedAt.Compare(b.CreatedAt) })
	if out.Verdicts, err = s.verdicts(ctx, merchantID, out.EventRecord, fate, out.Deliveries); err != nil {
		return EventDetail{}, err
	}
	out.Message = out.message()
	out.Text = out.Message.String()
	return out, nil
}

// Explanation answers why a merchant did or did not get an event.
type Explanation struct {
	Event EventRecord // only the ID if it is not known
	Known bool
	Text  string

	Message words.Message // Text for those who say it in words of their own

	Verdicts []Verdict // one for each webhook of now, oldest first
}

// Why says what became of an event at each of the merchant's webhooks. An event that is
// not known was never published by this merchant, or is older than what is kept: Text says
// how far back that goes. All of it is read from the store as it is now.
func (s *Service) Why(ctx context.Context, merchantID, eventID string) (Explanation, error) {
	d, err := s.Event(ctx, merchantID, eventID)
	if errors.Is(err, ErrNotFound) {
		return s.unknownEvent(ctx, merchantID, eventID)
	}
	if err != nil {
		return Explanation{}, err
	}
	return Explanation{Event: d.EventRecord, Known: true, Text: d.Text, Message: d.Message, Verdicts: d.Verdicts}, nil
}

func (d *EventDetail) message() words.Message {
	switch {
	case d.Type == "":
		return say("The store cannot read this event. Its record is damaged, and was set aside.")
	case d.Test && len(d.Verdicts) == 0:
		return say("%s was sent at %s, to a webhook that was deleted since.", d.Type, clock(d.CreatedAt))
	case d.Test:
		return say("%s was sent at %s, to one webhook.", d.Type, clock(d.CreatedAt))
	case len(d.Verdicts) == 0:
		return say("%s was published at %s. The {tenant} has no webhook.", d.Type, clock(d.CreatedAt))
	}
	return say("%s was published at %s.", d.Type, clock(d.CreatedAt))
}

func (s *Service) unknownEvent(ctx context.Context, merchantID, eventID string) (Explanation, error) {
	out := Explanation{
		Event:   EventRecord{ID: eventID},
		Message: say("This {tenant} has no event with this id. The {tenant} never published it, or it is not known any more: no event of the {tenant} is kept."),
	}
	oldest, err := s.store.Events(ctx, merchantID, store.EventQuery{Limit: 1})
	if err != nil {
		return Explanation{}, fmt.Errorf("webhook: explain event: %w", err)
	}
	if len(oldest.Events) > 0 {
		out.Message = say("This {tenant} has no event with this id. The {tenant} never published it, or it is not known any more: "+
			"older than %s, when the oldest event that is kept was published.", clock(oldest.Events[0].CreatedAt))
	}
	out.Text = out.Message.String()
	return out, nil
}
