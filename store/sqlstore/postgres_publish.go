package sqlstore

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/rag-assistant/webhooks/store"
)

// row is what publish_1 reads of an event.
type row struct {
	Merchant    string          `json:"m"`
	Event       string          `json:"e"`
	Type        string          `json:"t"`
	Patterns    json.RawMessage `json:"p"`
	Fingerprint string          `json:"fp"`
	Trace       string          `json:"trace"`
	Test        string          `json:"test"`
	Forged      bool            `json:"forged"`
	Most        int             `json:"most"`
	At          int             `json:"at"`
	Size        int             `json:"size"`
}

// What publish_1 and intake_1 say of an event.
const (
	stateNew      = "new"
	stateOld      = "old"
	stateConflict = "conflict"
	stateNobody   = "nobody"
)

// write writes events as the arguments of publish_1 and intake_1.
func write(events []newEvent) (rows string, bodies []byte) {
	list := make([]row, len(events))
	bodies = []byte{} // Nil would be null.
	for i, e := range events {
		list[i] = row{
			Merchant: encode(e.merchantID), Event: encode(e.ID), Type: encode(e.Type), Patterns: json.RawMessage(writeList(store.Patterns(e.Type))), Fingerprint: encode(e.Fingerprint), Trace: encode(e.Trace),
			Test: encode(e.Test), Forged: e.Forged, Most: max(e.MaxPending, 0), At: len(bodies) + 1, Size: len(e.Body),
		}
		bodies = append(bodies, e.Body...)
	}
	return marshal(list), bodies
}

// foldEach is after how many calls one looks for pokes that nobody has folded, because nobody
// claims: the bound of what is pending counts them one by one.
const foldEach = 256

// publishNow publishes events in one transaction. The answers are in their order.
func (s *postgres) publishNow(ctx context.Context, events []newEvent) (out []store.Published, err error) {
	err = insist(ctx, func() error {
		out, err = s.publishOnce(ctx, events)
		return err
	})
	if err == nil && s.calls.Add(1)%foldEach == 0 {
		s.fold(ctx)
	}
	return out, err
}

// fold counts what old pokes tell. If it fails, a later call does it.
func (s *postgres) fold(ctx context.Context) {
	const some, rounds = 2000, 20
	for n, i := some, 0; n == some && i < rounds; i++ {
		if err := s.call(ctx, "fold", func(r scan) error { return r(&n) }, s.now(), some); err != nil {
			return
		}
	}
}

func (s *postgres) publishOnce(ctx context.Context, events []newEvent) ([]store.Published, error) {
	rows, bodies := write(events)
	out := make([]store.Published, 0, len(events))
	var nobody error
	err := s.each(ctx, s.db, "publish", func(r scan) error {
		var at int
		var state string
		var id *int64
		var webhooks, missed *string
		if err := r(&at, &state, &id, &webhooks, &missed); err != nil {
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
		if missed != nil && err == nil {
			p.Missed, err = readList(*missed)
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
func (s *postgres) published(id int64, webhooks string) ([]store.PublishedDelivery, error) {
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

func (s *postgres) enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) (out []store.Enqueued, err error) {
	err = insist(ctx, func() error {
		out = nil
		return s.enqueueOnce(ctx, &out, merchantID, webhookID, eventIDs, nonce, maxPending)
	})
	return out, err
}

func (s *postgres) enqueueOnce(
	ctx context.Context, out *[]store.Enqueued, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int,
) error {
	return s.each(ctx, s.db, "enqueue", func(r scan) error {
		var wh int64
		var id *int64
		var e store.Enqueued
		err := r(&wh, &id, &e.Full, &e.Crowded)
		if id != nil {
			e.DeliveryID = s.deliveryID(place{wh, *id})
		}
		*out = append(*out, e)
		return err
	}, s.now(), encode(merchantID), encode(webhookID), writeList(eventIDs), encode(nonce), store.MaxEnqueued, maxPending)
}
