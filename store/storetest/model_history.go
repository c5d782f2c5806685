package storetest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// view is a delivery as the caller sees it.
func (m *model) view(d *modelDelivery) store.Delivery {
	out := d.Delivery
	out.Leased = m.leased(d)
	out.Log = slices.Clone(d.Log)
	if out.Leased || out.Status != store.DeliveryPending {
		out.DueAt = time.Time{}
	}
	return out
}

func within(t, since, until time.Time) bool {
	return !t.Before(since) && (until.IsZero() || t.Before(until))
}

// parseCursor reads a cursor of the given kind: the number of the last record
// that was shown, or 0 at the beginning.
func parseCursor(kind, cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(cursor, kind))
	if err != nil || !strings.HasPrefix(cursor, kind) {
		return 0, store.ErrCursor
	}
	return n, nil
}

// Event implements [store.History].
func (m *model) Event(_ context.Context, merchantID, eventID string) (store.Event, error) {
	defer m.hold()()
	e := m.event(merchantID, eventID)
	if e == nil {
		return store.Event{}, store.ErrNotFound
	}
	return e.Event, nil
}

// Events implements [store.History].
func (m *model) Events(_ context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	defer m.hold()()
	after, err := parseCursor("e", q.Cursor)
	if err != nil {
		return store.EventPage{}, err
	}
	var page store.EventPage
	for _, e := range m.events { // in the order of their making
		if e.merchantID != merchantID || e.Test || e.number <= after || !within(e.CreatedAt, q.Since, q.Until) {
			continue
		}
		if len(page.Events) == q.Limit {
			page.Next = "e" + strconv.Itoa(after)
			break
		}
		shown := e.Event
		shown.Body = nil
		for _, d := range m.deliveries { // the youngest is the last
			if d.MerchantID == merchantID && d.WebhookID == q.WebhookID && d.EventID == e.ID {
				shown.Delivered = d.Status
			}
		}
		page.Events = append(page.Events, shown)
		after = e.number
	}
	return page, nil
}

// Delivery implements [store.History].
func (m *model) Delivery(_ context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	defer m.hold()()
	d := m.delivery(merchantID, webhookID, deliveryID)
	if d == nil {
		return store.Delivery{}, store.ErrNotFound
	}
	return m.view(d), nil
}

// Deliveries implements [store.History].
func (m *model) Deliveries(_ context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	defer m.hold()()
	if m.webhook(merchantID, webhookID) == nil {
		return store.DeliveryPage{}, store.ErrNotFound
	}
	before, err := parseCursor("d", q.Cursor)
	if err != nil {
		return store.DeliveryPage{}, err
	}
	var page store.DeliveryPage
	var rest []*modelDelivery
	for _, d := range slices.Backward(m.deliveries) { // newest first
		if d.MerchantID != merchantID || d.WebhookID != webhookID || !within(d.CreatedAt, q.Since, q.Until) ||
			q.Status != "" && q.Status != d.Status || q.EventType != "" && q.EventType != d.EventType {
			continue
		}
		page.Total++
		if before == 0 || d.number < before {
			rest = append(rest, d)
		}
	}
	if before == 0 {
		rest = rest[min(q.Offset, len(rest)):]
	}
	for _, d := range cut(rest, 0, q.Limit) {
		shown := m.view(d)
		shown.Log = nil
		page.Deliveries = append(page.Deliveries, shown)
		if len(page.Deliveries) < len(rest) {
			page.Next = "d" + strconv.Itoa(d.number)
		} else {
			page.Next = ""
		}
	}
	return page, nil
}

// Stats implements [store.History].
func (m *model) Stats(_ context.Context, merchantID, webhookID string) (store.Stats, error) {
	defer m.hold()()
	if m.webhook(merchantID, webhookID) == nil {
		return store.Stats{}, store.ErrNotFound
	}
	var s store.Stats
	for _, d := range m.deliveries {
		if d.MerchantID != merchantID || d.WebhookID != webhookID {
			continue
		}
		s.Total++
		s.Attempts += int64(d.Attempts)
		switch d.Status {
		case store.DeliverySucceeded:
			s.Succeeded++
		case store.DeliveryFailed:
			s.Failed++
		case store.DeliveryPending:
			s.Pending++
		}
	}
	return s, nil
}

