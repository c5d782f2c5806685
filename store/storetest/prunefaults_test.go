package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func pruneFaults() []fault {
	// asking prunes by another policy.
	asking := func(change func(p *store.PruneRequest)) faulty {
		return faulty{prune: func(m *model, p store.PruneRequest) (store.Pruned, error) {
			change(&p)
			return m.Prune(background, p)
		}}
	}
	// first prunes after a change.
	first := func(change func(m *model, p store.PruneRequest)) faulty {
		return faulty{prune: func(m *model, p store.PruneRequest) (store.Pruned, error) {
			change(m, p)
			return m.Prune(background, p)
		}}
	}
	// pruned changes the answer.
	pruned := func(change func(m *model, p store.PruneRequest, done *store.Pruned)) faulty {
		return faulty{prune: func(m *model, p store.PruneRequest) (store.Pruned, error) {
			done, err := m.Prune(background, p)
			change(m, p, &done)
			return done, err
		}}
	}
	return []fault{
		{"Prune has bounds of its own", "prune/nothing to do", true, asking(func(p *store.PruneRequest) {
			if p.DeliveryAge == 0 {
				p.DeliveryAge = time.Hour
			}
		})},
		{"the age of a delivery begins at its creation", "prune/delivery age", true, first(func(m *model, p store.PruneRequest) {
			for _, d := range m.deliveries {
				if d.Status != store.DeliveryPending && p.DeliveryAge > 0 && m.olderThan(d.CreatedAt, p.DeliveryAge) {
					d.FinishedAt = d.CreatedAt
				}
			}
		})},
		{"failed deliveries are kept for ever", "prune/delivery age", true, first(func(m *model, p store.PruneRequest) {
			for _, d := range m.deliveries {
				if d.Status == store.DeliveryFailed && p.DeliveryAge > 0 && m.olderThan(d.FinishedAt, p.DeliveryAge) {
					d.FinishedAt = m.now
				}
			}
		})},
		{"stats keep what was pruned", "prune/delivery age", true, faulty{
			prune: func(m *model, p store.PruneRequest) (store.Pruned, error) {
				done, err := m.Prune(background, p)
				m.made += 1e9 * done.Deliveries
				return done, err
			},
			stats: func(m *model, merchantID, webhookID string) (store.Stats, error) {
				s, err := m.Stats(background, merchantID, webhookID)
				if err == nil {
					s.Attempts += int64(m.made / 1e9)
				}
				return s, err
			},
		}},
		{"deliveries per webhook count all", "prune/deliveries per webhook", true, asking(func(p *store.PruneRequest) {
			if p.DeliveriesPerWebhook > 1 {
				p.DeliveriesPerWebhook--
			}
		})},
		{"deliveries per webhook are the youngest", "prune/deliveries per webhook", true, faulty{prune: func(m *model, p store.PruneRequest) (store.Pruned, error) {
			flip := func() {
				for _, d := range m.deliveries {
					if d.Status != store.DeliveryPending {
						d.FinishedAt = m.now.Add(m.now.Sub(d.FinishedAt))
					}
				}
			}
			flip()
			defer flip()
			return m.Prune(background, p)
		}}},
		{"of many that ended, the last ones go", "prune/a long history", false, faulty{prune: func(m *model, p store.PruneRequest) (store.Pruned, error) {
			ended := 0
			for _, d := range m.deliveries {
				if d.Status != store.DeliveryPending {
					ended++
				}
			}
			if ended > 500 && p.DeliveriesPerWebhook > 0 {
				for _, d := range m.deliveries {
					d.FinishedAt = m.now.Add(m.now.Sub(d.FinishedAt))
				}
			}
			return m.Prune(background, p)
		}}},
		{"deliveries per webhook are per merchant", "prune/deliveries per webhook", false, pruned(func(m *model, p store.PruneRequest, done *store.Pruned) {
			if p.DeliveriesPerWebhook > 0 && done.Deliveries > 0 {
				for _, d := range slices.Clone(m.deliveries) {
					if d.Status == store.DeliverySucceeded {
						m.forget(d)
						done.Deliveries++
					}
				}
			}
		})},
		{"pending deliveries are pruned", "prune/deliveries per webhook", true, first(func(m *model, p store.PruneRequest) {
			for _, d := range slices.Clone(m.deliveries) {
				if d.Status == store.DeliveryPending && p.DeliveriesPerWebhook > 0 {
					m.forget(d)
				}
			}
		})},
		{"PausedError is not set", "prune/paused", true, asking(func(p *store.PruneRequest) { p.PausedError = "" })},
		{"paused deliveries are kept for ever", "prune/paused", true, asking(func(p *store.PruneRequest) { p.PausedAge = 0 })},
		{"paused is counted from disabling", "prune/paused", true, asking(func(p *store.PruneRequest) {
			if p.PausedAge > 0 {
				p.PausedAge += time.Hour
			}
		})},
		{"paused deliveries are removed", "prune/paused", true, pruned(func(m *model, p store.PruneRequest, _ *store.Pruned) {
			m.deliveries = slices.DeleteFunc(m.deliveries, func(d *modelDelivery) bool { return d.paused })
		})},
		{"a paused delivery gets an attempt", "prune/paused", true, pruned(func(m *model, p store.PruneRequest, _ *store.Pruned) {
			for _, d := range m.deliveries {
				if d.paused && d.Attempts == len(d.Log) {
					d.Attempts++
				}
			}
		})},
		{"a paused delivery extends the streak", "prune/paused", true, pruned(func(m *model, p store.PruneRequest, done *store.Pruned) {
			for _, w := range m.webhooks {
				if w.Status == store.Disabled {
					w.ConsecutiveFailures += done.Paused
				}
			}
		})},
		{"deliveries of active webhooks end as paused", "prune/paused", true, faulty{prune: func(m *model, p store.PruneRequest) (done store.Pruned, err error) {
			whileEach(m, func(w *store.Webhook) { w.Status = store.Disabled }, func() { done, err = m.Prune(background, p) })
			return done, err
		}}},
		{"paused tests end", "prune/paused but leased or a test", true, first(func(m *model, p store.PruneRequest) {
			for _, d := range m.deliveries {
				if p.PausedAge > 0 {
					d.Test = false
				}
			}
		})},
		{"leased deliveries end as paused", "prune/paused but leased or a test", true, first(func(m *model, p store.PruneRequest) {
			for _, d := range m.deliveries {
				if w := m.webhook(d.MerchantID, d.WebhookID); p.PausedAge > 0 && w.Status == store.Disabled {
					d.leaseEnd = time.Time{}
				}
			}
		})},
		{"a lease that has ended is kept for ever", "prune/paused but leased or a test", true, faulty{prune: func(m *model, p store.PruneRequest) (store.Pruned, error) {
			was := map[*modelDelivery]time.Time{}
			for _, d := range m.deliveries {
				if !d.leaseEnd.IsZero() {
					was[d], d.leaseEnd = d.leaseEnd, m.now.Add(time.Hour)
				}
			}
			done, err := m.Prune(background, p)
			for d, end := range was {
				d.leaseEnd = end
			}
			return done, err
		}}},
		{"a late result revives what was paused", "prune/paused but leased or a test", true, pruned(func(m *model, p store.PruneRequest, _ *store.Pruned) {
			for _, d := range m.deliveries {
				if d.paused {
					d.settled = nil
				}
			}
		})},
		{"events are kept for ever", "prune/event age", true, asking(func(p *store.PruneRequest) { p.EventAge = 0 })},
		{"test events are kept for ever", "prune/event age", true, first(func(m *model, p store.PruneRequest) {
			for _, e := range m.events {
				if e.Test {
					e.CreatedAt = m.now
				}
			}
		})},
		{"a pending event loses its body", "prune/event with pending deliveries", true, first(func(m *model, p store.PruneRequest) {
			for _, e := range m.events {
				if m.olderThan(e.CreatedAt, p.EventAge) {
					e.Body = nil
				}
			}
		})},
		{"a pending event is pruned while it is paused", "prune/event with pending deliveries", true, first(func(m *model, p store.PruneRequest) {
			for _, e := range slices.Clone(m.events) {
				waits := slices.ContainsFunc(m.deliveries, func(d *modelDelivery) bool {
					return d.EventID == e.ID && (m.waiting(d) || m.leased(d))
				})
				if m.olderThan(e.CreatedAt, p.EventAge) && !waits {
					m.events = slices.DeleteFunc(m.events, func(o *modelEvent) bool { return o == e })
				}
			}
		})},
		{"a pruned event id stays taken", "prune/event age", true, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for i := range out {
				m.seen = append(m.seen, &modelSeen{scope: "published", id: events[i].ID})
				n := 0
				for _, s := range m.seen {
					if s.scope == "published" && s.id == events[i].ID {
						n++
					}
				}
				out[i].Duplicate = out[i].Duplicate || n > 1 && !out[i].Conflict
			}
			return out, err
		}}},
		{"a retained event loses its delivery", "prune/event with pending deliveries", true, pruned(func(m *model, p store.PruneRequest, done *store.Pruned) {
			if done.Events > 0 {
				m.deliveries = slices.DeleteFunc(m.deliveries, func(d *modelDelivery) bool { return m.event(d.MerchantID, d.EventID) == nil })
			}
		})},
		{"notices are kept for ever", "prune/notice age", true, asking(func(p *store.PruneRequest) { p.NoticeAge = 0 })},
		{"all notices are pruned", "prune/notice age", true, pruned(func(m *model, p store.PruneRequest, done *store.Pruned) {
			if done.Notices > 0 {
				m.notices = nil
			}
		})},
		{"Prune ignores its limit", "prune/limit", true, asking(func(p *store.PruneRequest) { p.Limit *= 3 })},
		{"Prune never says More", "prune/limit", true, pruned(func(_ *model, _ store.PruneRequest, done *store.Pruned) { done.More = false })},
		{"Prune always says More", "prune/nothing to do", true, pruned(func(_ *model, _ store.PruneRequest, done *store.Pruned) { done.More = true })},
		{"Prune does not count", "prune/limit", true, pruned(func(_ *model, _ store.PruneRequest, done *store.Pruned) { *done = store.Pruned{More: done.More} })},
	}
}
