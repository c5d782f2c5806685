package memstore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// The first letter of a cursor says what it goes through.
const (
	deliveryCursor = "d"
	eventCursor    = "e"
)

// writeCursor names the last record of a page.
func writeCursor(kind string, seq uint64) string { return kind + strconv.FormatUint(seq, 36) }

// readCursor returns the record that a cursor names, or start without a cursor.
func (s *Store) readCursor(kind, cursor string, start uint64) (uint64, error) {
	if cursor == "" {
		return start, nil
	}
	seq, err := strconv.ParseUint(cursor[1:], 36, 64)
	if err != nil || seq > s.seq || writeCursor(kind, seq) != cursor {
		return 0, store.ErrCursor
	}
	return seq, nil
}

// between turns the bounds of a query into milliseconds. Records have whole
// ones, so a bound within a millisecond is as good as the next.
func between(since, until time.Time) span {
	s := always()
	if !since.IsZero() {
		s.since = ceil(since)
	}
	if !until.IsZero() {
		s.until = ceil(until)
	}
	return s
}

func ceil(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// Event implements [store.History].
func (s *Store) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	if _, err := s.lock(ctx); err != nil {
		return store.Event{}, err
	}
	defer s.unlock()
	if !s.published(merchantID, eventID) {
		return store.Event{}, fmt.Errorf("event %s: %w", eventID, store.ErrNotFound)
	}
	e := s.merchants[merchantID].events.find(eventID)
	out := e.view()
	out.Body = e.body
	return out, nil
}

// Events implements [store.History].
func (s *Store) Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	var page store.EventPage
	if _, err := s.lock(ctx); err != nil {
		return page, err
	}
	defer s.unlock()
	from, err := s.readCursor(eventCursor, q.Cursor, 0)
	if err != nil {
		return page, err
	}
	m := s.merchants[merchantID]
	if m == nil {
		return page, nil
	}
	w := m.webhooks[q.WebhookID]
	last, in := from, between(q.Since, q.Until)
	for e := range m.log.oldest(from, in) {
		if !in.has(e.created) {
			continue
		}
		if len(page.Events) >= q.Limit {
			page.Next = writeCursor(eventCursor, last)
			break
		}
		out := e.view()
		if w != nil {
			out.Delivered = e.delivered(w)
		}
		page.Events = append(page.Events, out)
		last = e.seq
	}
	return page, nil
}

// delivered returns the status of the youngest delivery of e to w.
func (e *event) delivered(w *webhook) store.DeliveryStatus {
	for d := e.last; d != nil; d = d.older {
		if d.webhook == w {
			return d.status()
		}
	}
	return ""
}

// Delivery implements [store.History].
func (s *Store) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Delivery{}, err
	}
	defer s.unlock()
	w := s.webhook(merchantID, webhookID)
	if w == nil {
		return store.Delivery{}, noWebhook(webhookID)
	}
	d := w.find(deliveryID)
	if d == nil {
		return store.Delivery{}, fmt.Errorf("delivery %s: %w", deliveryID, store.ErrNotFound)
	}
	out := d.view(now)
	out.Log = slices.Clone(d.log)
	return out, nil
}

// Deliveries implements [store.History]. A query by type or time looks at each
// delivery of the webhook, in that time, to count those that match; one without
// looks at those of the page.
func (s *Store) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	var page store.DeliveryPage
	now, err := s.lock(ctx)
	if err != nil {
		return page, err
	}
	defer s.unlock()
	w := s.webhook(merchantID, webhookID)
	if w == nil {
		return page, noWebhook(webhookID)
	}
	below, err := s.readCursor(deliveryCursor, q.Cursor, math.MaxUint64)
	if err != nil {
		return page, err
	}
	skip := q.Offset
	if q.Cursor != "" {
		skip = 0
	}
	var counted bool
	page.Total, counted = w.count(q)
	from := uint64(math.MaxUint64) // What has to be counted begins above the page.
	if counted {
		from = below
		page.Deliveries = make([]store.Delivery, 0, min(page.Total, max(q.Limit, 0)))
		if q.Status == "" && skip > 0 {
			from, skip = w.log.skip(skip), 0
		}
	}
	in := between(q.Since, q.Until)
	var last uint64
	more := false
	for d := range w.log.newest(from, in) {
		switch {
		case !d.matches(q, in):
			continue
		case d.seq >= below:
		case skip > 0:
			skip--
		case len(page.Deliveries) < q.Limit:
			page.Deliveries = append(page.Deliveries, d.view(now))
			last = d.seq
		default:
			more = true
		}
		if !counted {
			page.Total++
		} else if more {
			break
		}
	}
	if more {
		page.Next = writeCursor(deliveryCursor, last)
	}
	return page, nil
}

func (d *delivery) matches(q store.DeliveryQuery, in span) bool {
	return in.has(d.created) &&
		(q.Status == "" || q.Status == d.status()) &&
		(q.EventType == "" || q.EventType == d.event.kind)
}

// count returns how many deliveries match a query, or false if they have to be
// looked at.
func (w *webhook) count(q store.DeliveryQuery) (int, bool) {
	if q.EventType != "" || !q.Since.IsZero() || !q.Until.IsZero() {
		return 0, false
	}
	n := int64(0)
	switch q.Status {
	case "":
		n = w.stats.Total
	case store.DeliveryPending:
		n = w.stats.Pending
	case store.DeliverySucceeded:
		n = w.stats.Succeeded
	case store.DeliveryFailed:
		n = w.stats.Failed
	}
	return int(n), true
}

// Stats implements [store.History].
func (s *Store) Stats(ctx context.Context, merchantID, webhookID string) (store.Stats, error) {
	if _, err := s.lock(ctx); err != nil {
		return store.Stats{}, err
	}
	defer s.unlock()
	w := s.webhook(merchantID, webhookID)
	if w == nil {
		return store.Stats{}, noWebhook(webhookID)
	}
	return w.stats, nil
}
