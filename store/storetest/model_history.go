package storetest

import (
	"context"
	"fmt"
	"slices"
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

// Event implements [store.History].
func (m *model) Event(_ context.Context, merchantID, eventID string) (store.Event, error) {
	defer m.lock()()
	e := m.event(merchantID, eventID)
	if e == nil {
		return store.Event{}, store.ErrNotFound
	}
	return e.Event, nil
}

// Events implements [store.History].
func (m *model) Events(_ context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	defer m.lock()()
	all := slices.DeleteFunc(slices.Clone(m.events), func(e *modelEvent) bool { // oldest first
		return e.merchantID != merchantID || e.Test || !within(e.CreatedAt, q.Since, q.Until) || q.Type != "" && q.Type != e.Type
	})
	place := func(e *modelEvent) string { return fmt.Sprintf("e%09d", e.number) }
	if q.Newest {
		slices.Reverse(all)
		place = func(e *modelEvent) string { return fmt.Sprintf("e%09d", 1e9-1-e.number) }
	}
	list, next, err := page(all, "e", q.Cursor, q.Limit, place)
	return store.EventPage{Next: next, Events: pick(list, func(e *modelEvent) store.Event {
		shown := e.Event
		shown.Body = nil
		for _, d := range m.deliveries { // the youngest is the last
			if d.MerchantID == merchantID && d.WebhookID == q.WebhookID && d.EventID == e.ID {
				shown.Delivered = d.Status
			}
		}
		return shown
	})}, err
}

// EventDeliveries implements [store.History].
func (m *model) EventDeliveries(_ context.Context, merchantID, eventID string) (out store.EventDeliveries, err error) {
	defer m.lock()()
	e := m.event(merchantID, eventID)
	if e == nil {
		return out, store.ErrNotFound
	}
	for _, d := range e.deliveries {
		if m.webhookOf(d) != nil {
			out.Published = append(out.Published, store.PublishedDelivery{WebhookID: d.WebhookID, ID: d.ID})
		}
	}
	for _, d := range m.deliveries {
		if d.MerchantID == merchantID && d.EventID == eventID {
			shown := m.view(d)
			shown.Log = nil
			out.Deliveries = append(out.Deliveries, shown)
		}
	}
	return out, nil
}

// Delivery implements [store.History].
func (m *model) Delivery(_ context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	defer m.lock()()
	d := m.delivery(merchantID, webhookID, deliveryID)
	if d == nil {
		return store.Delivery{}, store.ErrNotFound
	}
	return m.view(d), nil
}

// Deliveries implements [store.History].
func (m *model) Deliveries(_ context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	defer m.lock()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return store.DeliveryPage{}, store.ErrNotFound
	}
	all := slices.DeleteFunc(slices.Clone(m.deliveries), func(d *modelDelivery) bool {
		return !d.of(w) || !within(d.CreatedAt, q.Since, q.Until) ||
			q.Status != "" && q.Status != d.Status || q.EventType != "" && q.EventType != d.EventType
	})
	slices.Reverse(all) // newest first
	list, next, err := page(all, "d", q.Cursor, q.Limit, func(d *modelDelivery) string { return fmt.Sprintf("d%09d", 1e9-1-d.number) })
	return store.DeliveryPage{Next: next, Deliveries: pick(list, func(d *modelDelivery) store.Delivery {
		shown := m.view(d)
		shown.Log = nil
		return shown
	})}, err
}

// Stats implements [store.History].
func (m *model) Stats(_ context.Context, merchantID, webhookID string) (store.Stats, error) {
	defer m.lock()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return store.Stats{}, store.ErrNotFound
	}
	with := func(status store.DeliveryStatus) int64 {
		return int64(count(m.deliveries, func(d *modelDelivery) bool { return d.of(w) && d.Status == status }))
	}
	s := store.Stats{Succeeded: with(store.DeliverySucceeded), Failed: with(store.DeliveryFailed), Pending: with(store.DeliveryPending)}
	s.Total = s.Succeeded + s.Failed + s.Pending
	for _, d := range m.deliveries {
		if d.of(w) {
			s.Attempts += int64(d.Attempts)
		}
	}
	return s, nil
}

