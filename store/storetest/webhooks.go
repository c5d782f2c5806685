package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func webhookCases() []testCase {
	return []testCase{
		{
			name:    "create returns what it stored",
			promise: "CreateWebhook stores w under merchantID with Version 1, Epoch 1, the status of w, and the store's time as CreatedAt and UpdatedAt, and returns what it stored. Counters and times in w are ignored.",
			run: func(x *trial) {
				x.advance(time.Second)
				w := x.newWebhook("a", "b")
				given := w
				given.MerchantID = "somebody else"
				given.Version, given.Epoch, given.ConsecutiveFailures = 7, 8, 9
				given.CreatedAt = x.now.Add(-time.Hour)
				given.UpdatedAt = x.now.Add(time.Hour)
				got, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
				x.must(err, "CreateWebhook")
				w.MerchantID, w.Version, w.Epoch, w.CreatedAt, w.UpdatedAt = x.merchant, 1, 1, x.now, x.now
				same(x, "the webhook that CreateWebhook returns", got, w)
				same(x, "the webhook that Webhook returns", x.read(w), w)
			},
		},
		{
			name:    "create keeps text as it is",
			promise: "Secret and PreviousSecret are sealed by the caller and opaque here. … opaque here.",
			run: func(x *trial) {
				for _, text := range []string{"", " two  words\n", "v1.k1.AAEC+/8=", "é世\u2028\x00", `{"a":"b"}`, "-", "nil"} {
					given := x.newWebhook("a")
					given.Secret, given.Encoding, given.URL = "secret "+text, text, "https://example.com/?q="+text
					w, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
					x.must(err, "CreateWebhook")
					got := x.read(w)
					same(x, "the webhook", got, given, "MerchantID", "Epoch", "Version", "CreatedAt", "UpdatedAt")
					x.disable(w)
					x.update(w, store.WebhookUpdate{Status: new(store.Active), Rotate: &text, KeepPrevious: time.Hour})
					got = x.read(w)
					same(x, "the secrets", secrets{got.Secret, got.PreviousSecret}, secrets{text, given.Secret})
				}
			},
		},
		{
			name:    "create disabled",
			promise: "CreateWebhook stores w under merchantID with Version 1, Epoch 1, the status of w",
			run: func(x *trial) {
				given := x.newWebhook("a")
				given.Status = store.Disabled
				w, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
				x.must(err, "CreateWebhook")
				equal(x, "Status", x.read(w).Status, store.Disabled)
				x.publish("a", 1)
				equal(x, "number of deliveries to a webhook that was created disabled", x.stats(w).Total, 0)
				equal(x, "Epoch once it is enabled", x.enable(w).Epoch, 2)
			},
		},
		{
			name:    "create up to the limit",
			promise: "It fails with [ErrLimit] if the merchant has limit webhooks already (limit 0: no bound)",
			run: func(x *trial) {
				create := func(merchantID string, limit int) error {
					_, err := x.st.CreateWebhook(x.Context(), merchantID, x.newWebhook("a"), limit)
					return err
				}
				x.must(create(x.merchant, 2), "first of two")
				x.must(create(x.merchant, 2), "second of two")
				x.unchanged("a refused CreateWebhook", func() {
					x.fails("third of two", create(x.merchant, 2), store.ErrLimit)
				})
				x.must(create(x.id("merchant"), 1), "first of another merchant")
				x.must(create(x.merchant, 0), "third without a limit")
				page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
				x.must(err, "ListWebhooks")
				x.remove(page.Webhooks[0])
				x.must(create(x.merchant, 3), "third of three after one was deleted")
			},
		},
		{
			name:    "create with a taken id",
			promise: "and with [ErrConflict] if the id is taken",
			run: func(x *trial) {
				w := x.webhook("a")
				again := x.newWebhook("b")
				again.ID = w.ID
				x.unchanged("a refused CreateWebhook", func() {
					_, err := x.st.CreateWebhook(x.Context(), x.merchant, again, 0)
					x.fails("CreateWebhook with a taken id", err, store.ErrConflict)
				})
			},
		},
		{
			name:    "unknown webhook",
			promise: "Webhook returns one webhook or [ErrNotFound].",
			run: func(x *trial) {
				_, err := x.st.Webhook(x.Context(), x.merchant, x.id("whk"))
				x.fails("Webhook of a merchant without any", err, store.ErrNotFound)
				x.webhook("a")
				_, err = x.st.Webhook(x.Context(), x.merchant, x.id("whk"))
				x.fails("Webhook with an unknown id", err, store.ErrNotFound)
			},
		},
		{
			name:    "list is oldest first",
			promise: "ListWebhooks returns the merchant's webhooks, oldest first, ties by id.",
			run: func(x *trial) {
				lower, higher := x.newWebhook("a"), x.newWebhook("a")
				for _, w := range []store.Webhook{higher, lower} {
					_, err := x.st.CreateWebhook(x.Context(), x.merchant, w, 0)
					x.must(err, "CreateWebhook")
				}
				want := []string{lower.ID, higher.ID}
				first := x.newWebhook("a")
				for range 3 {
					x.advance(time.Millisecond)
					want = append(want, x.webhook("a").ID)
				}
				x.advance(time.Millisecond)
				_, err := x.st.CreateWebhook(x.Context(), x.merchant, first, 0)
				x.must(err, "CreateWebhook")
				want = append(want, first.ID)
				page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
				x.must(err, "ListWebhooks")
				sameList(x, "the listed ids", pick(page.Webhooks, webhookID), want)
				for _, w := range page.Webhooks {
					same(x, "a listed webhook", w, x.read(w))
				}
			},
		},
		{
			name:    "list in pages",
			promise: "WebhookPage is a page of webhooks and the number of all that match.",
			run: func(x *trial) {
				var all, active []string
				for i := range 7 {
					x.advance(time.Millisecond)
					w := x.webhook("a")
					all = append(all, w.ID)
					if i%3 == 1 {
						x.disable(w)
					} else {
						active = append(active, w.ID)
					}
				}
				for _, q := range []store.WebhookQuery{
					{},
					{Limit: 3},
					{Limit: 3, Offset: 3},
					{Limit: 3, Offset: 6},
					{Limit: 3, Offset: 7},
					{Offset: 5},
					{Limit: 100},
					{ActiveOnly: true},
					{ActiveOnly: true, Limit: 2},
					{ActiveOnly: true, Limit: 2, Offset: 4},
					{ActiveOnly: true, Offset: 9},
				} {
					list := all
					if q.ActiveOnly {
						list = active
					}
					page, err := x.st.ListWebhooks(x.Context(), x.merchant, q)
					x.must(err, "ListWebhooks")
					want := list[min(q.Offset, len(list)):]
					if q.Limit > 0 {
						want = want[:min(q.Limit, len(want))]
					}
					sameList(x, "the ids for "+show(q), pick(page.Webhooks, webhookID), want)
					equal(x, "Total for "+show(q), page.Total, len(list))
				}
			},
		},
		{
			name:    "list of nobody",
			promise: "A merchant without any is an empty page, not an error.",
			run: func(x *trial) {
				page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{Limit: 10})
				x.must(err, "ListWebhooks of a merchant without any")
				equal(x, "number of webhooks", len(page.Webhooks), 0)
				equal(x, "Total", page.Total, 0)
			},
		},
		{
			name:    "delete",
			promise: "DeleteWebhook forgets the webhook with its deliveries, stats and notices. … no method shows them any more",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("b")
				pending := fanOut(w, x.publish("a", 3)...)
				l := x.take()
				x.finish(failAt(l, 1), store.FinishAccepted)
				x.enable(w)
				leased := x.take()
				kept := fanOut(other, x.publish("b", 1)...)
				x.remove(w)
				x.forgotten(w, append(pending, l.DeliveryID)...)
				x.finish(succeed(leased), store.FinishGone)
				page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
				x.must(err, "ListWebhooks")
				sameList(x, "the webhooks that are left", pick(page.Webhooks, webhookID), []string{other.ID})
				equal(x, "Total", page.Total, 1)
				x.advance(2 * x.lease)
				x.claims("after a webhook was deleted", kept...)
				equal(x, "number of events", len(x.events(store.EventQuery{Limit: 10}).Events), 4)
				x.publish("a", 1)
				x.claims("events that the deleted webhook had subscribed to")
			},
		},
		{
			name:    "delete if unchanged",
			promise: "ifVersion works as in [WebhookUpdate]",
			run: func(x *trial) {
				w := x.webhook("a")
				x.update(w, store.WebhookUpdate{URL: new("https://example.com/new")})
				x.unchanged("a refused DeleteWebhook", func() {
					x.fails("DeleteWebhook with an old version", x.st.DeleteWebhook(x.Context(), x.merchant, w.ID, w.Version), store.ErrVersion)
				})
				x.must(x.st.DeleteWebhook(x.Context(), x.merchant, w.ID, w.Version+1), "DeleteWebhook with the current version")
				x.forgotten(w)
				x.fails("DeleteWebhook again", x.st.DeleteWebhook(x.Context(), x.merchant, w.ID, 0), store.ErrNotFound)
				x.fails("DeleteWebhook of an unknown id", x.st.DeleteWebhook(x.Context(), x.merchant, x.id("whk"), 3), store.ErrNotFound)
			},
		},
	}
}

