package sqlstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// looks is how many deliveries a page looks at, at least.
const looks = 500

// Event implements [store.History].
func (s *Store) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	var e store.Event
	found, err := s.one(ctx, s.reads, "event", func(r scan) error {
		var id int64
		err := r(&id, &e.ID, &e.Type, &e.Test, &e.Body)
		e.ID, e.Type, e.CreatedAt = decode(e.ID), decode(e.Type), madeAt(id)
		return err
	}, encode(merchantID), encode(eventID))
	if err == nil && !found {
		err = noEvent(eventID)
	}
	if err != nil {
		return store.Event{}, err
	}
	return e, nil
}

// between returns the bounds of the ids that were made in the time of a query.
func between(since, until time.Time) (from, before int64) {
	before = math.MaxInt64
	if !since.IsZero() {
		from = firstID(millis(since))
	}
	if !until.IsZero() {
		before = firstID(millis(until))
	}
	return from, before
}

// Events implements [store.History]. With a type it looks at some hundred events.
func (s *Store) Events(ctx context.Context, merchantID string, q store.EventQuery) (page store.EventPage, err error) {
	from, before := between(q.Since, q.Until)
	if q.Newest {
		var cursor int64
		cursor, err = readCursor(eventCursor, q.Cursor, math.MaxInt64)
		before = min(before, cursor)
	} else {
		var cursor int64
		cursor, err = readCursor(eventCursor, q.Cursor, 0)
		from = max(from, cursor+1)
	}
	if err != nil {
		return page, err
	}
	size := q.Limit + 1
	if q.Type != "" {
		size = max(size, looks)
	}
	var looked int
	var last, shown int64
	err = s.each(ctx, s.reads, "events", func(r scan) error {
		var id *int64
		var eid, kind, delivered *string
		if err := r(&looked, &last, &id, &eid, &kind, &delivered); err != nil || id == nil {
			return err
		}
		shown = *id
		page.Events = append(page.Events, store.Event{
			ID: decode(*eid), Type: decode(*kind), CreatedAt: madeAt(shown), Delivered: store.DeliveryStatus(value(delivered)),
		})
		return nil
	}, encode(merchantID), from, before, size, q.Limit, encode(q.WebhookID), encode(q.Type), q.Newest)
	switch {
	case err != nil:
		return store.EventPage{}, err
	case len(page.Events) == q.Limit && (looked == size || shown != last):
		page.Next = writeNumber(eventCursor, shown)
	case looked == size:
		page.Next = writeNumber(eventCursor, last)
	}
	return page, nil
}

// EventDeliveries implements [store.History]. One that Enqueue made is known by its nonce as long as
// it is kept, so one that is gone before is damaged.
func (s *Store) EventDeliveries(ctx context.Context, merchantID, eventID string) (out store.EventDeliveries, err error) {
	found, err := s.one(ctx, s.reads, "event_deliveries", func(r scan) error {
		var published *bool
		var wid *string
		var wh, id *int64
		var d delivery
		if err := d.scan(r, &published, &wid, &wh, &id); err != nil || id == nil {
			return err
		}
		d.ID, d.MerchantID, d.WebhookID = s.deliveryID(place{*wh, *id}), merchantID, decode(*wid)
		if *published {
			out.Published = append(out.Published, store.PublishedDelivery{WebhookID: d.WebhookID, ID: d.ID})
		}
		switch {
		case d.id == nil && !*published:
			out.Damaged = append(out.Damaged, d.ID)
		case d.id != nil && len(out.Deliveries) < store.MaxEventDeliveries:
			out.Deliveries = append(out.Deliveries, d.Delivery)
		}
		return nil
	}, encode(merchantID), encode(eventID), s.now())
	if err == nil && !found {
		err = noEvent(eventID)
	}
	if err != nil {
		return store.EventDeliveries{}, err
	}
	return out, nil
}

func noEvent(id string) error {
	return fmt.Errorf("sqlstore: find event %s: %w", id, store.ErrNotFound)
}

// delivery reads the columns of the statements delivery, deliveries and event_deliveries.
type delivery struct {
	store.Delivery

	id    *int64
	last  store.Attempt // if there was one
	tried bool
}