// Prune implements [store.History].
func (m *model) Prune(_ context.Context, p store.PruneRequest) (store.Pruned, error) {
	defer m.hold()()
	var done store.Pruned
	for n := 0; ; n++ {
		step := m.prunable(p)
		if step == nil {
			return done, nil
		}
		if n == p.Limit {
			done.More = true
			return done, nil
		}
		step(&done)
	}
}

// prunable returns a step that removes one record and counts it, or nil if
// retention keeps everything.
func (m *model) prunable(p store.PruneRequest) func(*store.Pruned) {
	for _, d := range m.deliveries {
		if m.pausedOut(d, p) {
			return func(done *store.Pruned) {
				m.endPaused(d, p.PausedError)
				done.Paused++
			}
		}
	}
	for _, d := range m.deliveries {
		if d.Status != store.DeliveryPending && (m.olderThan(d.FinishedAt, p.DeliveryAge) || m.surplus(d, p.DeliveriesPerWebhook)) {
			return func(done *store.Pruned) {
				m.outlived(d)
				done.Deliveries++
			}
		}
	}
	for _, e := range m.events {
		if m.olderThan(e.CreatedAt, p.EventAge) && !m.wanted(e) {
			return func(done *store.Pruned) {
				m.events = slices.DeleteFunc(m.events, func(o *modelEvent) bool { return o == e })
				done.Events++
			}
		}
	}
	for _, n := range m.notices {
		if m.olderThan(n.At, p.NoticeAge) {
			return func(done *store.Pruned) {
				m.notices = slices.DeleteFunc(m.notices, func(o *modelNotice) bool { return o == n })
				done.Notices++
			}
		}
	}
	return nil
}

func (m *model) pausedOut(d *modelDelivery, p store.PruneRequest) bool {
	return d.Status == store.DeliveryPending && !d.Test && !m.leased(d) &&
		m.webhook(d.MerchantID, d.WebhookID).Status == store.Disabled && m.olderThan(d.CreatedAt, p.PausedAge)
}

func (m *model) endPaused(d *modelDelivery, why string) {
	d.Status, d.Error, d.FinishedAt, d.paused = store.DeliveryFailed, why, m.now, true
	d.leaseEnd = time.Time{}
	d.settled = append(d.settled, d.token)
}

// surplus says that at least limit deliveries of d's webhook ended after d.
func (m *model) surplus(d *modelDelivery, limit int) bool {
	later := 0
	for _, o := range m.deliveries {
		if o.MerchantID == d.MerchantID && o.WebhookID == d.WebhookID && o.Status != store.DeliveryPending &&
			cmp.Or(o.FinishedAt.Compare(d.FinishedAt), cmp.Compare(o.number, d.number)) > 0 {
			later++
		}
	}
	return limit > 0 && later >= limit
}

// wanted says that a delivery still has to carry e.
func (m *model) wanted(e *modelEvent) bool {
	return slices.ContainsFunc(m.deliveries, func(d *modelDelivery) bool {
		return d.MerchantID == e.merchantID && d.EventID == e.ID && d.Status == store.DeliveryPending
	})
}

// outlived forgets a delivery that retention no longer keeps.
func (m *model) outlived(d *modelDelivery) {
	w := m.webhook(d.MerchantID, d.WebhookID)
	if !d.Test && d.CreatedAt.After(w.PrunedUntil) {
		w.PrunedUntil = d.CreatedAt
	}
	m.forget(d)
}

func (m *model) forget(d *modelDelivery) {
	m.deliveries = slices.DeleteFunc(m.deliveries, func(o *modelDelivery) bool { return o == d })
}
