package storetest

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Backlog implements [store.Backlogs].
func (m *model) Backlog(context.Context) (store.Backlog, error) {
	defer m.hold()()
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
			out.OldestDue = max(out.OldestDue, m.now.Sub(m.turnAt(d)))
		}
	}
	out.OldestDue = out.OldestDue.Truncate(time.Millisecond)
	return out, nil
}
