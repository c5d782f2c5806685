package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func updateCases() []testCase {
	return []testCase{
		{
			name:    "each field alone",
			promise: "WebhookUpdate says what to change. Nil fields stay as they are. … UpdateWebhook applies u in one step, adds 1 to Version and returns the result.",
			run: func(x *trial) {
				w := x.webhook("a", "b")
				for _, step := range []struct {
					update store.WebhookUpdate
					change func(*store.Webhook)
				}{
					{store.WebhookUpdate{}, func(*store.Webhook) {}},
					{store.WebhookUpdate{URL: new("https://example.com/new")}, func(w *store.Webhook) { w.URL = "https://example.com/new" }},
					{store.WebhookUpdate{Events: []string{"c", "a"}}, func(w *store.Webhook) { w.Events = []string{"c", "a"} }},
					{store.WebhookUpdate{Encoding: new("ascii")}, func(w *store.Webhook) { w.Encoding = "ascii" }},
					{store.WebhookUpdate{Rotate: new("other seal")}, func(w *store.Webhook) { w.Secret = "other seal" }},
					{store.WebhookUpdate{Status: new(store.Active)}, func(*store.Webhook) {}},
					{store.WebhookUpdate{Status: new(store.Disabled), Reason: "why"}, func(w *store.Webhook) {
						w.Status, w.DisabledReason, w.DisabledAt = store.Disabled, "why", w.UpdatedAt
					}},
					{store.WebhookUpdate{URL: new("https://example.com/all"), Events: []string{"d"}, Encoding: new("html")}, func(w *store.Webhook) {
						w.URL, w.Events, w.Encoding = "https://example.com/all", []string{"d"}, "html"
					}},
				} {
					x.advance(time.Second)
					got := x.update(w, step.update)
					w.Version++
					w.UpdatedAt = x.now
					step.change(&w)
					same(x, "the webhook that UpdateWebhook returns for "+show(step.update), got, w)
					same(x, "the webhook that Webhook returns", x.read(w), w)
				}
			},
		},
		{
			name:    "if unchanged",
			promise: "It fails with [ErrNotFound], and with [ErrVersion] if u.IfVersion is set and differs.",
			run: func(x *trial) {
				w := x.webhook("a")
				w2 := x.update(w, store.WebhookUpdate{IfVersion: w.Version, URL: new("https://example.com/2")})
				for _, version := range []int64{w.Version, w2.Version + 1} {
					x.unchanged("a refused UpdateWebhook", func() {
						_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{
							IfVersion: version, URL: new("https://example.com/3"), Events: []string{"b"}, Rotate: new("other"), Status: new(store.Disabled),
						})
						x.fails("UpdateWebhook with another version", err, store.ErrVersion)
					})
				}
				_, err := x.st.UpdateWebhook(x.Context(), x.merchant, x.id("whk"), store.WebhookUpdate{IfVersion: 1})
				x.fails("UpdateWebhook of an unknown id", err, store.ErrNotFound)
				x.publish("b", 1)
				x.publish("a", 1)
				equal(x, "number of deliveries after a refused change of Events", x.stats(w).Total, 1)
			},
		},
		{
			name:    "subscriptions",
			promise: "one pending delivery, due now, for each webhook that is active and subscribed at this moment",
			run: func(x *trial) {
				w := x.webhook("a", "b")
				x.update(w, store.WebhookUpdate{Events: []string{"b", "c"}})
				x.publish("a", 1)
				want := fanOut(w, append(x.publish("b", 1), x.publish("c", 1)...)...)
				x.claims("after b, c were subscribed to instead of a, b", want...)
				x.update(w, store.WebhookUpdate{Events: []string{store.EveryType}})
				want = fanOut(w, append(x.publish("a", 1), x.publish("z", 1)...)...)
				x.claims("after every type was subscribed to", want...)
				x.update(w, store.WebhookUpdate{Events: []string{"a"}})
				x.publish("z", 1)
				x.claims("after only a was subscribed to", fanOut(w, x.publish("a", 1)...)...)
			},
		},
		{
			name:    "disable",
			promise: "DisabledReason and DisabledAt tell why and when the webhook was disabled. … Setting the status it already has changes none of these.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, fail)
				x.advance(time.Second)
				at := x.now
				w = x.update(w, store.WebhookUpdate{Status: new(store.Disabled), Reason: "first"})
				equal(x, "DisabledReason", w.DisabledReason, "first")
				equal(x, "DisabledAt", show(w.DisabledAt), show(at))
				equal(x, "ConsecutiveFailures of the disabled webhook", w.ConsecutiveFailures, 1)
				equal(x, "Epoch of the disabled webhook", w.Epoch, 1)
				x.advance(time.Second)
				again := x.update(w, store.WebhookUpdate{Status: new(store.Disabled), Reason: "second"})
				same(x, "the webhook disabled again", again, w, "Version", "UpdatedAt")
				notices, err := x.st.ClaimNotices(x.Context(), 10, time.Second)
				x.must(err, "ClaimNotices")
				equal(x, "number of notices for a webhook disabled by hand", len(notices), 0)
			},
		},
		{
			name:    "enable",
			promise: "Turning a disabled webhook active empties DisabledReason and DisabledAt, sets ConsecutiveFailures to 0 and adds 1 to Epoch",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, fail)
				x.ended(w, func(l store.Lease) store.Result { return failAt(l, 2) })
				equal(x, "Status after two failures", x.read(w).Status, store.Disabled)
				x.advance(time.Second)
				got := x.enable(w)
				same(x, "the enabled webhook", got, store.Webhook{
					ID: w.ID, MerchantID: x.merchant, URL: w.URL, Events: w.Events, Status: store.Active, Secret: w.Secret,
					Encoding: w.Encoding, Epoch: 2, CreatedAt: w.CreatedAt, UpdatedAt: x.now,
				}, "Version")
				same(x, "the enabled webhook read again", x.read(w), got)
				x.disable(w)
				equal(x, "Epoch once enabled twice", x.enable(w).Epoch, 3)
			},
		},
		{
			name:    "enable what is active",
			promise: "Setting the status it already has changes none of these.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, fail)
				x.ended(w, fail)
				w = x.read(w)
				equal(x, "ConsecutiveFailures after two failures", w.ConsecutiveFailures, 2)
				same(x, "the active webhook enabled", x.enable(w), w, "Version", "UpdatedAt")
				same(x, "the active webhook with another URL", x.update(w, store.WebhookUpdate{URL: new("https://example.com/new")}), w, "Version", "UpdatedAt", "URL")
			},
		},
		{
			name:    "enable goes on with paused deliveries",
			promise: "its paused deliveries are claimable at once if due",
			run: func(x *trial) {
				w := x.webhook("a")
				later := x.publish("a", 1)
				x.finish(retry(x.take(), time.Hour), store.FinishAccepted)
				due := x.publish("a", 2)
				x.disable(w)
				x.publish("a", 1)
				x.claims("while the webhook is disabled")
				equal(x, "Pending while the webhook is disabled", x.stats(w).Pending, 3)
				x.enable(w)
				x.claims("once the webhook is enabled", fanOut(w, due...)...)
				x.advance(time.Hour)
				x.claims("an hour later", fanOut(w, append(due, later...)...)...)
			},
		},
		{
			name:    "version after a failure disabled",
			promise: "Version counts changes by CreateWebhook and UpdateWebhook, from 1, and changes when Finish disables the webhook.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.ended(w, fail)
				x.ended(w, succeed)
				equal(x, "Version after results that do not disable", x.read(w).Version, w.Version)
				x.ended(w, func(l store.Lease) store.Result { return failAt(l, 1) })
				if x.read(w).Version == w.Version {
					x.Errorf("Version is %d before and after Finish disabled the webhook", w.Version)
				}
				_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{IfVersion: w.Version, Status: new(store.Active)})
				x.fails("UpdateWebhook with the version of before", err, store.ErrVersion)
			},
		},
	}
}
