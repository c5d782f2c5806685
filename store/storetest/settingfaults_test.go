package storetest

import (
	"maps"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

func settingFaults() []fault {
	createAs := func(change func(w *store.Webhook)) faulty {
		return faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			change(&w)
			return m.CreateWebhook(background, merchantID, w, limit)
		}}
	}
	updateAs := func(change func(m *model, now store.Webhook, u *store.WebhookUpdate)) faulty {
		return faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
			if now, err := m.Webhook(background, merchantID, webhookID); err == nil {
				change(m, now, &u)
			}
			return m.UpdateWebhook(background, merchantID, webhookID, u)
		}}
	}
	leasing := func(headers func(m *model, l store.Lease) string) faulty {
		return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			for i, l := range out.Leases {
				out.Leases[i].Headers = headers(m, l)
			}
			return out, err
		}}
	}
	return []fault{
		{"a description is trimmed", "settings/create keeps them", false, createAs(func(w *store.Webhook) { w.Description = strings.TrimSpace(w.Description) })},
		{"metadata without a value is dropped", "settings/create keeps them", false, createAs(func(w *store.Webhook) {
			w.Metadata = maps.Clone(w.Metadata)
			maps.DeleteFunc(w.Metadata, func(_, v string) bool { return v == "" })
		})},
		{"a new webhook has no headers", "settings/create keeps them", true, createAs(func(w *store.Webhook) { w.Headers = "" })},
		{"a new webhook has no rate", "settings/create keeps them", true, createAs(func(w *store.Webhook) { w.RateLimit = 0 })},
		{"empty metadata changes nothing", "settings/change and clear", true, updateAs(func(_ *model, _ store.Webhook, u *store.WebhookUpdate) {
			if len(u.Metadata) == 0 {
				u.Metadata = nil
			}
		})},
		{"empty headers change nothing", "settings/change and clear", true, updateAs(func(_ *model, _ store.Webhook, u *store.WebhookUpdate) {
			if u.Headers != nil && *u.Headers == "" {
				u.Headers = nil
			}
		})},
		{"a rate of 0 changes nothing", "settings/change and clear", true, updateAs(func(_ *model, _ store.Webhook, u *store.WebhookUpdate) {
			if u.RateLimit != nil && *u.RateLimit == 0 {
				u.RateLimit = nil
			}
		})},
		{"metadata is added to", "settings/change and clear", true, updateAs(func(_ *model, now store.Webhook, u *store.WebhookUpdate) {
			if len(u.Metadata) > 0 {
				both := maps.Clone(now.Metadata)
				if both == nil {
					both = map[string]string{}
				}
				maps.Copy(both, u.Metadata)
				u.Metadata = both
			}
		})},
		{"an update drops what is not named", "settings/change and clear", true, updateAs(func(_ *model, _ store.Webhook, u *store.WebhookUpdate) {
			if u.Description == nil {
				u.Description = new("")
			}
		})},
		{"the rate is set before the version is compared", "settings/not if it has changed", false, updateAs(func(m *model, now store.Webhook, u *store.WebhookUpdate) {
			if u.RateLimit != nil && u.IfVersion != 0 && u.IfVersion != now.Version {
				m.limit(m.webhook(now.MerchantID, now.ID), *u.RateLimit)
			}
		})},
		{"a lease has no headers", "settings/headers of a lease", true, leasing(func(*model, store.Lease) string { return "" })},
		{"a lease has the headers of another webhook", "settings/headers of a lease", true, leasing(func(m *model, l store.Lease) string {
			for _, w := range m.webhooks {
				if w.Headers != "" {
					return w.Headers
				}
			}
			return l.Headers + "none"
		})},
		{"resealing leaves the headers", "settings/reseal", true, updateAs(func(_ *model, now store.Webhook, u *store.WebhookUpdate) {
			if r := u.Reseal; r != nil && r.OldHeaders == now.Headers {
				other := *r
				other.Headers = now.Headers
				u.Reseal = &other
			}
		})},
		{"resealing does not compare headers", "settings/reseal of headers that have changed", false, updateAs(func(_ *model, now store.Webhook, u *store.WebhookUpdate) {
			if u.Reseal != nil {
				other := *u.Reseal
				other.OldHeaders = now.Headers
				u.Reseal = &other
			}
		})},
		{"the caller's metadata is kept", "settings/metadata is the caller's", false, faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			out, err := m.CreateWebhook(background, merchantID, w, limit)
			if err == nil {
				m.webhook(merchantID, w.ID).Metadata = w.Metadata
			}
			return out, err
		}}},
		{"the caller gets the store's metadata", "settings/metadata is the caller's", false, faulty{read: func(m *model, merchantID, webhookID string) (store.Webhook, error) {
			out, err := m.Webhook(background, merchantID, webhookID)
			if err == nil {
				out.Metadata = m.webhook(merchantID, webhookID).Metadata
			}
			return out, err
		}}},
	}
}
