package redisstore

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// The first letter of a cursor says what it goes through.
const (
	deliveryCursor = "d"
	eventCursor    = "e"
	webhookCursor  = "w"
	merchantCursor = "m"
)

func writeCursor(kind string, seq int64) string { return kind + strconv.FormatInt(seq, 36) }

// readCursor returns the sequence that a cursor names, 0 without a cursor.
func readCursor(kind, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(cursor[1:], 36, 64)
	if err != nil || seq < 1 || seq > 1<<53 || writeCursor(kind, seq) != cursor {
		return 0, store.ErrCursor
	}
	return seq, nil
}

// writePlace makes a cursor of a record's place in a list that is sorted by text.
func writePlace(kind, place string) string {
	return kind + base64.RawURLEncoding.EncodeToString([]byte(place))
}

// readPlace returns the place that a cursor names, empty without a cursor.
func readPlace(kind, cursor string) (string, error) {
	place, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(cursor, kind))
	if err != nil || cursor != "" && writePlace(kind, string(place)) != cursor {
		return "", store.ErrCursor
	}
	return string(place), nil
}

// bound writes a bound of a query in milliseconds. Records have whole ones, so a
// bound within a millisecond is as good as the next.
func bound(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return strconv.FormatInt(ms, 10)
}

// Event implements [store.History].
func (s *Store) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	h := s.at(merchantID)
	r, err := s.run(ctx, call{name: "event", on: h, keys: []string{h.event(merchantID, eventID)}})
	if err != nil {
		return store.Event{}, named("event", eventID, err)
	}
	head, body := r.text(), r.text()
	if err := r.check("event"); err != nil {
		return store.Event{}, err
	}
	e, err := readHead(head)
	if err != nil {
		return store.Event{}, named("event", eventID, err)
	}
	out := e.view(eventID)
	out.Body = []byte(body)
	return out, nil
}

// Events implements [store.History]. A range of time skips a hundred events at a
// time outside of it.
func (s *Store) Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	var page store.EventPage
	after, err := readCursor(eventCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	r, err := s.run(ctx, call{name: "events", on: s.at(merchantID), args: []any{
		merchantID, after, bound(q.Since), bound(q.Until), max(q.Limit, 1), q.WebhookID,
	}})
	if err != nil {
		return page, err
	}
	if next := r.int(); next >= 0 {
		page.Next = writeCursor(eventCursor, next)
	}
	for r.more() {
		id, packed, state := r.text(), r.text(), r.int()
		head, err := readHead(packed)
		if err != nil {
			return page, named("event", id, err)
		}
		e := head.view(id)
		e.Delivered = status(state)
		page.Events = append(page.Events, e)
	}
	return page, r.check("events")
}

// Delivery implements [store.History].
func (s *Store) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	id, ok := packID(deliveryID)
	if !ok {
		return store.Delivery{}, named("delivery", deliveryID, store.ErrNotFound)
	}
	r, err := s.run(ctx, call{name: "delivery", on: s.at(merchantID), args: []any{merchantID, webhookID, id}})
	if err != nil {
		return store.Delivery{}, named("delivery", deliveryID, err)
	}
	now, packed := r.int(), r.text()
	if err := r.check("delivery"); err != nil {
		return store.Delivery{}, err
	}
	d, err := readRecord(packed)
	if err != nil {
		return store.Delivery{}, named("delivery", deliveryID, err)
	}
	out := d.view(merchantID, webhookID, deliveryID, now)
	out.Log = d.log
	return out, nil
}

// Stats implements [store.History].
func (s *Store) Stats(ctx context.Context, merchantID, webhookID string) (store.Stats, error) {
	var out store.Stats
	r, err := s.run(ctx, call{name: "stats", on: s.at(merchantID), args: []any{merchantID, webhookID}})
	if err != nil {
		return out, named("webhook", webhookID, err)
	}
	out = store.Stats{Total: r.int(), Succeeded: r.int(), Failed: r.int(), Attempts: r.int()}
	out.Pending = out.Total - out.Succeeded - out.Failed
	return out, r.check("stats")
}

// Deliveries implements [store.History]. It looks at some thousand deliveries.
func (s *Store) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	var page store.DeliveryPage
	below, err := readCursor(deliveryCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	state := ""
	if q.Status != "" {
		state = strconv.Itoa(slices.Index(statuses(), q.Status))
	}
	r, err := s.run(ctx, call{name: "deliveries", on: s.at(merchantID), args: []any{
		merchantID, webhookID, below, min(max(q.Limit, 1), 10*batch), state, q.EventType, bound(q.Since), bound(q.Until),
	}})
	if err != nil {
		return page, named("webhook", webhookID, err)
	}
	now, next := r.int(), r.int()
	if next > 0 {
		page.Next = writeCursor(deliveryCursor, next)
	}
	for r.more() {
		id, packed := unpackID(r.text()), r.text()
		d, err := readRecord(packed)
		if err != nil {
			return page, named("delivery", id, err)
		}
		page.Deliveries = append(page.Deliveries, d.view(merchantID, webhookID, id, now))
	}
	return page, r.check("deliveries")
}

// Enqueue implements [store.History].
func (s *Store) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string) ([]store.Enqueued, error) {
	h := s.at(merchantID)
	out := make([]store.Enqueued, 0, len(eventIDs))
	for first := true; first || len(out) < len(eventIDs); first = false {
		part := eventIDs[len(out):]
		part = part[:min(len(part), batch)]
		c := call{name: "enqueue", on: h, args: []any{merchantID, webhookID, nonce, store.MaxEnqueued, len(part)}}
		for _, e := range part {
			c.keys = append(c.keys, h.event(merchantID, e))
			c.args = append(c.args, e)
		}
		r, err := s.run(ctx, c)
		if err != nil {
			return nil, err
		}
		for range part {
			v := r.next()
			if id, ok := v.(string); ok {
				out = append(out, store.Enqueued{DeliveryID: unpackID(id)})
			} else {
				out = append(out, store.Enqueued{Full: v == int64(1)})
			}
		}
		if err := r.check("enqueue"); err != nil {
			return nil, err
		}
	}
	return out, nil
}