// Prune implements [store.Queue].
func (m *model) Prune(_ context.Context, p store.PruneRequest) (store.Pruned, error) {
	defer m.change()()
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
	d := find(m.deliveries, func(d *modelDelivery) bool { return m.pausedOut(d, p) })
	if d != nil {
		return func(done *store.Pruned) { m.endPaused(d, p.PausedCode); done.Paused++ }
	}
	d = find(m.deliveries, func(d *modelDelivery) bool {
		return !d.pending() && (m.olderThan(d.FinishedAt, p.DeliveryAge) || m.surplus(d, p.DeliveriesPerWebhook))
	})
	if d != nil {
		return func(done *store.Pruned) { m.outlived(d); done.Deliveries++ }
	}
	e := find(m.events, func(e *modelEvent) bool { return m.olderThan(e.CreatedAt, p.EventAge) && !m.wanted(e) })
	if e != nil {
		return func(done *store.Pruned) { m.events = without(m.events, e); done.Events++ }
	}
	n := find(m.notices, func(n *modelNotice) bool { return m.olderThan(n.At, p.NoticeAge) })
	if n != nil {
		return func(done *store.Pruned) { m.notices = without(m.notices, n); done.Notices++ }
	}
	j := find(m.jobs, func(j *modelJob) bool { return !j.open() && m.olderThan(j.EndedAt, p.JobAge) })
	if j != nil {
		return func(done *store.Pruned) { m.jobs = without(m.jobs, j); done.Jobs++ }
	}
	return nil
}

func (m *model) pausedOut(d *modelDelivery, p store.PruneRequest) bool {
	return d.pending() && !d.Test && !m.leased(d) &&
		m.webhookOf(d).Status == store.Disabled && m.olderThan(d.CreatedAt, p.PausedAge)
}

func (m *model) endPaused(d *modelDelivery, why string) {
	d.Status, d.Code, d.FinishedAt, d.paused = store.DeliveryFailed, why, m.now, true
	d.leaseEnd = time.Time{}
	d.settled = true
}

// surplus says that at least limit ended deliveries of d's webhook were made after d.
func (m *model) surplus(d *modelDelivery, limit int) bool {
	return limit > 0 && limit <= count(m.deliveries, func(o *modelDelivery) bool {
		return o.MerchantID == d.MerchantID && o.WebhookID == d.WebhookID && !o.pending() && o.number > d.number
	})
}

// wanted says that a delivery still has to carry e.
func (m *model) wanted(e *modelEvent) bool {
	return slices.ContainsFunc(m.deliveries, func(d *modelDelivery) bool {
		return d.MerchantID == e.merchantID && d.EventID == e.ID && d.pending()
	})
}

// outlived forgets a delivery that retention no longer keeps.
func (m *model) outlived(d *modelDelivery) {
	w := m.webhookOf(d)
	if !d.Test && d.CreatedAt.After(w.PrunedUntil) {
		w.PrunedUntil = d.CreatedAt
	}
	m.deliveries = without(m.deliveries, d)
}

// Backlog implements [store.Backlogs].
func (m *model) Backlog(context.Context) (store.Backlog, error) {
	defer m.lock()()
	var out store.Backlog
	at := m.claimableAt(m.perWebhook)
	for _, d := range m.deliveries {
		if d.Status != store.DeliveryPending {
			continue
		}
		out.Pending++
		if !d.leaseEnd.IsZero() { // Whoever's lease it was.
			out.OldestDue = max(out.OldestDue, m.now.Sub(d.leaseEnd))
		} else if t, ok := at[d]; ok && m.over(t) {
			out.OldestDue = max(out.OldestDue, m.now.Sub(t))
		}
	}
	out.OldestDue = out.OldestDue.Truncate(time.Millisecond)
	return out, nil
}
