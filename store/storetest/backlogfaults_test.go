package storetest

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func (f *faulty) Backlog(ctx context.Context) (store.Backlog, error) {
	if f.backlog != nil {
		return f.backlog(f.model)
	}
	return f.model.Backlog(ctx)
}

func backlogFaults() []fault {
	// pending counts another kind of deliveries.
	pending := func(counts func(m *model, d *modelDelivery) bool) faulty {
		return faulty{backlog: func(m *model) (store.Backlog, error) {
			b, err := m.Backlog(background)
			b.Pending = 0
			for _, d := range m.deliveries {
				if counts(m, d) {
					b.Pending++
				}
			}
			return b, err
		}}
	}
	waits := func(d *modelDelivery) bool { return d.Status == store.DeliveryPending }
	// oldest finds another delivery due longest.
	oldest := func(since func(m *model, d *modelDelivery) (time.Time, bool)) faulty {
		return faulty{backlog: func(m *model) (store.Backlog, error) {
			b, err := m.Backlog(background)
			b.OldestDue = 0
			for _, d := range m.deliveries {
				if t, ok := since(m, d); ok && waits(d) {
					b.OldestDue = max(b.OldestDue, m.now.Sub(t))
				}
			}
			return b, err
		}}
	}
	leases := 0
	return []fault{
		{"pending counts all", "backlog/pending", true, pending(func(*model, *modelDelivery) bool { return true })},
		{"pending counts no leased ones", "backlog/pending", true, pending(func(m *model, d *modelDelivery) bool { return waits(d) && !m.leased(d) })},
		{"pending counts no tests", "backlog/pending", true, pending(func(_ *model, d *modelDelivery) bool { return waits(d) && !d.Test })},
		{"pending counts no later ones", "backlog/pending", true, pending(func(m *model, d *modelDelivery) bool { return waits(d) && m.over(d.DueAt) })},
		{"pending of one merchant", "backlog/pending, of many merchants", true, pending(func(m *model, d *modelDelivery) bool {
			return waits(d) && d.MerchantID == m.deliveries[0].MerchantID
		})},
		{"repetitions are pending too", "backlog/pending, published in a batch with repetitions", false, faulty{
			publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
				out, err := m.Publish(background, merchantID, events)
				for _, p := range out {
					if p.Conflict {
						m.deliveries = append(m.deliveries, &modelDelivery{Delivery: store.Delivery{Status: store.DeliveryPending}})
					}
				}
				return out, err
			},
			backlog: func(m *model) (store.Backlog, error) {
				out := store.Backlog{}
				for _, d := range m.deliveries {
					if waits(d) {
						out.Pending++
					}
				}
				return out, nil
			},
		}},
		{"what Prune ended is pending", "backlog/pending, once Prune has ended it", true, pending(func(_ *model, d *modelDelivery) bool { return waits(d) || d.paused })},
		{"deleted ones are pending for ever", "backlog/pending, of a deleted webhook", false, faulty{
			remove: func(m *model, merchantID, webhookID string, ifVersion int64) error {
				for _, d := range m.deliveries {
					if waits(d) && d.WebhookID == webhookID {
						leases++
					}
				}
				return m.DeleteWebhook(background, merchantID, webhookID, ifVersion)
			},
			backlog: func(m *model) (store.Backlog, error) {
				b, err := m.Backlog(background)
				b.Pending += int64(leases)
				return b, err
			},
		}},
		{"age instead of due time", "backlog/due longest", false, oldest(func(m *model, d *modelDelivery) (time.Time, bool) {
			return d.CreatedAt, d.leaseEnd.IsZero() && m.waiting(d) && m.over(d.DueAt)
		})},
		{"due in the future", "backlog/due longest", false, faulty{backlog: func(m *model) (store.Backlog, error) {
			b, err := m.Backlog(background)
			for _, d := range m.deliveries {
				if b.OldestDue == 0 && waits(d) && !m.leased(d) {
					b.OldestDue = m.now.Sub(d.DueAt)
				}
			}
			return b, err
		}}},
		{"due longest of one merchant", "backlog/due longest, of many merchants", false, oldest(func(m *model, d *modelDelivery) (time.Time, bool) {
			return d.DueAt, d.leaseEnd.IsZero() && d.MerchantID == m.deliveries[len(m.deliveries)-1].MerchantID
		})},
		{"leases that ended are not due", "backlog/due longest, a lease that ended", false, oldest(func(m *model, d *modelDelivery) (time.Time, bool) {
			t, ok := m.claimableAt(m.perWebhook)[d]
			return m.turnAt(d), ok && d.leaseEnd.IsZero() && m.over(t)
		})},
		{"disabled webhooks have due ones", "backlog/due longest, kept waiting by its webhook", false, oldest(func(m *model, d *modelDelivery) (time.Time, bool) {
			return d.DueAt, m.webhook(d.MerchantID, d.WebhookID).Status == store.Disabled
		})},
	}
}

func traceFaults() []fault {
	// leased changes the trace of leases.
	leased := func(change func(m *model, l *store.Lease)) faulty {
		return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			for i := range out.Leases {
				change(m, &out.Leases[i])
			}
			return out, err
		}}
	}
	return []fault{
		{"no trace", "trace/with each lease", true, leased(func(_ *model, l *store.Lease) { l.Trace = "" })},
		{"a trace once", "trace/with each lease", true, leased(func(_ *model, l *store.Lease) {
			if l.Token > 1 {
				l.Trace = ""
			}
		})},
		{"the trace of another event", "trace/with each lease", true, leased(func(m *model, l *store.Lease) { l.Trace = m.events[0].trace })},
		{"the trace of the last time", "trace/of the first time", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for _, e := range events {
				m.event(merchantID, e.ID).trace = e.Trace
			}
			return out, err
		}}},
	}
}
