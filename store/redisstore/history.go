package redisstore

import (
	"context"
	"crypto/sha256"
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
	jobCursor      = "j"
	troubleCursor  = "t"
)

func writeCursor(kind string, seq int64) string { return kind + strconv.FormatInt(seq, 36) }

// readCursor returns the number that a cursor names, 0 without a cursor.
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

// letters are what scripts call a status by.
var letters = map[store.DeliveryStatus]string{ //nolint:gochecknoglobals // constant
	store.DeliveryPending: "p", store.DeliverySucceeded: "s", store.DeliveryFailed: "f",
}

func statusOf(letter string) store.DeliveryStatus {
	for status, l := range letters {
		if l == letter {
			return status
		}
	}
	return ""
}

// Event implements [store.History].
func (s *Store) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	h := s.at(merchantID)
	r, err := s.run(ctx, call{name: "event", on: h, keys: []string{h.event(merchantID, eventID)}})
	if err != nil {
		return store.Event{}, named("event", eventID, err)
	}
	e, _, body, ok := unpackEvent(r.text())
	if !ok || e.eventID != eventID {
		return store.Event{}, named("event", eventID, errDamaged)
	}
	out := e.event()
	out.Body = []byte(body)
	return out, r.check("event")
}

// Events implements [store.History]. It looks at a thousand events.
func (s *Store) Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	var page store.EventPage
	after, err := readCursor(eventCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	r, err := s.run(ctx, call{name: "events", on: s.at(merchantID), args: []any{
		merchantID, after, bound(q.Since), bound(q.Until), max(q.Limit, 1), q.WebhookID, q.Type, flag(q.Newest),
	}})
	if err != nil {
		return page, err
	}
	if next := r.int(); next >= 0 {
		page.Next = writeCursor(eventCursor, next)
	}
	for r.more() {
		e, ok := unpackElement(r.text())
		out := e.event()
		out.Delivered = statusOf(r.text())
		if ok {
			page.Events = append(page.Events, out)
		}
	}
	return page, r.check("events")
}

// Delivery implements [store.History].
func (s *Store) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	h := s.at(merchantID)
	n, seq, ok := h.place(deliveryID)
	if !ok {
		return store.Delivery{}, named("delivery", deliveryID, store.ErrNotFound)
	}
	r, err := s.run(ctx, call{name: "delivery", on: h, args: []any{merchantID, webhookID, n, seq}})
	if err != nil {
		return store.Delivery{}, named("delivery", deliveryID, err)
	}
	now := stamp(r.int())
	d, ok := unpackDelivery(r.text(), now)
	if !ok {
		return store.Delivery{}, named("delivery", deliveryID, errDamaged)
	}
	d.ID, d.MerchantID, d.WebhookID = deliveryID, merchantID, webhookID
	return d, r.check("delivery")
}

// Stats implements [store.History].
func (s *Store) Stats(ctx context.Context, merchantID, webhookID string) (store.Stats, error) {
	r, err := s.run(ctx, call{name: "stats", on: s.at(merchantID), args: []any{merchantID, webhookID}})
	if err != nil {
		return store.Stats{}, named("webhook", webhookID, err)
	}
	out := store.Stats{Succeeded: r.int(), Failed: r.int(), Pending: r.int(), Attempts: r.int()}
	out.Total = out.Succeeded + out.Failed + out.Pending
	return out, r.check("stats")
}

// Deliveries implements [store.History]. It looks at a thousand deliveries.
func (s *Store) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	var page store.DeliveryPage
	below, err := readCursor(deliveryCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	h := s.at(merchantID)
	r, err := s.run(ctx, call{name: "deliveries", on: h, args: []any{
		merchantID, webhookID, below, max(q.Limit, 1), letters[q.Status], q.EventType, bound(q.Since), bound(q.Until),
	}})
	if err != nil {
		return page, named("webhook", webhookID, err)
	}
	now, n, next := stamp(r.int()), r.int(), r.int()
	if next > 0 {
		page.Next = writeCursor(deliveryCursor, next)
	}
	for r.more() {
		seq := r.int()
		d, ok := unpackListed(r.text(), now)
		if !ok {
			page.Damaged = append(page.Damaged, h.deliveryID(n, seq))
			continue
		}
		d.ID, d.MerchantID, d.WebhookID = h.deliveryID(n, seq), merchantID, webhookID
		page.Deliveries = append(page.Deliveries, d)
	}
	return page, r.check("deliveries")
}