// forgotten reports if any method still shows a deleted webhook.
func (x *trial) forgotten(w store.Webhook, deliveryIDs ...string) {
	x.Helper()
	ctx := x.Context()
	_, err := x.st.Webhook(ctx, w.MerchantID, w.ID)
	x.fails("Webhook", err, store.ErrNotFound)
	_, err = x.st.UpdateWebhook(ctx, w.MerchantID, w.ID, store.WebhookUpdate{URL: new("https://example.com/new")})
	x.fails("UpdateWebhook", err, store.ErrNotFound)
	_, err = x.st.Deliveries(ctx, w.MerchantID, w.ID, store.DeliveryQuery{Limit: 1})
	x.fails("Deliveries", err, store.ErrNotFound)
	_, err = x.st.Stats(ctx, w.MerchantID, w.ID)
	x.fails("Stats", err, store.ErrNotFound)
	_, err = x.st.Enqueue(ctx, w.MerchantID, w.ID, nil, "nonce")
	x.fails("Enqueue", err, store.ErrNotFound)
	for _, id := range deliveryIDs {
		_, err = x.st.Delivery(ctx, w.MerchantID, w.ID, id)
		x.fails("Delivery", err, store.ErrNotFound)
	}
	notices, err := x.st.ClaimNotices(ctx, endless, time.Second)
	x.must(err, "ClaimNotices")
	for _, n := range notices {
		if n.WebhookID == w.ID {
			x.Errorf("a notice for the deleted webhook is left: %s", show(n))
		}
	}
}
