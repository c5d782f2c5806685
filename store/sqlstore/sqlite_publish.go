package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/rag-assistant/webhooks/store"
)

// subscriber is a webhook that an event goes to.
type subscriber struct {
	wh  int64
	wid string
}

// publish stores events. It does all but a test of nobody, and says if there was one.
func (w *writing) publish(ctx context.Context, events []newEvent) (out []store.Published, nobody, err error) {
	out = make([]store.Published, len(events))
	for i, e := range events {
		p, found, err := w.publishOne(ctx, e)
		if err != nil {
			return nil, nil, err
		}
		if out[i] = p; !found {
			nobody = errNobody
		}
	}
	return out, nobody, nil
}

func (w *writing) publishOne(ctx context.Context, e newEvent) (out store.Published, found bool, err error) {
	to, err := w.subscribers(ctx, e)
	if err != nil {
		return out, false, err
	}
	to, missed, err := w.withRoom(ctx, to, e)
	if err != nil {
		return out, false, err
	}
	if e.Test == "" || len(to) > 0 {
		id, err := w.newID(ctx)
		if err != nil {
			return out, false, err
		}
		n, err := w.s.exec(ctx, w, "event_insert", id, encode(e.merchantID), encode(e.ID), encode(e.Type), encode(e.Fingerprint), encode(e.Trace),
			e.Test != "", e.Forged, fan(to), append([]byte{}, e.Body...))
		if err != nil {
			return out, false, err
		}
		if n > 0 {
			out.Missed = missed
			out.Deliveries, err = w.fanOut(ctx, id, e.Test != "", to)
			return out, true, err
		}
	}
	return w.known(ctx, e)
}

// known answers for an event that was published before, if it was.
func (w *writing) known(ctx context.Context, e newEvent) (out store.Published, found bool, err error) {
	var id int64
	var same, list string
	found, err = w.s.one(ctx, w, "event_known", func(r scan) error { return r(&id, &same, &list) }, encode(e.merchantID), encode(e.ID))
	if err != nil || !found {
		return out, false, err
	}
	if decode(same) != e.Fingerprint {
		return store.Published{Conflict: true}, true, nil
	}
	out.Duplicate = true
	err = w.s.each(ctx, w, "event_fan", func(r scan) error {
		var to subscriber
		err := r(&to.wh, &to.wid)
		out.Deliveries = append(out.Deliveries, w.published(to, id))
		return err
	}, list)
	return out, true, err
}

func (w *writing) published(to subscriber, id int64) store.PublishedDelivery {
	return store.PublishedDelivery{WebhookID: decode(to.wid), ID: w.s.deliveryID(place{to.wh, id})}
}

// subscribers lists the webhooks that an event goes to.
func (w *writing) subscribers(ctx context.Context, e newEvent) ([]subscriber, error) {
	if e.Test != "" {
		to := subscriber{wid: encode(e.Test)}
		found, err := w.s.one(ctx, w, "webhook_place", func(r scan) error { return r(&to.wh) }, encode(e.merchantID), to.wid)
		if err != nil || !found {
			return nil, err
		}
		return []subscriber{to}, nil
	}
	key := [2]string{e.merchantID, e.Type}
	if list, ok := w.subs[key]; ok {
		return list, nil
	}
	var list []subscriber
	err := w.s.each(ctx, w, "subscribers", func(r scan) error {
		var to subscriber
		err := r(&to.wh, &to.wid)
		list = append(list, to)
		return err
	}, encode(e.merchantID), writeList(store.Patterns(e.Type)))
	w.subs[key] = list
	return list, err
}

// withRoom lists those that an event may make wait, and the ids of the others.
func (w *writing) withRoom(ctx context.Context, all []subscriber, e newEvent) (to []subscriber, missed []string, err error) {
	if e.MaxPending <= 0 || e.Test != "" {
		return all, nil, nil
	}
	for _, t := range all {
		l, err := w.line(ctx, t.wh)
		if err != nil {
			return nil, nil, err
		}
		if l != nil && l.pending >= int64(e.MaxPending) {
			missed = append(missed, decode(t.wid))
		} else {
			to = append(to, t)
		}
	}
	return to, missed, nil
}

