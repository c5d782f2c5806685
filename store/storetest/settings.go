package storetest

import (
	"maps"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func settingCases() []testCase {
	return []testCase{
		{
			name:    "create keeps them",
			promise: "CreateWebhook stores w under merchantID … and returns what it stored.",
			run: func(x *trial) {
				for _, text := range []string{" two  words\n", "v1.k1.AAEC+/8=", "é世\u2028\x00", `{"a":"b"}`, "-", "nil"} {
					given := x.newWebhook("a")
					given.Description, given.Headers, given.RateLimit = text, "sealed "+text, 10_000
					given.Metadata = map[string]string{text: "value", "key": text, "": "", text + text: text}
					w, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
					x.must(err, "CreateWebhook")
					except := []string{"MerchantID", "Epoch", "Version", "CreatedAt", "UpdatedAt"}
					same(x, "the webhook that CreateWebhook returns", w, given, except...)
					same(x, "the webhook that Webhook returns", x.read(w), given, except...)
					page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
					x.must(err, "ListWebhooks")
					same(x, "the listed webhook", page.Webhooks[0], given, except...)
					x.remove(w)
				}
			},
		},
		{
			name:    "change and clear",
			promise: "Nil fields stay as they are. … replaces all of it; empty, but not nil, clears it … sealed text; empty clears it … 0 takes the limit away.",
			run: func(x *trial) {
				w := x.webhook("a")
				for _, step := range []struct {
					update store.WebhookUpdate
					change func(*store.Webhook)
				}{
					{store.WebhookUpdate{Description: new("one")}, func(w *store.Webhook) { w.Description = "one" }},
					{store.WebhookUpdate{Metadata: map[string]string{"a": "1", "b": "2"}}, func(w *store.Webhook) {
						w.Metadata = map[string]string{"a": "1", "b": "2"}
					}},
					{store.WebhookUpdate{Headers: new("seal one")}, func(w *store.Webhook) { w.Headers = "seal one" }},
					{store.WebhookUpdate{RateLimit: new(5)}, func(w *store.Webhook) { w.RateLimit = 5 }},
					{store.WebhookUpdate{URL: new("https://example.com/new")}, func(w *store.Webhook) { w.URL = "https://example.com/new" }},
					{store.WebhookUpdate{Metadata: map[string]string{"b": "3", "c": ""}}, func(w *store.Webhook) {
						w.Metadata = map[string]string{"b": "3", "c": ""}
					}},
					{store.WebhookUpdate{Headers: new("seal two"), RateLimit: new(7), Description: new("two")}, func(w *store.Webhook) {
						w.Headers, w.RateLimit, w.Description = "seal two", 7, "two"
					}},
					{store.WebhookUpdate{Metadata: map[string]string{}}, func(w *store.Webhook) { w.Metadata = nil }},
					{store.WebhookUpdate{Description: new("")}, func(w *store.Webhook) { w.Description = "" }},
					{store.WebhookUpdate{Headers: new("")}, func(w *store.Webhook) { w.Headers = "" }},
					{store.WebhookUpdate{RateLimit: new(0)}, func(w *store.Webhook) { w.RateLimit = 0 }},
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
			name:    "not if it has changed",
			promise: "with [ErrVersion] if u.IfVersion is set and differs",
			run: func(x *trial) {
				w := x.limited(2, "a")
				x.publish("a", 5)
				x.takesExactly("a full bucket", 2)
				x.unchanged("a refused UpdateWebhook", func() {
					_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{
						IfVersion: w.Version + 1, Description: new("x"), Metadata: map[string]string{"a": "b"}, Headers: new("x"), RateLimit: new(5),
					})
					x.fails("UpdateWebhook with another version", err, store.ErrVersion)
				})
				x.takesExactly("a bucket after a refused change of the rate", 0)
			},
		},
		{
			name:    "headers of a lease",
			promise: "The webhook as it was when claimed. … sealed, empty if there are none",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 3)
				equal(x, "Headers of a lease without any", x.take().Headers, "")
				x.update(w, store.WebhookUpdate{Headers: new("seal one")})
				l := x.take()
				equal(x, "Headers of a lease", l.Headers, "seal one")
				x.update(w, store.WebhookUpdate{Headers: new("")})
				equal(x, "Headers of a lease after they were cleared", x.take().Headers, "")
			},
		},
		{
			name:    "reseal",
			promise: "Reseal replaces sealed text by other text of the same secrets and headers",
			run: func(x *trial) {
				w := x.update(x.webhook("a"), store.WebhookUpdate{Headers: new("seal one")})
				got := x.update(w, store.WebhookUpdate{Reseal: &store.Reseal{
					OldSecret: w.Secret, OldHeaders: "seal one", Secret: "secret again", Headers: "headers again",
				}})
				same(x, "the resealed webhook", got, w, "Secret", "Headers", "Version")
				equal(x, "its Secret", got.Secret, "secret again")
				equal(x, "its Headers", got.Headers, "headers again")
				same(x, "the webhook read again", x.read(w), got)
			},
		},
		{
			name:    "reseal of headers that have changed",
			promise: "It applies only if the current values still are those that it calls old, otherwise UpdateWebhook fails with [ErrVersion].",
			run: func(x *trial) {
				w := x.update(x.webhook("a"), store.WebhookUpdate{Headers: new("seal one")})
				for _, r := range []store.Reseal{
					{OldSecret: w.Secret, OldHeaders: "", Secret: "x"},
					{OldSecret: w.Secret, OldHeaders: "another", Secret: "x", Headers: "y"},
					{OldSecret: "another", OldHeaders: "seal one", Secret: "x", Headers: "y"},
				} {
					x.unchanged("a refused Reseal", func() {
						_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{Reseal: &r})
						x.fails("UpdateWebhook with "+show(r), err, store.ErrVersion)
					})
				}
			},
		},
		{
			name:    "metadata is the caller's",
			promise: "A store neither keeps nor changes a slice, map or struct passed to it after the method returned, and what it returns belongs to the caller",
			run: func(x *trial) {
				given := x.newWebhook("a")
				given.Metadata = map[string]string{"a": "1"}
				w, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
				x.must(err, "CreateWebhook")
				spoil := func(m map[string]string) {
					maps.DeleteFunc(m, func(string, string) bool { return true })
					m["spoilt"] = "yes"
				}
				want := map[string]string{"a": "1"}
				still := func(after string) {
					x.Helper()
					equal(x, "Metadata after "+after, show(x.read(w).Metadata), show(want))
				}
				spoil(given.Metadata)
				still("the caller changed what it created with")
				spoil(w.Metadata)
				spoil(x.read(w).Metadata)
				still("callers changed what they got")
				page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
				x.must(err, "ListWebhooks")
				spoil(page.Webhooks[0].Metadata)
				still("a caller changed what was listed")
				u := store.WebhookUpdate{Metadata: map[string]string{"b": "2"}}
				want = map[string]string{"b": "2"}
				spoil(x.update(w, u).Metadata)
				spoil(u.Metadata)
				still("the caller changed what it updated with")
			},
		},
	}
}
