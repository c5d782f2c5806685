package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// own is the webhook that a call names.
func (c *call) own() *modelWebhook { return c.m.webhook(c.merchant, c.id) }

// owner is the merchant who has the webhook that a call names, whoever asks.
func (c *call) owner() string {
	for _, w := range c.m.webhooks {
		if w.ID == c.id {
			return w.MerchantID
		}
	}
	return c.merchant
}

// strange says that a call names another merchant's webhook.
func (c *call) strange() bool { return c.owner() != c.merchant }

// anybody makes a call for the owner of what it names.
func anybody(c *call) { c.merchant = c.owner(); c.do() }

// updating makes a fault that does an update and changes what came out.
func updating(change func(c *call)) func(c *call) {
	return func(c *call) {
		c.before, _ = c.m.Webhook(c.ctx, c.merchant, c.id)
		if w := c.own(); w != nil {
			c.was = w.bucket
		}
		if c.do(); c.err == nil {
			c.w = c.own()
			change(c)
			c.out, c.err = c.m.Webhook(c.ctx, c.merchant, c.id)
		}
	}
}

// enabling is updating that turns a webhook active.
func enabling(change func(c *call)) func(c *call) {
	return updating(func(c *call) {
		if c.before.Status == store.Disabled && c.w.Status == store.Active {
			change(c)
		}
	})
}

// disables and enables say what an update asks for.
func disables(u store.WebhookUpdate) bool { return u.Status != nil && *u.Status == store.Disabled }
func enables(u store.WebhookUpdate) bool  { return u.Status != nil && *u.Status == store.Active }

// resealing is updating with another Reseal.
func resealing(change func(now store.Webhook, r *store.Reseal)) func(c *call) {
	return func(c *call) {
		if now, err := c.m.Webhook(c.ctx, c.merchant, c.id); err == nil && c.update.Reseal != nil {
			other := *c.update.Reseal
			change(now, &other)
			c.update.Reseal = &other
		}
		c.do()
	}
}

// whileEach calls do with each webhook changed, and changes them back.
func (c *call) whileEach(change func(w *modelWebhook)) {
	before, held := map[*modelWebhook]store.Webhook{}, map[*modelWebhook]time.Time{}
	for _, w := range c.m.webhooks {
		before[w], held[w] = w.Webhook, w.held
		change(w)
	}
	c.do()
	for w, was := range before {
		w.Webhook, w.held = was, held[w]
	}
}

