package storetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func webhookFaults() []fault {
	// updateAs updates something else.
	updateAs := func(change func(u *store.WebhookUpdate)) faulty {
		return faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			change(&u)
			return m.UpdateWebhook(background, merchantID, webhookID, u)
		}}
	}
	// updated changes what came out.
	updated := func(change func(m *model, u store.WebhookUpdate, before store.Webhook, w *store.Webhook)) faulty {
		return faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			before, _ := m.Webhook(background, merchantID, webhookID)
			if _, err := m.UpdateWebhook(background, merchantID, webhookID, u); err != nil {
				return store.Webhook{}, err
			}
			unlock := m.hold()
			change(m, u, before, m.webhook(merchantID, webhookID))
			unlock()
			return m.Webhook(background, merchantID, webhookID)
		}}
	}
	enabling := func(change func(m *model, before store.Webhook, w *store.Webhook)) faulty {
		return updated(func(m *model, _ store.WebhookUpdate, before store.Webhook, w *store.Webhook) {
			if before.Status == store.Disabled && w.Status == store.Active {
				change(m, before, w)
			}
		})
	}
	// createAs creates something else.
	createAs := func(change func(m *model, w *store.Webhook, limit *int)) faulty {
		return faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			change(m, &w, &limit)
			return m.CreateWebhook(background, merchantID, w, limit)
		}}
	}
	// listed changes what ListWebhooks answers.
	listed := func(change func(q *store.WebhookQuery) func(*store.WebhookPage)) faulty {
		return faulty{webhooks: func(m *model, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
			done := change(&q)
			p, err := m.ListWebhooks(background, merchantID, q)
			done(&p)
			return p, err
		}}
	}
	// anybody finds a webhook's owner, whoever asks.
	anybody := func(m *model, merchantID, webhookID string) string {
		defer m.hold()()
		for _, w := range m.webhooks {
			if w.ID == webhookID {
				return w.MerchantID
			}
		}
		return merchantID
	}
	return []fault{
		{"counters are taken from the caller", "webhooks/create returns what it stored", false, faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			out, err := m.CreateWebhook(background, merchantID, w, limit)
			if own := m.webhook(merchantID, w.ID); err == nil && w.Epoch > 0 {
				own.Epoch = w.Epoch
				out.Epoch = w.Epoch
			}
			return out, err
		}}},
		{"text is trimmed", "webhooks/create keeps text as it is", false, createAs(func(_ *model, w *store.Webhook, _ *int) {
			w.Secret = strings.TrimSpace(w.Secret)
		})},
		{"everything begins active", "webhooks/create disabled", false, createAs(func(_ *model, w *store.Webhook, _ *int) { w.Status = store.Active })},
		{"the limit is ignored", "webhooks/create up to the limit", true, createAs(func(_ *model, _ *store.Webhook, limit *int) { *limit = 0 })},
		{"the limit is one too many", "webhooks/create up to the limit", true, createAs(func(_ *model, _ *store.Webhook, limit *int) {
			if *limit > 0 {
				*limit++
			}
		})},
		{"the limit counts all merchants", "webhooks/create up to the limit", true, createAs(func(m *model, _ *store.Webhook, limit *int) {
			if *limit > 0 {
				*limit = max(1, *limit-len(m.webhooks)+2)
			}
		})},
		{"a taken id overwrites", "webhooks/create with a taken id", true, faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			out, err := m.CreateWebhook(background, merchantID, w, limit)
			if own := m.webhook(merchantID, w.ID); errors.Is(err, store.ErrConflict) {
				own.Events = w.Events
			}
			return out, err
		}}},
		{"an unknown webhook is empty", "webhooks/unknown webhook", false, faulty{read: func(m *model, merchantID, webhookID string) (store.Webhook, error) {
			w, _ := m.Webhook(background, merchantID, webhookID)
			return w, nil
		}}},
		{"the list is by id", "webhooks/list is oldest first", false, listed(func(*store.WebhookQuery) func(*store.WebhookPage) {
			return func(p *store.WebhookPage) {
				slices.SortFunc(p.Webhooks, func(a, b store.Webhook) int { return strings.Compare(a.ID, b.ID) })
			}
		})},
		{"the list ignores Offset", "webhooks/list in pages", false, listed(func(q *store.WebhookQuery) func(*store.WebhookPage) {
			q.Offset = 0
			return func(*store.WebhookPage) {}
		})},
		{"the list ignores ActiveOnly", "webhooks/list in pages", false, listed(func(q *store.WebhookQuery) func(*store.WebhookPage) {
			q.ActiveOnly = false
			return func(*store.WebhookPage) {}
		})},
		{"the list filters after the page", "webhooks/list in pages", false, faulty{webhooks: func(m *model, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
			only := q.ActiveOnly
			q.ActiveOnly = false
			p, err := m.ListWebhooks(background, merchantID, q)
			p.Webhooks = slices.DeleteFunc(p.Webhooks, func(w store.Webhook) bool { return only && w.Status != store.Active })
			return p, err
		}}},
		{"Total is the length of the page", "webhooks/list in pages", false, listed(func(*store.WebhookQuery) func(*store.WebhookPage) {
			return func(p *store.WebhookPage) { p.Total = len(p.Webhooks) }
		})},
		{"the list of nobody is an error", "webhooks/list of nobody", false, faulty{webhooks: func(m *model, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
			p, err := m.ListWebhooks(background, merchantID, q)
			if p.Total == 0 && err == nil {
				err = store.ErrNotFound
			}
			return p, err
		}}},
		{"the list shows everybody's", "isolation/lists", true, faulty{webhooks: func(m *model, _ string, q store.WebhookQuery) (store.WebhookPage, error) {
			var out store.WebhookPage
			for _, merchantID := range m.merchants() {
				p, _ := m.ListWebhooks(background, merchantID, q)
				out.Webhooks = append(out.Webhooks, p.Webhooks...)
				out.Total += p.Total
			}
			return out, nil
		}}},
		{"IfVersion is ignored", "update/if unchanged", true, updateAs(func(u *store.WebhookUpdate) { u.IfVersion = 0 })},
		{"IfVersion is checked too late", "update/if unchanged", true, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			out, err := m.UpdateWebhook(background, merchantID, webhookID, u)
			if errors.Is(err, store.ErrVersion) {
				_, _ = m.UpdateWebhook(background, merchantID, webhookID, store.WebhookUpdate{Events: u.Events})
			}
			return out, err
		}}},
		{"an empty update is none", "update/each field alone", true, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			if u.URL == nil && u.Events == nil && u.Status == nil && u.Encoding == nil && u.Rotate == nil && u.Reseal == nil && u.IfVersion == 0 {
				return m.Webhook(background, merchantID, webhookID)
			}
			return m.UpdateWebhook(background, merchantID, webhookID, u)
		}}},
		{"an update clears what is nil", "update/each field alone", true, updateAs(func(u *store.WebhookUpdate) {
			if u.Encoding == nil {
				u.Encoding = new("")
			}
		})},
		{"an update keeps the time", "update/each field alone", true, updated(func(_ *model, _ store.WebhookUpdate, before store.Webhook, w *store.Webhook) {
			w.UpdatedAt = before.UpdatedAt
		})},
		{"an update adds subscriptions", "update/subscriptions", true, updated(func(_ *model, u store.WebhookUpdate, before store.Webhook, w *store.Webhook) {
			if u.Events != nil {
				w.Events = append(w.Events, before.Events...)
			}
		})},
		{"disabling again changes the reason", "update/disable", true, updated(func(m *model, u store.WebhookUpdate, before store.Webhook, w *store.Webhook) {
			if u.Status != nil && *u.Status == store.Disabled && before.Status == store.Disabled {
				w.DisabledReason, w.DisabledAt = u.Reason, m.now
			}
		})},
		{"disabling by hand has a notice", "update/disable", true, updated(func(m *model, u store.WebhookUpdate, _ store.Webhook, w *store.Webhook) {
			if u.Status != nil && *u.Status == store.Disabled {
				m.notices = append(m.notices, &modelNotice{Notice: store.Notice{MerchantID: w.MerchantID, WebhookID: w.ID}})
			}
		})},
		{"disabling resets the streak", "update/disable", true, updated(func(_ *model, u store.WebhookUpdate, _ store.Webhook, w *store.Webhook) {
			if u.Status != nil && *u.Status == store.Disabled {
				w.ConsecutiveFailures = 0
			}
		})},
		{"enabling keeps the streak", "update/enable", true, enabling(func(_ *model, before store.Webhook, w *store.Webhook) {
			w.ConsecutiveFailures = before.ConsecutiveFailures
		})},
		{"enabling keeps the reason", "update/enable", true, enabling(func(_ *model, before store.Webhook, w *store.Webhook) {
			w.DisabledReason, w.DisabledAt = before.DisabledReason, before.DisabledAt
		})},
		{"enabling keeps the epoch", "interleavings/enabled between claim and finish", true, enabling(func(_ *model, before store.Webhook, w *store.Webhook) { w.Epoch = before.Epoch })},
		{"enabling leaves deliveries paused", "update/enable goes on with paused deliveries", true, enabling(func(m *model, _ store.Webhook, w *store.Webhook) {
			for _, d := range m.deliveries {
				if d.WebhookID == w.ID && d.leaseEnd.IsZero() && m.over(d.DueAt) {
					d.leaseEnd = m.now.Add(1e6 * time.Hour)
				}
			}
		})},
		{"enabling makes retries due", "update/enable goes on with paused deliveries", true, enabling(func(m *model, _ store.Webhook, w *store.Webhook) {
			for _, d := range m.deliveries {
				if d.WebhookID == w.ID {
					d.DueAt = m.now
				}
			}
		})},
		{"enabling what is active resets", "update/enable what is active", true, updated(func(_ *model, u store.WebhookUpdate, _ store.Webhook, w *store.Webhook) {
			if u.Status != nil && *u.Status == store.Active {
				w.ConsecutiveFailures = 0
			}
		})},
		{"every update resets the streak", "update/enable what is active", true, updated(func(_ *model, _ store.WebhookUpdate, _ store.Webhook, w *store.Webhook) { w.ConsecutiveFailures = 0 })},
		{"rotating drops the previous secret", "secrets/rotate keeps the previous secret", true, updateAs(func(u *store.WebhookUpdate) { u.KeepPrevious = 0 })},
		{"rotating always keeps it", "secrets/rotate at once", true, updateAs(func(u *store.WebhookUpdate) { u.KeepPrevious = max(u.KeepPrevious, time.Minute) })},
		{"rotating keeps the first secret", "secrets/rotate twice", false, updated(func(_ *model, u store.WebhookUpdate, before store.Webhook, w *store.Webhook) {
			if u.Rotate != nil && before.PreviousSecret != "" {
				w.PreviousSecret, w.PreviousUntil = before.PreviousSecret, before.PreviousUntil
			}
		})},
		{"the previous secret never ends", "secrets/rotate keeps the previous secret", false, faulty{read: func(m *model, merchantID, webhookID string) (store.Webhook, error) {
			out, err := m.Webhook(background, merchantID, webhookID)
			if w := m.webhook(merchantID, webhookID); w != nil && w.PreviousUntil.After(w.UpdatedAt) {
				out.PreviousSecret, out.PreviousUntil = w.PreviousSecret, w.PreviousUntil
			}
			return out, err
		}}},
		{"resealing does not compare", "secrets/reseal of what has changed", true, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			if now, err := m.Webhook(background, merchantID, webhookID); err == nil && u.Reseal != nil {
				other := *u.Reseal
				other.OldSecret, other.OldPrevious = now.Secret, now.PreviousSecret
				u.Reseal = &other
			}
			return m.UpdateWebhook(background, merchantID, webhookID, u)
		}}},
		{"resealing forgets PreviousUntil", "secrets/reseal", false, updated(func(m *model, u store.WebhookUpdate, before store.Webhook, w *store.Webhook) {
			if u.Reseal != nil && before.PreviousSecret != "" {
				w.PreviousUntil = m.now.Add(time.Hour)
			}
		})},
		{"deleting ignores the version", "webhooks/delete if unchanged", false, faulty{remove: func(m *model, merchantID, webhookID string, _ int64) error {
			return m.DeleteWebhook(background, merchantID, webhookID, 0)
		}}},
		{"deleting keeps notices", "webhooks/delete", false, faulty{remove: func(m *model, merchantID, webhookID string, ifVersion int64) error {
			kept := slices.Clone(m.notices)
			err := m.DeleteWebhook(background, merchantID, webhookID, ifVersion)
			m.notices = kept
			return err
		}}},
		{"deleting keeps deliveries of before", "webhooks/delete", true, faulty{remove: func(m *model, merchantID, webhookID string, ifVersion int64) error {
			w := m.webhook(merchantID, webhookID)
			kept := slices.Clone(m.deliveries)
			err := m.DeleteWebhook(background, merchantID, webhookID, ifVersion)
			if err == nil {
				m.deliveries = kept
				for _, d := range kept {
					if d.WebhookID == w.ID && d.Status == store.DeliveryPending {
						d.Status = store.DeliveryFailed
					}
				}
			}
			return err
		}}},
		{"deleting takes the merchant's events along", "webhooks/delete", true, faulty{remove: func(m *model, merchantID, webhookID string, ifVersion int64) error {
			err := m.DeleteWebhook(background, merchantID, webhookID, ifVersion)
			if err == nil {
				m.events = slices.DeleteFunc(m.events, func(e *modelEvent) bool { return e.merchantID == merchantID && !m.wanted(e) })
			}
			return err
		}}},
		{"anybody reads a webhook", "isolation/Webhook", false, faulty{read: func(m *model, merchantID, webhookID string) (store.Webhook, error) {
			return m.Webhook(background, anybody(m, merchantID, webhookID), webhookID)
		}}},
		{"anybody updates a webhook", "isolation/UpdateWebhook", true, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			return m.UpdateWebhook(background, anybody(m, merchantID, webhookID), webhookID, u)
		}}},
		{"anybody learns a version", "isolation/UpdateWebhook with a version", false, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			if anybody(m, merchantID, webhookID) != merchantID && u.IfVersion != 0 {
				return store.Webhook{}, store.ErrVersion
			}
			return m.UpdateWebhook(background, merchantID, webhookID, u)
		}}},
		{"anybody guesses a secret", "isolation/UpdateWebhook with a reseal", false, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			if anybody(m, merchantID, webhookID) != merchantID && u.Reseal != nil {
				return store.Webhook{}, store.ErrVersion
			}
			return m.UpdateWebhook(background, merchantID, webhookID, u)
		}}},
		{"anybody deletes a webhook", "isolation/DeleteWebhook", true, faulty{remove: func(m *model, merchantID, webhookID string, ifVersion int64) error {
			return m.DeleteWebhook(background, anybody(m, merchantID, webhookID), webhookID, ifVersion)
		}}},
		{"anybody learns a version by deleting", "isolation/DeleteWebhook with a version", false, faulty{remove: func(m *model, merchantID, webhookID string, ifVersion int64) error {
			if anybody(m, merchantID, webhookID) != merchantID && ifVersion != 0 {
				return store.ErrVersion
			}
			return m.DeleteWebhook(background, merchantID, webhookID, ifVersion)
		}}},
		{"anybody tests a webhook", "isolation/Publish of a test", true, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			if len(events) > 0 && events[0].Test != "" {
				merchantID = anybody(m, merchantID, events[0].Test)
			}
			return m.Publish(background, merchantID, events)
		}}},
		{"anybody enqueues to a webhook", "isolation/Enqueue to a webhook", true, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
			return m.Enqueue(background, anybody(m, merchantID, webhookID), webhookID, eventIDs, nonce)
		}}},
	}
}

// merchants lists all merchants with a webhook.
func (m *model) merchants() []string {
	var out []string
	for _, w := range m.webhooks {
		if !slices.Contains(out, w.MerchantID) {
			out = append(out, w.MerchantID)
		}
	}
	return out
}
