package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/rag-assistant/webhooks/store"
)

// breath is after how many deliveries a long Publish lets other calls in.
const breath = 500

// Publish implements [store.Queue].
func (s *Store) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	for _, e := range events {
		if e.Test != "" && s.webhook(merchantID, e.Test) == nil && !s.published(merchantID, e.ID) {
			return nil, fmt.Errorf("test event: %w", noWebhook(e.Test))
		}
	}
	out := make([]store.Published, len(events))
	made := 0
	for i := range events {
		if made >= breath {
			s.unlock()
			s.mu.Lock()
			now, made = s.now(), 0
		}
		if out[i], err = s.publish(merchantID, &events[i], now); err != nil {
			return nil, err
		}
		made += len(out[i].Deliveries)
	}
	return out, nil
}

func (s *Store) published(merchantID, eventID string) bool {
	m := s.merchants[merchantID]
	return m != nil && m.events.find(eventID) != nil
}

func (s *Store) publish(merchantID string, n *store.NewEvent, now int64) (store.Published, error) {
	m := s.merchant(merchantID)
	if old := m.events.find(n.ID); old != nil {
		if old.fingerprint != n.Fingerprint {
			return store.Published{Conflict: true}, nil
		}
		ids := make([]string, len(old.first))
		for i, id := range old.first {
			ids[i] = id.String()
		}
		return store.Published{Deliveries: ids, Duplicate: true}, nil
	}
	var to []*webhook
	if n.Test == "" {
		to = m.fanOut(n.Type)
	} else if w := m.webhooks[n.Test]; w != nil {
		to = []*webhook{w}
	} else { // Deleted while the batch let others in.
		s.leave(m)
		return store.Published{}, fmt.Errorf("test event: %w", noWebhook(n.Test))
	}
	e := &event{
		owner: m, id: n.ID, kind: n.Type, test: n.Test != "", fingerprint: n.Fingerprint,
		trace: n.Trace, body: slices.Clip(bytes.Clone(n.Body)), seq: s.next(), created: now,
		first: make([]deliveryID, len(to)),
	}
	m.events.add(e)
	if !e.test {
		m.log.append(e)
	}
	ids := make([]string, len(to))
	for i, w := range to {
		ids[i] = store.DeliveryID(m.id, e.id, w.ID, "")
		e.first[i] = s.deliver(w, e, ids[i], now)
	}
	if e.pending == 0 {
		s.idle.set(e, e.born())
	}
	return store.Published{Deliveries: ids}, nil
}

// fanOut merges the subscribers of one type and of every type, by id. The result
// is not to be changed.
func (m *merchant) fanOut(kind string) []*webhook {
	a, b := m.subscribers[kind], m.subscribers[store.EveryType]
	if len(a) == 0 || kind == store.EveryType {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]*webhook, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			a = a[1:]
		case a[0].ID < b[0].ID:
			out, a = append(out, a[0]), a[1:]
		default:
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// deliver makes a delivery, due now. If the webhook still has one with this id,
// then from an earlier life of the event: it ended, and gives way.
func (s *Store) deliver(w *webhook, e *event, name string, now int64) deliveryID {
	id, _ := parseID(name)
	d := &delivery{id: id, webhook: w, event: e, seq: s.next(), created: now}
	if old := w.deliveries[id]; old != nil {
		s.remove(old)
		d.token = old.token // What held the old one must not fit the new.
	}
	w.deliveries[id] = d
	w.log.append(d)
	w.stats.Total++
	w.stats.Pending++
	s.waiting++
	e.adopt(d)
	if e.pending++; e.pending == 1 {
		s.idle.remove(e)
	}
	s.queue(d, now, now)
	s.offer(w)
	return id
}

// Enqueue implements [store.Queue].
func (s *Store) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	w := s.webhook(merchantID, webhookID)
	if w == nil {
		return nil, noWebhook(webhookID)
	}
	out := make([]string, len(eventIDs))
	for i, eventID := range eventIDs {
		e := w.owner.events.find(eventID)
		if e == nil {
			continue
		}
		out[i] = store.DeliveryID(merchantID, eventID, webhookID, nonce)
		if w.find(out[i]) == nil {
			s.deliver(w, e, out[i], now)
		}
	}
	return out, nil
}

// settleEvent counts one delivery less that the event waits for.
func (s *Store) settleEvent(e *event) {
	s.waiting--
	if e.pending--; e.pending == 0 {
		s.idle.set(e, e.born())
	}
}