// fan writes the webhooks of an event as it keeps them.
func fan(to []subscriber) string {
	whs := make([]int64, len(to))
	for i, t := range to {
		whs[i] = t.wh
	}
	return marshal(whs)
}

// fanOut makes the deliveries of an event.
func (w *writing) fanOut(ctx context.Context, id int64, test bool, to []subscriber) ([]store.PublishedDelivery, error) {
	out := make([]store.PublishedDelivery, len(to))
	for i, t := range to {
		if err := w.deliver(ctx, place{t.wh, id}, id, test); err != nil {
			return nil, err
		}
		out[i] = w.published(t, id)
	}
	return out, nil
}

// deliver makes a delivery, due now.
func (w *writing) deliver(ctx context.Context, at place, event int64, test bool) error {
	l, err := w.line(ctx, at.wh)
	if err == nil && l == nil {
		err = errors.New("sqlstore: a webhook has no row in ready")
	}
	if err != nil {
		return err
	}
	l.pending++
	l.added(w.now, w.now, test)
	_, err = w.s.exec(ctx, w, "queue_insert", at.wh, at.id, event, w.now, test)
	return err
}

// enqueue makes one more delivery of each event, or answers nothing if there is no such
// webhook.
func (w *writing) enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	var wh int64
	found, err := w.s.one(ctx, w, "webhook_place", func(r scan) error { return r(&wh) }, encode(merchantID), encode(webhookID))
	if err != nil || !found {
		return nil, err
	}
	out := make([]store.Enqueued, len(eventIDs))
	for i, id := range eventIDs {
		var event int64
		var test bool
		found, err := w.s.one(ctx, w, "event_place", func(r scan) error { return r(&event, &test) }, encode(merchantID), encode(id))
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		if out[i], err = w.enqueueOne(ctx, wh, event, test, encode(nonce), maxPending); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *writing) enqueueOne(ctx context.Context, wh, event int64, test bool, nonce string, maxPending int) (out store.Enqueued, err error) {
	var made sql.NullInt64
	kept := 0
	if _, err := w.s.one(ctx, w, "again", func(r scan) error { return r(&made, &kept) }, wh, event, nonce); err != nil {
		return out, err
	}
	id := made.Int64
	if !made.Valid {
		if kept >= store.MaxEnqueued {
			return store.Enqueued{Full: true}, nil
		}
		if l, err := w.line(ctx, wh); err != nil || l != nil && maxPending > 0 && l.pending >= int64(maxPending) {
			return store.Enqueued{Crowded: err == nil}, err
		}
		if id, err = w.newID(ctx); err == nil {
			err = w.deliver(ctx, place{wh, id}, event, test)
		}
		if err == nil {
			_, err = w.s.exec(ctx, w, "again_insert", wh, event, nonce, id)
		}
	}
	return store.Enqueued{DeliveryID: w.s.deliveryID(place{wh, id})}, err
}

// publishIn publishes at once: the caller's transaction is the writer.
func (s *sqlite) publishIn(ctx context.Context, tx Tx, events []newEvent) ([]store.Published, error) {
	if _, ok := tx.(*sql.DB); ok {
		return nil, errors.New("sqlstore: publish in a transaction: *sql.DB is none")
	}
	if _, err := tx.ExecContext(ctx, "savepoint webhooks_publish"); err != nil {
		return nil, explain(err)
	}
	w := s.writing(tx)
	out, nobody, err := w.publishInto(ctx, events)
	if err != nil {
		_, e := tx.ExecContext(ctx, "rollback to webhooks_publish")
		err = errors.Join(err, e)
	}
	if _, e := tx.ExecContext(ctx, "release webhooks_publish"); e != nil {
		err = errors.Join(err, explain(e))
	}
	if err == nil {
		err = nobody
	}
	return out, err
}

func (w *writing) publishInto(ctx context.Context, events []newEvent) ([]store.Published, error, error) {
	if _, err := w.s.exec(ctx, w, "begin"); err != nil {
		return nil, nil, err
	}
	w.now = w.s.opts.Now().UnixMilli()
	out, nobody, err := w.publish(ctx, events)
	if err == nil {
		err = w.flush(ctx)
	}
	for i, p := range out {
		out[i] = store.Published{Deferred: !p.Duplicate && !p.Conflict, Duplicate: p.Duplicate, Conflict: p.Conflict}
	}
	return out, nobody, err
}