func webhookFaults() []fault {
	return []fault{
		{"a wrapper forgets to say that the store is volatile", "webhooks/volatile", "Volatile", nil},
		{"counters are taken from the caller", "", "CreateWebhook", done(func(c *call) { set(c.given.Epoch > 0, &c.own().Epoch, c.given.Epoch) })},
		{"a mark is taken from the caller", "", "CreateWebhook", done(func(c *call) { c.own().Mark = c.given.Mark })},
		{"what comes from another store is new", "", "CreateWebhook", func(c *call) { c.given.CreatedAt = time.Time{}; c.do() }},
		{"what comes from another store was changed now", "", "CreateWebhook", func(c *call) { c.given.UpdatedAt = time.Time{}; c.do() }},
		{"what comes from another store was disabled at no time", "", "CreateWebhook", func(c *call) { c.given.DisabledAt = time.Time{}; c.do() }},
		{"what comes from another store loses its previous secret", "", "CreateWebhook", func(c *call) { c.given.PreviousSecret, c.given.PreviousUntil = "", time.Time{}; c.do() }},
		{"a webhook is made in the future", "", "CreateWebhook", done(func(c *call) { set(c.given.CreatedAt.After(c.m.now), &c.own().CreatedAt, c.given.CreatedAt) })},
		{"an active webhook was disabled", "", "CreateWebhook", done(func(c *call) { set(c.given.DisabledAt.Before(c.m.now), &c.own().DisabledAt, c.given.DisabledAt) })},
		{"text is trimmed", "", "CreateWebhook", func(c *call) { c.given.Secret = strings.TrimSpace(c.given.Secret); c.do() }},
		{"everything begins active", "", "CreateWebhook", func(c *call) { c.given.Status = store.Active; c.do() }},
		{"the limit is ignored", "", "CreateWebhook", func(c *call) { c.limit = 0; c.do() }},
		{"the limit is one too many", "", "CreateWebhook", func(c *call) { c.limit += min(c.limit, 1); c.do() }},
		{"the limit counts all merchants", "", "CreateWebhook", func(c *call) { set(c.limit > 0, &c.limit, max(1, c.limit-len(c.m.webhooks)+2)); c.do() }},
		{"a taken id overwrites", "", "CreateWebhook", after(where(func(c *call) bool { return errors.Is(c.err, store.ErrConflict) }, func(c *call) { c.own().Events = c.given.Events }))},
		{"a description is trimmed", "", "CreateWebhook", func(c *call) { c.given.Description = strings.TrimSpace(c.given.Description); c.do() }},
		{"metadata without a value is dropped", "", "CreateWebhook", func(c *call) {
			c.given.Metadata = maps.Clone(c.given.Metadata)
			maps.DeleteFunc(c.given.Metadata, func(_, v string) bool { return v == "" })
			c.do()
		}},
		{"a new webhook has no headers", "", "CreateWebhook", func(c *call) { c.given.Headers = ""; c.do() }},
		{"a new webhook has no rate", "", "CreateWebhook", func(c *call) { c.given.RateLimit = 0; c.do() }},
		{"an unknown webhook is empty", "", "Webhook", func(c *call) { c.do(); c.err = nil }},

		{"the list is by id", "", "ListWebhooks", func(c *call) {
			c.do()
			slices.SortFunc(c.webhookP.Webhooks, func(a, b store.Webhook) int { return strings.Compare(a.ID, b.ID) })
		}},
		{"the list ignores ActiveOnly", "", "ListWebhooks", func(c *call) { c.webhookQ.ActiveOnly = false; c.do() }},
		{"the list ignores its cursor", "", "ListWebhooks", func(c *call) { c.webhookQ.Cursor = ""; c.do() }},
		{"the list ends at its first page", "", "ListWebhooks", func(c *call) { c.do(); c.webhookP.Next = "" }},
		{"the list ends at a page that the filter empties", "", "ListWebhooks", func(c *call) {
			only := c.webhookQ.ActiveOnly
			c.webhookQ.ActiveOnly = false
			emptied(c, &c.webhookP.Webhooks, &c.webhookP.Next, func(w store.Webhook) bool { return only && w.Status != store.Active })
		}},
		{"a page of webhooks is too long", "", "ListWebhooks", func(c *call) { c.webhookQ.Limit++; c.do() }},
		{"a page of webhooks begins with the last one", "", "ListWebhooks", func(c *call) {
			if c.do(); c.webhookQ.Cursor != "" && len(c.webhookP.Webhooks) == 1 {
				w := c.m.shown(c.m.webhook(c.merchant, c.webhookQ.Cursor[24:]))
				c.webhookP.Webhooks = []store.Webhook{w, c.webhookP.Webhooks[0]}[:c.webhookQ.Limit]
			}
		}},
		{"a bad cursor of webhooks is the beginning", "history/a cursor that is not the store's", "ListWebhooks", func(c *call) { beginning(c, &c.webhookQ.Cursor) }},
		{"the list of nobody is an error", "", "ListWebhooks", after(func(c *call) {
			set(len(c.webhookP.Webhooks) == 0 && c.webhookQ.Cursor == "", &c.err, store.ErrNotFound)
		})},
		{"the list shows everybody's", "", "ListWebhooks", after(webhooks(func(c *call) {
			list := &c.webhookP.Webhooks
			set(c.w.MerchantID != c.merchant && len(*list) < c.webhookQ.Limit, list, append(*list, c.m.shown(c.w)))
		}))},
		{"a merchant comes once for each webhook", "", "Merchants", after(func(c *call) {
			list := &c.merchP.Merchants
			set(len(*list) > 0 && len(*list) < c.merchQ.Limit, list, append(*list, (*list)[:min(1, len(*list))]...))
		})},
		{"a merchant is listed for ever", "", "Merchants DeleteWebhook", func(c *call) {
			if c.on == "DeleteWebhook" {
				c.notes[c.merchant]++
			}
			if c.do(); len(c.merchP.Merchants) < c.merchQ.Limit && c.merchP.Next == "" {
				for id := range c.notes {
					set(!someWebhook(func(c *call) bool { return c.w.MerchantID == id })(c), &c.merchP.Merchants, append(c.merchP.Merchants, id))
				}
			}
		}},
		{"the list of merchants ends at its first page", "", "Merchants", func(c *call) { c.do(); c.merchP.Next = "" }},
		{"a bad cursor of merchants is the beginning", "history/a cursor that is not the store's", "Merchants", func(c *call) { beginning(c, &c.merchQ.Cursor) }},

		{"IfVersion is ignored", "", "UpdateWebhook", func(c *call) { c.update.IfVersion = 0; c.do() }},
		{"IfVersion is checked too late", "", "UpdateWebhook", after(where(func(c *call) bool { return errors.Is(c.err, store.ErrVersion) }, func(c *call) {
			_, _ = c.m.UpdateWebhook(c.ctx, c.merchant, c.id, store.WebhookUpdate{Events: c.update.Events})
		}))},
		{"the rate is set before the version is compared", "", "UpdateWebhook", func(c *call) {
			if w := c.own(); w != nil && c.update.RateLimit != nil && c.update.IfVersion != 0 && c.update.IfVersion != w.Version {
				c.m.limit(w, *c.update.RateLimit)
			}
			c.do()
		}},
		{"an empty update is none", "", "UpdateWebhook", instead(func(c *call) bool {
			return show(c.update) == show(store.WebhookUpdate{Description: c.update.Description, Metadata: c.update.Metadata, Headers: c.update.Headers})
		}, func(c *call) { c.out, c.err = c.m.Webhook(c.ctx, c.merchant, c.id) })},
		{"an update clears what is nil", "", "UpdateWebhook", func(c *call) { set(c.update.Encoding == nil, &c.update.Encoding, new("")); c.do() }},
		{"an update drops what is not named", "", "UpdateWebhook", func(c *call) { set(c.update.Description == nil, &c.update.Description, new("")); c.do() }},
		{"an update clears the mark", "", "UpdateWebhook", updating(func(c *call) { c.w.Mark = "" })},
		{"an update keeps the time", "", "UpdateWebhook", updating(func(c *call) { c.w.UpdatedAt = c.before.UpdatedAt })},
		{"an update adds subscriptions", "", "UpdateWebhook", updating(func(c *call) { set(c.update.Events != nil, &c.w.Events, append(c.w.Events, c.before.Events...)) })},
		{"empty metadata changes nothing", "", "UpdateWebhook", func(c *call) { set(len(c.update.Metadata) == 0, &c.update.Metadata, nil); c.do() }},
		{"empty headers change nothing", "", "UpdateWebhook", func(c *call) { set(c.update.Headers != nil && *c.update.Headers == "", &c.update.Headers, nil); c.do() }},
		{"a rate of 0 changes nothing", "", "UpdateWebhook", func(c *call) { r := &c.update.RateLimit; set(*r != nil && **r == 0, r, nil); c.do() }},
		{"metadata is added to", "", "UpdateWebhook", updating(where(func(c *call) bool { return len(c.update.Metadata) > 0 }, func(c *call) {
			c.w.Metadata = maps.Clone(c.w.Metadata)
			maps.Copy(c.w.Metadata, c.before.Metadata)
		}))},
		{"disabling again changes the reason", "", "UpdateWebhook", updating(where(
			func(c *call) bool { return disables(c.update) && c.before.Status == store.Disabled },
			func(c *call) { c.w.DisabledReason, c.w.DisabledAt = c.update.Reason, c.m.now },
		))},
		{"disabling by hand has a notice", "", "UpdateWebhook", updating(where(func(c *call) bool { return disables(c.update) }, func(c *call) {
			c.m.addNotice(store.Notice{MerchantID: c.w.MerchantID, WebhookID: c.w.ID})
		}))},
		{"disabling by hand is counted", "", "UpdateWebhook", updating(func(c *call) { set(disables(c.update), &c.w.Disablings, c.w.Disablings+1) })},
		{"disabling resets the streak", "", "UpdateWebhook", updating(func(c *call) { set(disables(c.update), &c.w.ConsecutiveFailures, 0) })},
		{"enabling keeps the streak", "", "UpdateWebhook", enabling(func(c *call) { c.w.ConsecutiveFailures = c.before.ConsecutiveFailures })},
		{"enabling keeps the reason", "", "UpdateWebhook", enabling(func(c *call) { c.w.DisabledReason, c.w.DisabledAt = c.before.DisabledReason, c.before.DisabledAt })},
		{"enabling keeps the epoch", "", "UpdateWebhook", enabling(func(c *call) { c.w.Epoch = c.before.Epoch })},
		{"another URL keeps the streak", "", "UpdateWebhook", updating(func(c *call) { set(!enables(c.update), &c.w.ConsecutiveFailures, c.before.ConsecutiveFailures) })},
		{"another URL keeps the epoch", "", "UpdateWebhook", updating(func(c *call) { set(!enables(c.update), &c.w.Epoch, c.before.Epoch) })},
		{"enabling forgets since when it failed", "", "UpdateWebhook", enabling(func(c *call) { c.w.FailingSince = time.Time{} })},
		{"enabling forgets disablings", "", "UpdateWebhook", enabling(func(c *call) { c.w.Disablings = 0 })},
		{"enabling clears the mark", "", "UpdateWebhook", enabling(func(c *call) { c.w.Mark = "" })},
		{"enabling leaves deliveries paused", "", "UpdateWebhook", enabling(deliveries(func(c *call) {
			set(c.d.of(c.w) && c.d.leaseEnd.IsZero() && c.m.over(c.d.DueAt), &c.d.leaseEnd, far(c.m))
		}))},
		{"enabling makes retries due", "", "UpdateWebhook", enabling(deliveries(func(c *call) { set(c.d.of(c.w), &c.d.DueAt, c.m.now) }))},
		{"enabling what is active resets", "", "UpdateWebhook", updating(func(c *call) { set(enables(c.update), &c.w.ConsecutiveFailures, 0) })},
		{"every update resets the streak", "", "UpdateWebhook", updating(func(c *call) { c.w.ConsecutiveFailures = 0 })},
		{"rotating drops the previous secret", "", "UpdateWebhook", func(c *call) { c.update.KeepPrevious = 0; c.do() }},
		{"rotating always keeps it", "", "UpdateWebhook", func(c *call) { c.update.KeepPrevious = max(c.update.KeepPrevious, time.Minute); c.do() }},
		{"rotating keeps the first secret", "", "UpdateWebhook", updating(where(
			func(c *call) bool { return c.update.Rotate != nil && c.before.PreviousSecret != "" },
			func(c *call) { c.w.PreviousSecret, c.w.PreviousUntil = c.before.PreviousSecret, c.before.PreviousUntil },
		))},
		{"the previous secret never ends", "", "Webhook", done(func(c *call) {
			c.out.PreviousSecret, c.out.PreviousUntil = c.own().PreviousSecret, c.own().PreviousUntil
		})},
		{"resealing does not compare", "", "UpdateWebhook", resealing(func(now store.Webhook, r *store.Reseal) { r.OldSecret, r.OldPrevious = now.Secret, now.PreviousSecret })},
		{"resealing does not compare headers", "", "UpdateWebhook", resealing(func(now store.Webhook, r *store.Reseal) { r.OldHeaders = now.Headers })},
		{"resealing leaves the headers", "", "UpdateWebhook", resealing(func(now store.Webhook, r *store.Reseal) { set(r.OldHeaders == now.Headers, &r.Headers, now.Headers) })},
		{"resealing forgets PreviousUntil", "", "UpdateWebhook", updating(func(c *call) {
			set(c.update.Reseal != nil && c.before.PreviousSecret != "", &c.w.PreviousUntil, c.m.now.Add(time.Hour))
		})},

		{"deleting ignores the version", "", "DeleteWebhook", func(c *call) { c.version = 0; c.do() }},
		{"deleting keeps notices", "", "DeleteWebhook", func(c *call) { kept := slices.Clone(c.m.notices); c.do(); c.m.notices = kept }},
		{"deleting keeps deliveries of before", "", "DeleteWebhook", func(c *call) {
			kept := slices.Clone(c.m.deliveries)
			done(func(c *call) {
				c.m.deliveries = kept
				deliveries(func(c *call) { set(c.d.WebhookID == c.id, &c.d.Status, store.DeliveryFailed) })(c)
			})(c)
		}},
		{"deleting takes the merchant's events along", "", "DeleteWebhook", done(events(func(c *call, e *modelEvent) {
			set(e.merchantID == c.merchant && !c.m.wanted(e), &c.m.events, without(slices.Clone(c.m.events), e))
		}))},

		{"anybody reads a webhook", "", "Webhook", anybody},
		{"anybody updates a webhook", "", "UpdateWebhook", anybody},
		{"anybody deletes a webhook", "", "DeleteWebhook", anybody},
		{"anybody learns a version", "", "UpdateWebhook", after(func(c *call) { set(c.strange() && c.update.IfVersion != 0, &c.err, store.ErrVersion) })},
		{"anybody guesses a secret", "", "UpdateWebhook", after(func(c *call) { set(c.strange() && c.update.Reseal != nil, &c.err, store.ErrVersion) })},
		{"anybody learns a version by deleting", "", "DeleteWebhook", after(func(c *call) { set(c.strange() && c.version != 0, &c.err, store.ErrVersion) })},
		{"anybody enqueues to a webhook", "", "Enqueue", anybody},
		{"anybody lists deliveries", "", "Deliveries", anybody},
		{"anybody reads stats", "", "Stats", anybody},
		{"anybody reads a delivery", "", "Delivery", anybody},
		{"anybody adds a notice", "", "AddNotice", func(c *call) { c.id = c.notice.WebhookID; anybody(c) }},

		{"the caller's metadata is kept", "webhooks/kept apart from the caller's memory", "CreateWebhook", done(func(c *call) { c.own().Metadata = c.given.Metadata })},
		{"the caller's subscriptions are kept", "webhooks/kept apart from the caller's memory", "CreateWebhook", done(func(c *call) { c.own().Events = c.given.Events })},
		{"the caller gets the store's metadata", "webhooks/kept apart from the caller's memory", "Webhook", done(func(c *call) { c.out.Metadata = c.own().Metadata })},
		{"the caller gets the store's subscriptions", "webhooks/kept apart from the caller's memory", "Webhook", done(func(c *call) { c.out.Events = c.own().Events })},
	}
}
