package memstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// maxLooks is how many records a list looks at for one page.
const maxLooks = 1000

// look goes through records until limit of them were taken, or it has looked at maxLooks.
// It returns the last one that it has looked at, and whether more follow.
func look[T any](records iter.Seq[T], limit int, take func(T) bool) (last T, more bool) {
	taken, looks := 0, 0
	for r := range records {
		if taken >= limit || looks == maxLooks {
			return last, true
		}
		if take(r) {
			taken++
		}
		looks++
		last = r
	}
	return last, false
}

// within says if a record was made in the time of a query. A zero bound is none.
func within(created int64, since, until time.Time) bool {
	t := stamp(created)
	return !t.Before(since) && (until.IsZero() || t.Before(until))
}

// Event implements [store.History].
func (s *Store) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	if _, err := s.lock(ctx); err != nil {
		return store.Event{}, err
	}
	defer s.unlock()
	if m := s.merchants[merchantID]; m != nil && m.events[eventID] != nil {
		out := m.events[eventID].view()
		out.Body = m.events[eventID].body
		return out, nil
	}
	return store.Event{}, fmt.Errorf("memstore: find event %s: %w", eventID, store.ErrNotFound)
}

// Events implements [store.History].
func (s *Store) Events(ctx context.Context, merchantID string, q store.EventQuery) (page store.EventPage, err error) {
	if _, err := s.lock(ctx); err != nil {
		return page, err
	}
	defer s.unlock()
	m := s.merchant(merchantID)
	defer s.leave(m)
	from := uint64(0)
	if q.Newest {
		from = m.log.last() + 1
	}
	if q.Cursor != "" {
		var ok bool
		if from, ok = m.log.number(q.Cursor); !ok {
			return page, store.ErrCursor
		}
	}
	records := m.log.after(from)
	if q.Newest {
		records = m.log.before(from)
	}
	w := m.webhooks[q.WebhookID]
	last, more := look(records, q.Limit, func(e *event) bool {
		if !within(e.created, q.Since, q.Until) || q.Type != "" && q.Type != e.kind {
			return false
		}
		out := e.view()
		if w != nil {
			if d := e.youngest(w); d != nil {
				out.Delivered = d.status()
			}
		}
		page.Events = append(page.Events, out)
		return true
	})
	if more {
		page.Next = m.log.id(last.number)
	}
	return page, nil
}

// EventDeliveries implements [store.History]. Webhooks come in the order of their age, and
// the deliveries of each in that of their making.
func (s *Store) EventDeliveries(ctx context.Context, merchantID, eventID string) (out store.EventDeliveries, err error) {
	if _, err := s.lock(ctx); err != nil {
		return out, err
	}
	defer s.unlock()
	m := s.merchants[merchantID]
	if m == nil || m.events[eventID] == nil {
		return out, fmt.Errorf("memstore: find event %s: %w", eventID, store.ErrNotFound)
	}
	e := m.events[eventID]
	for _, p := range e.first {
		if m.webhooks[p.webhook.ID] != p.webhook {
			continue
		}
		out.Published = append(out.Published, store.PublishedDelivery{WebhookID: p.webhook.ID, ID: p.webhook.deliveries.id(p.number)})
		if d := p.webhook.deliveries.at(p.number); d != nil {
			out.Deliveries = append(out.Deliveries, d.view())
		}
	}
	for _, w := range m.byAge {
		for _, again := range w.enqueued[e] {
			if len(out.Deliveries) < store.MaxEventDeliveries {
				out.Deliveries = append(out.Deliveries, again.delivery.view())
			}
		}
	}
	return out, nil
}

// Delivery implements [store.History].
func (s *Store) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	w, _, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return store.Delivery{}, err
	}
	defer s.unlock()
	d := w.find(deliveryID)
	if d == nil {
		return store.Delivery{}, noDelivery(deliveryID)
	}
	out := d.view()
	out.Log = slices.Clone(d.log)
	return out, nil
}

// Deliveries implements [store.History]. A cursor is the id of the last delivery that a
// page has looked at.
func (s *Store) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (page store.DeliveryPage, err error) {
	w, _, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return page, err
	}
	defer s.unlock()
	from := w.deliveries.last() + 1
	if q.Cursor != "" {
		var ok bool
		if from, ok = w.deliveries.number(q.Cursor); !ok {
			return page, store.ErrCursor
		}
	}
	last, more := look(w.deliveries.before(from), q.Limit, func(d *delivery) bool {
		if q.Status != "" && q.Status != d.status() || q.EventType != "" && q.EventType != d.event.kind ||
			!within(d.created, q.Since, q.Until) {
			return false
		}
		page.Deliveries = append(page.Deliveries, d.view())
		return true
	})
	if more {
		page.Next = last.id()
	}
	return page, nil
}

// Stats implements [store.History].
func (s *Store) Stats(ctx context.Context, merchantID, webhookID string) (store.Stats, error) {
	w, _, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return store.Stats{}, err
	}
	defer s.unlock()
	return w.stats, nil
}
