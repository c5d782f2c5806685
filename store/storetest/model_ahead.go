package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Expedite implements [store.History].
func (m *model) Expedite(_ context.Context, merchantID, webhookID, deliveryID string) (bool, error) {
	defer m.change()()
	d := m.delivery(merchantID, webhookID, deliveryID)
	if d == nil {
		return false, store.ErrNotFound
	}
	if d.pending() && d.leaseEnd.IsZero() && d.DueAt.After(m.now) {
		d.DueAt = m.now
	}
	return d.pending(), nil
}

// Cancel implements [store.History].
func (m *model) Cancel(_ context.Context, merchantID, webhookID string, c store.CancelRequest) (done store.Cancelled, err error) {
	defer m.change()()
	w, from, through := m.webhook(merchantID, webhookID), 0, m.made
	if w == nil || c.DeliveryID != "" && m.delivery(merchantID, webhookID, c.DeliveryID) == nil {
		return done, store.ErrNotFound
	}
	if c.Cursor != "" {
		if n, _ := fmt.Sscanf(c.Cursor, "c%d %d", &from, &through); n != 2 {
			return done, store.ErrCursor
		}
	}
	for _, d := range m.deliveries {
		if !d.of(w) || !m.cancels(d, c.DeliveryID) || d.number <= from || d.number > through {
			continue
		}
		if done.Deliveries == c.Limit {
			done.Next = fmt.Sprintf("c%d %d", from, through)
			break
		}
		m.cancel(d, c.Code)
		done.Deliveries, from = done.Deliveries+1, d.number
	}
	return done, nil
}

// cancels says that Cancel ends d, of one or of all deliveries.
func (m *model) cancels(d *modelDelivery, one string) bool {
	return d.pending() && (one == d.ID || one == "" && !d.Test)
}

func (m *model) cancel(d *modelDelivery, why string) {
	d.Status, d.Code, d.FinishedAt, d.gaveUp = store.DeliveryFailed, why, m.now, true
	d.leaseEnd = time.Time{}
	d.token, d.settled = 0, true
}