// Expedite implements [store.History].
func (s *Store) Expedite(ctx context.Context, merchantID, webhookID, deliveryID string) (pending bool, err error) {
	h := s.at(merchantID)
	n, seq, ok := h.place(deliveryID)
	if !ok {
		return false, named("delivery", deliveryID, store.ErrNotFound)
	}
	r, err := s.run(ctx, call{name: "expedite", on: h, args: []any{merchantID, webhookID, n, seq}})
	if err != nil {
		return false, named("delivery", deliveryID, err)
	}
	return r.int() == 1, r.check("expedite")
}

// maxCancelled is how many deliveries one script ends at most.
const maxCancelled = 200

// Cancel implements [store.History]. A step ends 200 deliveries at most.
func (s *Store) Cancel(ctx context.Context, merchantID, webhookID string, c store.CancelRequest) (done store.Cancelled, err error) {
	h := s.at(merchantID)
	steps, err := readSteps(c.Cursor)
	if err != nil {
		return done, err
	}
	var n, seq int64
	if c.DeliveryID != "" {
		var ok bool
		if n, seq, ok = h.place(c.DeliveryID); !ok {
			return done, named("delivery", c.DeliveryID, store.ErrNotFound)
		}
	}
	args := []any{merchantID, webhookID, c.Code, min(max(c.Limit, 1), maxCancelled), n, seq, steps.through, steps.phase, steps.at}
	r, err := s.run(ctx, call{name: "cancel", on: h, args: args})
	if err != nil {
		return done, named("webhook", webhookID, err)
	}
	done.Deliveries = r.number()
	steps = cancelSteps{through: r.int(), phase: r.text(), at: r.text()}
	done.Next = steps.String()
	return done, r.check("cancel")
}

// cancelSteps is how far the steps of a Cancel have come: see lua/cancel.lua.
type cancelSteps struct {
	through   int64
	phase, at string
}

// String writes a cursor, which is empty at the end.
func (s cancelSteps) String() string {
	if s.phase == "" {
		return ""
	}
	return s.phase + s.at + "." + strconv.FormatInt(s.through, 10)
}

func readSteps(cursor string) (s cancelSteps, err error) {
	if cursor == "" {
		return cancelSteps{phase: "q", at: "0"}, nil
	}
	place, through, _ := strings.Cut(cursor, ".")
	s.phase = cursor[:1]
	s.at = strings.TrimPrefix(place, s.phase)
	_, bad := strconv.ParseUint(s.at, 10, 64)
	s.through, err = strconv.ParseInt(through, 10, 64)
	if err != nil || bad != nil || s.through < 1 || s.through > 1<<53 || !strings.Contains("qzh", s.phase) || s.String() != cursor {
		return s, store.ErrCursor
	}
	return s, nil
}

// markBytes is how much of a nonce's digest is kept.
const markBytes = 8

// enqueuedCrowded is what the script says of an event where too many are pending.
const enqueuedCrowded = -2

// Enqueue implements [store.History].
func (s *Store) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	h := s.at(merchantID)
	mark := sha256.Sum256([]byte(nonce))
	out := make([]store.Enqueued, 0, len(eventIDs))
	for first := true; first || len(out) < len(eventIDs); first = false {
		part := eventIDs[len(out):]
		part = part[:min(len(part), batch)]
		c := call{name: "enqueue", on: h, args: []any{merchantID, webhookID, store.MaxEnqueued, max(maxPending, 0), mark[:markBytes], len(part)}}
		for _, e := range part {
			c.keys = append(c.keys, h.event(merchantID, e))
		}
		r, err := s.run(ctx, c)
		if err != nil {
			return nil, err
		}
		n := r.int()
		for range part {
			e := store.Enqueued{}
			switch seq := r.int(); {
			case seq == enqueuedCrowded:
				e.Crowded = true
			case seq < 0:
				e.Full = true
			case seq > 0:
				e.DeliveryID = h.deliveryID(n, seq)
			}
			out = append(out, e)
		}
		if err := r.check("enqueue"); err != nil {
			return nil, err
		}
	}
	return out, nil
}
