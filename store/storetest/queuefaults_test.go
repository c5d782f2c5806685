package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// whileEach calls f with each webhook changed, and changes them back.
func whileEach(m *model, change func(w *store.Webhook), f func()) {
	unlock := m.hold()
	before := map[*store.Webhook]store.Webhook{}
	for _, w := range m.webhooks {
		before[w] = *w
		change(w)
	}
	unlock()
	f()
	defer m.hold()()
	for w, was := range before {
		*w = was
	}
}

func publishFaults() []fault {
	// publishWhile publishes with each webhook changed.
	publishWhile := func(change func(w *store.Webhook)) faulty {
		return faulty{publish: func(m *model, merchantID string, events []store.NewEvent) (out []store.Published, err error) {
			whileEach(m, change, func() { out, err = m.Publish(background, merchantID, events) })
			return out, err
		}}
	}
	// publishAs publishes other events instead.
	publishAs := func(change func(m *model, merchantID string, e *store.NewEvent)) faulty {
		return faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			events = slices.Clone(events)
			for i := range events {
				change(m, merchantID, &events[i])
			}
			return m.Publish(background, merchantID, events)
		}}
	}
	// answer publishes and changes the answers.
	answer := func(change func(m *model, merchantID string, e store.NewEvent, p *store.Published)) faulty {
		return faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for i := range out {
				change(m, merchantID, events[i], &out[i])
			}
			return out, err
		}}
	}
	return []fault{
		{"fan-out to a disabled webhook", "publish/fan-out", true, publishWhile(func(w *store.Webhook) { w.Status = store.Active })},
		{"fan-out ignores subscriptions", "publish/fan-out", true, publishWhile(func(w *store.Webhook) { w.Events = []string{store.EveryType} })},
		{"fan-out ignores EveryType", "publish/fan-out", true, publishWhile(func(w *store.Webhook) {
			w.Events = slices.DeleteFunc(slices.Clone(w.Events), func(e string) bool { return e == store.EveryType })
		})},
		{"fan-out looks at the first type alone", "publish/fan-out", true, publishWhile(func(w *store.Webhook) { w.Events = w.Events[:1] })},
		{"fan-out to other merchants", "publish/fan-out", true, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for _, w := range m.webhooks {
				if w.MerchantID != merchantID {
					_, _ = m.Publish(background, w.MerchantID, events)
				}
			}
			return out, err
		}}},
		{"a repeated event is delivered again", "publish/the same event again", true, answer(func(m *model, merchantID string, e store.NewEvent, p *store.Published) {
			if p.Duplicate {
				for _, w := range m.webhooks {
					if w.MerchantID == merchantID {
						_, _ = m.Enqueue(background, merchantID, w.ID, []string{e.ID}, "again")
					}
				}
			}
		})},
		{"a repeated event is not called Duplicate", "publish/the same event again", true, answer(func(_ *model, _ string, _ store.NewEvent, p *store.Published) { p.Duplicate = false })},
		{"a repeated event has no deliveries", "publish/the same event again", true, answer(func(_ *model, _ string, _ store.NewEvent, p *store.Published) {
			if p.Duplicate {
				p.Deliveries = nil
			}
		})},
		{"a conflict is a repetition", "publish/another event with a taken id", true, publishAs(func(_ *model, _ string, e *store.NewEvent) { e.Fingerprint = "" })},
		{"a repetition is a conflict", "publish/the same event again", true, publishAs(func(m *model, _ string, e *store.NewEvent) {
			defer m.hold()()
			e.Fingerprint += string(rune(m.number()))
		})},
		{"a conflict overwrites the body", "publish/another event with a taken id", true, answer(func(m *model, merchantID string, e store.NewEvent, p *store.Published) {
			if p.Conflict {
				m.event(merchantID, e.ID).Type = "overwritten"
			}
		})},
		{"event ids are taken for all merchants", "publish/the same id of two merchants", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for i, e := range events {
				for _, o := range m.events {
					if o.ID == e.ID && o.merchantID != merchantID && out != nil {
						out[i] = store.Published{Conflict: true}
					}
				}
			}
			return out, err
		}}},
		{"repetitions within a batch are missed", "publish/again within a batch", true, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for i := range out {
				for _, earlier := range events[:i] {
					if earlier.ID == events[i].ID {
						out[i].Duplicate = false
					}
				}
			}
			return out, err
		}}},
		{"deliveries in the order of creation", "publish/a delivery per webhook", false, answer(func(m *model, _ string, _ store.NewEvent, p *store.Published) {
			slices.SortFunc(p.Deliveries, func(a, b string) int { return m.createdBefore(a, b) })
		})},
		{"an empty batch is an error", "publish/nothing", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			if len(events) == 0 {
				return nil, store.ErrNotFound
			}
			return m.Publish(background, merchantID, events)
		}}},
		{"an event is forgotten once delivered", "publish/the same event when it was delivered", true, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			for _, e := range slices.Clone(m.events) {
				if len(e.deliveries) > 0 && !m.wanted(e) {
					m.events = slices.DeleteFunc(m.events, func(o *modelEvent) bool { return o == e })
				}
			}
			return m.Publish(background, merchantID, events)
		}}},
		{"a failed batch stores events alone", "publish/a batch that fails", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for _, e := range events {
				if err != nil && m.event(merchantID, e.ID) == nil && e.Test == "" {
					m.events = append(m.events, &modelEvent{Event: store.Event{ID: e.ID}, merchantID: merchantID, fingerprint: e.Fingerprint})
				}
			}
			return out, err
		}}},
		{"types are prefixes", "publish/whole types", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for _, e := range events {
				for _, w := range m.webhooks {
					if w.MerchantID == merchantID && strings.HasPrefix(e.Type, w.Events[0]) {
						_, _ = m.Enqueue(background, merchantID, w.ID, []string{e.ID}, "")
					}
				}
			}
			return out, err
		}}},
		{"bodies are text", "publish/the event", false, publishAs(func(_ *model, _ string, e *store.NewEvent) {
			e.Body = []byte(strings.ToValidUTF8(string(e.Body), "?"))
		})},
		{"a test obeys subscriptions", "publish/test events", true, answer(func(m *model, merchantID string, e store.NewEvent, p *store.Published) {
			if e.Test == "" || p.Duplicate {
				return
			}
			if w := m.webhook(merchantID, e.Test); w.Status != store.Active {
				p.Deliveries = nil
				m.deliveries = m.deliveries[:len(m.deliveries)-1]
			}
		})},
		{"a test goes to everybody", "publish/test events", true, answer(func(m *model, merchantID string, e store.NewEvent, p *store.Published) {
			if e.Test != "" && !p.Duplicate {
				for _, w := range m.webhooks {
					if w.MerchantID == merchantID {
						_, _ = m.Enqueue(background, merchantID, w.ID, []string{e.ID}, "")
					}
				}
			}
		})},
		{"a test for nobody is stored", "publish/test events for nobody", true, publishAs(func(m *model, merchantID string, e *store.NewEvent) {
			if e.Test != "" && m.webhook(merchantID, e.Test) == nil {
				e.Test = ""
			}
		})},
		{"a new delivery is due later", "publish/a new delivery", true, answer(func(m *model, _ string, _ store.NewEvent, _ *store.Published) {
			for _, d := range m.deliveries {
				if d.token == 0 && d.DueAt.Equal(m.now) {
					d.DueAt = m.now.Add(time.Millisecond)
				}
			}
		})},
		{"one event of a batch is lost", "publish/large batch and large fan-out", true, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events[:min(2, len(events))])
			for len(out) < len(events) {
				out = append(out, store.Published{})
			}
			return out, err
		}}},
		{"Enqueue ignores the nonce", "enqueue/one more delivery", true, enqueueAs(func(_ *model, nonce *string, _ *[]string) { *nonce = "" })},
		{"Enqueue makes a new one each time", "enqueue/the same again", true, enqueueAs(func(m *model, nonce *string, _ *[]string) { *nonce += string(rune(m.number())) })},
		{"Enqueue repeats within a call", "enqueue/the same within a call", true, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
			var out []string
			for i, id := range eventIDs {
				n := nonce
				if slices.Contains(eventIDs[:i], id) {
					n += "again"
				}
				one, err := m.Enqueue(background, merchantID, webhookID, []string{id}, n)
				if err != nil {
					return nil, err
				}
				out = append(out, one...)
			}
			return out, nil
		}}},
		{"Enqueue looks at the status", "enqueue/to a disabled webhook", true, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
			if w := m.webhook(merchantID, webhookID); w != nil && w.Status == store.Disabled {
				return make([]string, len(eventIDs)), nil
			}
			return m.Enqueue(background, merchantID, webhookID, eventIDs, nonce)
		}}},
		{"Enqueue leaves unknown events out", "enqueue/unknown events", true, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
			out, err := m.Enqueue(background, merchantID, webhookID, eventIDs, nonce)
			return slices.DeleteFunc(out, func(id string) bool { return id == "" }), err
		}}},
		{"Enqueue to nobody is no error", "enqueue/unknown webhook", true, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
			if m.webhook(merchantID, webhookID) == nil {
				return make([]string, len(eventIDs)), nil
			}
			return m.Enqueue(background, merchantID, webhookID, eventIDs, nonce)
		}}},
		{"Enqueue takes another merchant's event", "isolation/Enqueue of an event", true, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
			out, err := m.Enqueue(background, merchantID, webhookID, eventIDs, nonce)
			for i, id := range out {
				for _, e := range m.events {
					if id == "" && e.ID == eventIDs[i] {
						out[i] = store.DeliveryID(merchantID, e.ID, webhookID, nonce)
					}
				}
			}
			return out, err
		}}},
		{"Enqueue revives an ended delivery", "enqueue/the same again", true, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
			out, err := m.Enqueue(background, merchantID, webhookID, eventIDs, nonce)
			for _, id := range out {
				if d := m.delivery(merchantID, webhookID, id); d != nil {
					d.Status = store.DeliveryPending
				}
			}
			return out, err
		}}},
	}
}

// enqueueAs enqueues something else.
func enqueueAs(change func(m *model, nonce *string, eventIDs *[]string)) faulty {
	return faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
		change(m, &nonce, &eventIDs)
		return m.Enqueue(background, merchantID, webhookID, eventIDs, nonce)
	}}
}

// createdBefore orders deliveries by the creation of their webhooks.
func (m *model) createdBefore(a, b string) int {
	at := func(id string) time.Time {
		for _, d := range m.deliveries {
			if d.ID == id {
				return m.webhook(d.MerchantID, d.WebhookID).CreatedAt
			}
		}
		return time.Time{}
	}
	return at(a).Compare(at(b))
}