func (d *delivery) scan(row scan, before ...any) error {
	var eid, kind, status, code, failure, answer *string
	var test *bool
	var attempts, reclaims, answered *int
	var lease, due, ended, at, took *int64
	var now int64
	err := row(append(before, &d.id, &eid, &kind, &test, &status, &attempts, &reclaims, &lease, &due, &ended, &code,
		&at, &took, &answered, &failure, &answer, &now)...)
	if err != nil || d.id == nil {
		return err
	}
	d.EventID, d.EventType, d.Test, d.Status = decode(*eid), decode(*kind), *test, store.DeliveryStatus(*status)
	d.Attempts, d.Reclaims, d.CreatedAt = *attempts, *reclaims, madeAt(*d.id)
	if at != nil {
		d.tried = true
		d.last = store.Attempt{
			Number: d.Attempts, At: stamp(*at), Duration: time.Duration(value(took)) * time.Millisecond,
			StatusCode: value(answered), Code: decode(value(failure)), ResponseBody: decode(value(answer)),
		}
		d.StatusCode, d.Code, d.ResponseBody, d.LastAttemptAt = d.last.StatusCode, d.last.Code, d.last.ResponseBody, d.last.At
	}
	if code != nil {
		d.Code = decode(*code)
	}
	d.Leased = lease != nil && *lease > now
	switch {
	case ended != nil:
		d.FinishedAt = stamp(*ended)
		if d.Status == store.DeliverySucceeded {
			d.DeliveredAt = d.FinishedAt
		}
	case !d.Leased:
		d.DueAt = stamp(*due)
	}
	return nil
}

// value is what a column holds that is not always there, or its zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Delivery implements [store.History].
func (s *Store) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	w, err := s.read(ctx, s.reads, merchantID, webhookID)
	if err != nil {
		return store.Delivery{}, err
	}
	at := s.placeOf(deliveryID)
	var d delivery
	found := false
	var exchange []byte
	if at.wh == w.wh {
		found, err = s.one(ctx, s.reads, "delivery", func(r scan) error { return d.scan(r, &exchange) }, at.wh, at.id, s.now())
	}
	if err == nil && !found {
		err = fmt.Errorf("sqlstore: find delivery %s: %w", deliveryID, store.ErrNotFound)
	}
	if err != nil {
		return store.Delivery{}, err
	}
	d.ID, d.MerchantID, d.WebhookID = deliveryID, merchantID, webhookID
	err = s.each(ctx, s.reads, "attempts", func(r scan) error {
		var a store.Attempt
		var at, took int64
		var exchange []byte
		err := r(&a.Number, &at, &took, &a.StatusCode, &a.Code, &a.ResponseBody, &exchange)
		a.At, a.Duration = stamp(at), time.Duration(took)*time.Millisecond
		a.Code, a.ResponseBody, a.Exchange = decode(a.Code), decode(a.ResponseBody), string(exchange)
		d.Log = append(d.Log, a)
		return err
	}, at.wh, at.id)
	if d.tried && len(d.Log) < d.Attempts { // The last one of what has ended is kept with it.
		d.last.Exchange = string(exchange)
		d.Log = append(d.Log, d.last)
	}
	return d.Delivery, err
}

// Deliveries implements [store.History]. It looks at some hundred deliveries.
func (s *Store) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (page store.DeliveryPage, err error) {
	from, before := between(q.Since, q.Until)
	cursor, err := readCursor(deliveryCursor, q.Cursor, math.MaxInt64)
	if err != nil {
		return page, err
	}
	w, err := s.read(ctx, s.reads, merchantID, webhookID)
	if err != nil {
		return page, err
	}
	size := max(q.Limit, looks)
	if q.Status == "" && q.EventType == "" {
		size = q.Limit
	}
	var looked int
	var last, shown int64
	err = s.each(ctx, s.reads, "deliveries", func(r scan) error {
		var d delivery
		if err := d.scan(r, &looked, &last); err != nil || d.id == nil {
			return err
		}
		shown = *d.id
		d.ID, d.MerchantID, d.WebhookID = s.deliveryID(place{w.wh, shown}), merchantID, webhookID
		page.Deliveries = append(page.Deliveries, d.Delivery)
		return nil
	}, w.wh, from, min(before, cursor), size, q.Limit, string(q.Status), encode(q.EventType), s.now())
	switch {
	case err != nil:
		return store.DeliveryPage{}, err
	case len(page.Deliveries) == q.Limit && (looked == size || shown != last):
		page.Next = writeNumber(deliveryCursor, shown)
	case looked == size:
		page.Next = writeNumber(deliveryCursor, last)
	}
	return page, nil
}

// Stats implements [store.History].
func (s *Store) Stats(ctx context.Context, merchantID, webhookID string) (out store.Stats, err error) {
	found, err := s.one(ctx, s.reads, "stats", func(r scan) error {
		return r(&out.Pending, &out.Succeeded, &out.Failed, &out.Attempts)
	}, encode(merchantID), encode(webhookID))
	if err == nil && !found {
		err = noWebhook(webhookID)
	}
	out.Total = out.Pending + out.Succeeded + out.Failed
	return out, err
}
