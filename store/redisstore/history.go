package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// The first letter of a cursor says what it goes through.
const (
	deliveryCursor = "d"
	eventCursor    = "e"
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
	h, err := s.at(ctx, merchantID)
	if err != nil {
		return store.Event{}, err
	}
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
	h, err := s.at(ctx, merchantID)
	if err != nil {
		return page, err
	}
	after, err := readCursor(eventCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	var last int64
	for after >= 0 {
		r, err := s.run(ctx, call{name: "events", on: h, args: []any{
			merchantID, after, bound(q.Since), bound(q.Until), min(q.Limit+1-len(page.Events), batch), q.WebhookID,
		}})
		if err != nil {
			return page, err
		}
		after = r.int()
		for r.more() {
			seq, id, packed, state := r.int(), r.text(), r.text(), r.int()
			head, err := readHead(packed)
			if err != nil {
				return page, named("event", id, err)
			}
			if len(page.Events) == q.Limit {
				page.Next = writeCursor(eventCursor, last)
				return page, nil
			}
			e := head.view(id)
			e.Delivered = status(state)
			page.Events = append(page.Events, e)
			last = seq
		}
		if err := r.check("events"); err != nil {
			return page, err
		}
	}
	return page, nil
}

// Delivery implements [store.History].
func (s *Store) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	h, err := s.at(ctx, merchantID)
	if err != nil {
		return store.Delivery{}, err
	}
	id, ok := packID(deliveryID)
	if !ok {
		return store.Delivery{}, named("delivery", deliveryID, store.ErrNotFound)
	}
	r, err := s.run(ctx, call{name: "delivery", on: h, args: []any{merchantID, webhookID, id}})
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
	h, err := s.at(ctx, merchantID)
	if err != nil {
		return out, err
	}
	w := walk{s: s, on: h, merchantID: merchantID, webhookID: webhookID}
	if err := w.step(ctx); err != nil {
		return out, err
	}
	return w.stats, nil
}

// Deliveries implements [store.History]. A query without filters or by status
// alone looks at the deliveries of the page; another one at each delivery of the
// webhook, a thousand a call, so that its Total need not be of one moment.
func (s *Store) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	h, err := s.at(ctx, merchantID)
	if err != nil {
		return store.DeliveryPage{}, err
	}
	below, err := readCursor(deliveryCursor, q.Cursor)
	if err != nil {
		return store.DeliveryPage{}, err
	}
	w := walk{
		s: s, on: h, merchantID: merchantID, webhookID: webhookID, query: q, below: below,
		skip: max(q.Offset, 0), show: max(q.Limit, 1) + 1,
		count: q.EventType != "" || !q.Since.IsZero() || !q.Until.IsZero(),
	}
	if below > 0 {
		w.skip = 0
		if !w.count {
			w.from = below
		}
	}
	for more := true; more; more = w.from > 0 {
		if err := w.step(ctx); err != nil {
			return store.DeliveryPage{}, err
		}
	}
	return w.page(), nil
}

// walk goes through the deliveries of a webhook.
type walk struct {
	s                     *Store
	on                    shard
	merchantID, webhookID string
	query                 store.DeliveryQuery

	from, below int64
	skip, show  int
	count       bool
	matched     int
	stats       store.Stats
	seqs        []int64
	found       []store.Delivery
}

func (w *walk) step(ctx context.Context) error {
	state := ""
	switch w.query.Status {
	case store.DeliveryPending:
		state = strconv.Itoa(statePending)
	case store.DeliverySucceeded:
		state = strconv.Itoa(stateSuccess)
	case store.DeliveryFailed:
		state = strconv.Itoa(stateFailed)
	}
	r, err := w.s.run(ctx, call{name: "deliveries", on: w.on, args: []any{
		w.merchantID, w.webhookID, w.from, w.below, w.skip, w.show, flag(w.count),
		state, w.query.EventType, bound(w.query.Since), bound(w.query.Until),
	}})
	if err != nil {
		return named("webhook", w.webhookID, err)
	}
	now := r.int()
	w.stats = store.Stats{Total: r.int(), Succeeded: r.int(), Failed: r.int(), Attempts: r.int()}
	w.stats.Pending = w.stats.Total - w.stats.Succeeded - w.stats.Failed
	w.from = r.int()
	w.matched += r.number()
	w.skip -= r.number()
	for r.more() {
		id, packed := unpackID(r.text()), r.text()
		d, err := readRecord(packed)
		if err != nil {
			return named("delivery", id, err)
		}
		w.seqs = append(w.seqs, d.seq)
		w.found = append(w.found, d.view(w.merchantID, w.webhookID, id, now))
		w.show--
	}
	if w.show <= 0 && !w.count {
		w.from = 0
	}
	return r.check("deliveries")
}

func (w *walk) page() store.DeliveryPage {
	p := store.DeliveryPage{Deliveries: w.found, Total: w.matched}
	if !w.count {
		switch w.query.Status {
		case store.DeliveryPending:
			p.Total = int(w.stats.Pending)
		case store.DeliverySucceeded:
			p.Total = int(w.stats.Succeeded)
		case store.DeliveryFailed:
			p.Total = int(w.stats.Failed)
		default:
			p.Total = int(w.stats.Total)
		}
	}
	if limit := max(w.query.Limit, 1); len(p.Deliveries) > limit {
		p.Deliveries = p.Deliveries[:limit]
		p.Next = writeCursor(deliveryCursor, w.seqs[limit-1])
	}
	return p
}
