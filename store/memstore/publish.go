package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/rag-assistant/webhooks/store"
)

// Publish implements [store.Publisher].
func (s *Store) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	m := s.merchant(merchantID)
	defer s.leave(m)
	out := make([]store.Published, len(events))
	for i := range events {
		n := &events[i]
		e := m.events[n.ID]
		switch {
		case e != nil && e.fingerprint != n.Fingerprint:
			out[i].Conflict = true
			continue
		case e != nil:
			out[i].Duplicate = true
		case n.Test != "" && m.webhooks[n.Test] == nil:
			return nil, fmt.Errorf("memstore: publish test event %s: %w", n.ID, noWebhook(n.Test))
		default:
			e, out[i].Missed = s.publish(m, n, now)
		}
		out[i].Deliveries = make([]store.PublishedDelivery, len(e.first))
		for j, p := range e.first {
			out[i].Deliveries[j] = store.PublishedDelivery{WebhookID: p.webhook.ID, ID: p.webhook.deliveries.id(p.number)}
		}
	}
	return out, nil
}

// publish stores an event that is new, with its deliveries. It returns it, and who missed it.
func (s *Store) publish(m *merchant, n *store.NewEvent, now int64) (e *event, missed []string) {
	e = &event{
		owner: m, id: n.ID, kind: n.Type, test: n.Test != "", forged: n.Forged, body: slices.Clip(bytes.Clone(n.Body)),
		fingerprint: n.Fingerprint, trace: n.Trace, created: now,
	}
	m.events[e.id] = e
	to := m.subscribed(e.kind)
	if e.test {
		to = []*webhook{m.webhooks[n.Test]}
	} else {
		e.number = m.log.add(e)
	}
	e.first = make([]published, 0, len(to))
	for _, w := range to {
		if !e.test && w.crowded(n.MaxPending) {
			missed = append(missed, w.ID)
			continue
		}
		e.first = append(e.first, published{w, s.deliver(w, e, now).number})
	}
	if len(e.first) == 0 {
		s.idle.set(e, e.key())
	}
	return e, missed
}

// crowded says that w has as many pending deliveries as it may have; 0 is no bound.
func (w *webhook) crowded(maxPending int) bool {
	return maxPending > 0 && w.stats.Pending >= int64(maxPending)
}

// subscribed lists the active webhooks that an event of that type goes to.
func (m *merchant) subscribed(kind string) (to []*webhook) {
	for _, pattern := range store.Patterns(kind) {
		to = append(to, m.subscribers[pattern]...)
	}
	return to
}

// deliver makes a delivery, due now.
func (s *Store) deliver(w *webhook, e *event, now int64) *delivery {
	d := &delivery{webhook: w, event: e, created: now}
	d.number = w.deliveries.add(d)
	w.stats.Total++
	w.stats.Pending++
	s.waiting++
	if e.pending++; e.pending == 1 {
		s.idle.remove(e)
	}
	s.wait(d, now)
	s.rekey(w, now)
	return d
}

// settle counts one delivery less that has not ended, of an event and of all.
func (s *Store) settle(e *event) {
	s.waiting--
	if e.pending--; e.pending == 0 {
		s.idle.set(e, e.key())
	}
}

// Expedite implements [store.History].
func (s *Store) Expedite(ctx context.Context, merchantID, webhookID, deliveryID string) (pending bool, err error) {
	w, now, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return false, err
	}
	defer s.unlock()
	d := w.find(deliveryID)
	if d == nil {
		return false, noDelivery(deliveryID)
	}
	if d.phase == waiting && d.at > now {
		s.unwait(d)
		s.wait(d, now)
		s.rekey(w, now)
	}
	return d.pending(), nil
}

// Enqueue implements [store.History].
func (s *Store) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	w, now, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	out := make([]store.Enqueued, len(eventIDs))
	for i, id := range eventIDs {
		e := w.owner.events[id]
		if e == nil {
			continue
		}
		made := w.enqueued[e]
		if j := slices.IndexFunc(made, func(m enqueued) bool { return m.nonce == nonce }); j >= 0 {
			out[i].DeliveryID = made[j].delivery.id()
		} else if len(made) >= store.MaxEnqueued {
			out[i].Full = true
		} else if w.crowded(maxPending) {
			out[i].Crowded = true
		} else {
			d := s.deliver(w, e, now)
			w.enqueued[e] = append(made, enqueued{nonce, d})
			out[i].DeliveryID = d.id()
		}
	}
	return out, nil
}
