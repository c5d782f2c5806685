package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// batch is how many records go in one call of the database. It is less than the 1,024
	// that an id tells apart in one.
	batch = 500
	// batchBytes is how many bytes of bodies do.
	batchBytes = 4 << 20
)

// newEvent is an event of a merchant.
type newEvent struct {
	merchantID string
	*store.NewEvent
}

// row is what publish_1 reads of an event.
type row struct {
	Merchant    string `json:"m"`
	Event       string `json:"e"`
	Type        string `json:"t"`
	Fingerprint string `json:"fp"`
	Trace       string `json:"trace"`
	Test        string `json:"test"`
	Forged      bool   `json:"forged"`
	At          int    `json:"at"`
	Size        int    `json:"size"`
}

// What publish_1 and intake_1 say of an event.
const (
	stateOld      = "old"
	stateConflict = "conflict"
	stateNobody   = "nobody"
)

func newEvents(merchantID string, events []store.NewEvent) []newEvent {
	list := make([]newEvent, len(events))
	for i := range events {
		list[i] = newEvent{merchantID, &events[i]}
	}
	return list
}

// Publish implements [store.Publisher]. Calls of one process share transactions.
func (s *Store) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	list := newEvents(merchantID, events)
	out := make([]store.Published, 0, len(events))
	for len(list) > 0 {
		n := cut(list)
		some, err := s.publish(ctx, list[:n])
		if err != nil {
			return nil, err
		}
		out, list = append(out, some...), list[n:]
	}
	if len(events) > 0 {
		s.watches.wake()
	}
	return out, nil
}

// cut says how many events go in one call.
func cut(list []newEvent) int {
	size := 0
	for i := range list[:min(len(list), batch)] {
		if size += len(list[i].Body); i > 0 && size > batchBytes {
			return i
		}
	}
	return min(len(list), batch)
}

var errNobody = fmt.Errorf("sqlstore: publish a test: no such webhook: %w", store.ErrNotFound)

// write writes events as the arguments of publish_1 and intake_1.
func write(events []newEvent) (rows string, bodies []byte) {
	list := make([]row, len(events))
	for i, e := range events {
		list[i] = row{
			Merchant: encode(e.merchantID), Event: encode(e.ID), Type: encode(e.Type), Fingerprint: encode(e.Fingerprint), Trace: encode(e.Trace),
			Test: encode(e.Test), Forged: e.Forged, At: len(bodies) + 1, Size: len(e.Body),
		}
		bodies = append(bodies, e.Body...)
	}
	return marshal(list), bodies
}

// call publishes events in one transaction. The answers are in their order.
func (s *Store) call(ctx context.Context, events []newEvent) ([]store.Published, error) {
	out, err := s.callOnce(ctx, events)
	for again(err) { // It has done nothing.
		out, err = s.callOnce(ctx, events)
	}
	return out, err
}

func (s *Store) callOnce(ctx context.Context, events []newEvent) ([]store.Published, error) {
	rows, bodies := write(events)
	out := make([]store.Published, 0, len(events))
	var nobody error
	err := s.each(ctx, s.db, "publish", func(r scan) error {
		var at int
		var state string
		var id *int64
		var webhooks *string
		if err := r(&at, &state, &id, &webhooks); err != nil {
			return err
		}
		p := store.Published{Duplicate: state == stateOld, Conflict: state == stateConflict}
		if state == stateNobody {
			nobody = errNobody
		}
		var err error
		if webhooks != nil {
			p.Deliveries, err = s.published(*id, *webhooks)
		}
		out = append(out, p)
		return err
	}, s.now(), rows, bodies)
	if err == nil && len(out) != len(events) {
		err = errors.New("sqlstore: publish: answers are missing")
	}
	return out, errors.Join(err, nobody)
}

// published reads [[wh, wid], …].
func (s *Store) published(id int64, webhooks string) ([]store.PublishedDelivery, error) {
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal([]byte(webhooks), &pairs); err != nil {
		return nil, err
	}
	out := make([]store.PublishedDelivery, len(pairs))
	for i, p := range pairs {
		var wh int64
		var wid string
		if err := errors.Join(json.Unmarshal(p[0], &wh), json.Unmarshal(p[1], &wid)); err != nil {
			return nil, err
		}
		out[i] = store.PublishedDelivery{WebhookID: decode(wid), ID: s.deliveryID(place{wh, id})}
	}
	return out, nil
}

// Enqueue implements [store.History].
func (s *Store) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string) ([]store.Enqueued, error) {
	out := make([]store.Enqueued, 0, len(eventIDs))
	for rest := eventIDs; ; rest = rest[batch:] {
		some := rest[:min(len(rest), batch)]
		n := len(out)
		err := s.each(ctx, s.db, "enqueue", func(r scan) error {
			var wh int64
			var id *int64
			var e store.Enqueued
			if err := r(&wh, &id, &e.Full); err != nil {
				return err
			}
			if id != nil {
				e.DeliveryID = s.deliveryID(place{wh, *id})
			}
			out = append(out, e)
			return nil
		}, s.now(), encode(merchantID), encode(webhookID), writeList(some), encode(nonce), store.MaxEnqueued)
		if err != nil {
			return nil, err
		}
		if len(out) == n && len(some) > 0 {
			return nil, noWebhook(webhookID)
		}
		if len(some) == len(rest) {
			break
		}
	}
	if len(eventIDs) == 0 {
		if _, err := s.Webhook(ctx, merchantID, webhookID); err != nil {
			return nil, err
		}
	}
	s.watches.wake()
	return out, nil
}
