package storetest

import (
	"runtime"
	"slices"

	"github.com/rag-assistant/webhooks/store"
)

// pause lets others come in between.
func pause() {
	for range 100 {
		runtime.Gosched()
	}
}

// raceFaults look first and act later, and anybody may come in between.
func raceFaults() []fault {
	return []fault{
		{"Claim looks and then takes", "concurrency/publish, claim, finish", false, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			unlock := m.hold()
			due := m.claimable(c.PerWebhook)
			unlock()
			pause()
			defer m.hold()()
			var out store.Claimed
			for _, d := range due[:min(1, c.Limit, len(due))] {
				if d.Status == store.DeliveryPending {
					out.Leases = append(out.Leases, m.take(d, c.Lease))
				}
			}
			out.Next = m.next(c.PerWebhook)
			return out, nil
		}}},
		{"Publish looks and then stores", "concurrency/one event from everybody", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			known := make([]bool, len(events))
			unlock := m.hold()
			for i, e := range events {
				known[i] = m.event(merchantID, e.ID) != nil
			}
			unlock()
			pause()
			out, err := m.Publish(background, merchantID, events)
			for i := range out {
				out[i].Duplicate = known[i]
			}
			return out, err
		}}},
		{"Finish looks and then settles", "concurrency/one result from everybody", false, faulty{finish: func(m *model, results []store.Result) ([]store.Finished, error) {
			settled := make([]bool, len(results))
			unlock := m.hold()
			for i, r := range results {
				d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID)
				settled[i] = d == nil || slices.Contains(d.settled, r.Token)
			}
			unlock()
			pause()
			defer m.hold()()
			out := make([]store.Finished, len(results))
			for i, r := range results {
				if !settled[i] {
					m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID).settled = nil
				}
				out[i] = m.finish(r)
			}
			return out, nil
		}}},
		{"CreateWebhook counts and then stores", "concurrency/webhooks up to the limit", false, faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			unlock := m.hold()
			owned := 0
			for _, o := range m.webhooks {
				if o.MerchantID == merchantID {
					owned++
				}
			}
			unlock()
			if limit > 0 && owned >= limit {
				return store.Webhook{}, store.ErrLimit
			}
			pause()
			return m.CreateWebhook(background, merchantID, w, 0)
		}}},
		{"UpdateWebhook compares and then writes", "concurrency/update if unchanged", false, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			if now, err := m.Webhook(background, merchantID, webhookID); err == nil && u.IfVersion != 0 && u.IfVersion != now.Version {
				return store.Webhook{}, store.ErrVersion
			}
			pause()
			u.IfVersion = 0
			return m.UpdateWebhook(background, merchantID, webhookID, u)
		}}},
		{"BeginSeen looks and then holds", "concurrency/one id to process", false, faulty{begin: func(m *model, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
			unlock := m.hold()
			free := m.seenID(scope, id) == nil
			unlock()
			pause()
			if !free {
				return m.BeginSeen(background, scope, id, b)
			}
			defer m.hold()()
			m.forgetSeen(scope, id)
			m.seen = append(m.seen, &modelSeen{scope: scope, id: id, holder: b.Holder, end: m.now.Add(b.Lease)})
			return store.SeenAnswer{State: store.SeenNew}, nil
		}}},
	}
}
