package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func secretCases() []testCase {
	return []testCase{
		{
			name:    "rotate keeps the previous secret",
			promise: "The one that was current becomes the previous one for KeepPrevious … The previous one is to be honoured until PreviousUntil; afterwards the store returns both fields empty.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				first := x.take()
				same(x, "the lease of before", secretsOf(first), secrets{w.Secret, ""})
				got := x.update(w, store.WebhookUpdate{Rotate: new("two"), KeepPrevious: time.Hour})
				until := x.now.Add(time.Hour)
				want := w
				want.Secret, want.PreviousSecret, want.PreviousUntil, want.Version = "two", w.Secret, until, 2
				same(x, "the webhook that UpdateWebhook returns", got, want)
				x.advance(time.Hour - time.Millisecond)
				same(x, "the webhook a millisecond before PreviousUntil", x.read(w), want)
				same(x, "a lease of then", secretsOf(x.take()), secrets{"two", w.Secret})
				x.advance(2 * time.Millisecond)
				want.PreviousSecret, want.PreviousUntil = "", time.Time{}
				same(x, "the webhook a millisecond after PreviousUntil", x.read(w), want)
				page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
				x.must(err, "ListWebhooks")
				same(x, "the webhook in the list", page.Webhooks[0], want)
				same(x, "a lease of then", secretsOf(x.take()), secrets{"two", ""})
			},
		},
		{
			name:    "the previous secret ends whoever looks first",
			promise: "The previous one is to be honoured until PreviousUntil; afterwards the store returns both fields empty. … empty once its time is over",
			run: func(x *trial) {
				for _, look := range []struct {
					by  string
					get func(w store.Webhook) secrets
				}{
					{"Claim", func(store.Webhook) secrets { return secretsOf(x.take()) }},
					{"Webhook", func(w store.Webhook) secrets { w = x.read(w); return secrets{w.Secret, w.PreviousSecret} }},
					{"UpdateWebhook", func(w store.Webhook) secrets {
						w = x.update(w, store.WebhookUpdate{URL: new("https://example.com/new")})
						return secrets{w.Secret, w.PreviousSecret}
					}},
					{"ListWebhooks", func(store.Webhook) secrets {
						page, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{})
						x.must(err, "ListWebhooks")
						return secrets{page.Webhooks[0].Secret, page.Webhooks[0].PreviousSecret}
					}},
				} {
					w := x.webhook("a")
					x.publish("a", 1)
					x.update(w, store.WebhookUpdate{Rotate: new("two"), KeepPrevious: time.Hour})
					x.advance(time.Hour + time.Millisecond)
					same(x, "what "+look.by+" shows after PreviousUntil", look.get(w), secrets{"two", ""})
					x.remove(w)
				}
			},
		},
		{
			name:    "rotate twice",
			promise: "Rotate replaces the secret. The one that was current becomes the previous one for KeepPrevious",
			run: func(x *trial) {
				w := x.webhook("a")
				x.update(w, store.WebhookUpdate{Rotate: new("two"), KeepPrevious: time.Hour})
				x.advance(30 * time.Minute)
				got := x.update(w, store.WebhookUpdate{Rotate: new("three"), KeepPrevious: time.Hour})
				equal(x, "Secret", got.Secret, "three")
				equal(x, "PreviousSecret", got.PreviousSecret, "two")
				equal(x, "PreviousUntil", show(got.PreviousUntil), show(x.now.Add(time.Hour)))
				x.advance(45 * time.Minute)
				same(x, "the webhook after the first rotation's time", x.read(w), got)
			},
		},
		{
			name:    "rotate at once",
			promise: "or is gone at once if that is 0",
			run: func(x *trial) {
				w := x.webhook("a")
				got := x.update(w, store.WebhookUpdate{Rotate: new("two")})
				same(x, "the secrets", secrets{got.Secret, got.PreviousSecret}, secrets{"two", ""})
				equal(x, "PreviousUntil", show(got.PreviousUntil), show(time.Time{}))
				x.update(w, store.WebhookUpdate{Rotate: new("three"), KeepPrevious: time.Hour})
				got = x.update(w, store.WebhookUpdate{Rotate: new("four")})
				same(x, "the secrets within another one's time", secrets{got.Secret, got.PreviousSecret}, secrets{"four", ""})
				same(x, "the webhook read again", x.read(w), got)
			},
		},
		{
			name:    "reseal",
			promise: "Reseal replaces sealed text by other text of the same secrets and headers, and PreviousUntil stays.",
			run: func(x *trial) {
				w := x.webhook("a")
				got := x.update(w, store.WebhookUpdate{Reseal: &store.Reseal{OldSecret: w.Secret, Secret: "one resealed"}})
				same(x, "the webhook without a previous secret", got, w, "Secret", "Version")
				equal(x, "Secret", got.Secret, "one resealed")
				got = x.update(w, store.WebhookUpdate{Rotate: new("two"), KeepPrevious: time.Hour})
				x.advance(time.Minute)
				sealed := x.update(w, store.WebhookUpdate{Reseal: &store.Reseal{
					OldSecret: "two", OldPrevious: "one resealed", Secret: "two resealed", Previous: "one resealed again",
				}})
				same(x, "the webhook with a previous secret", sealed, got, "Secret", "PreviousSecret", "Version", "UpdatedAt")
				same(x, "its secrets", secrets{sealed.Secret, sealed.PreviousSecret}, secrets{"two resealed", "one resealed again"})
				same(x, "the webhook read again", x.read(w), sealed)
				x.advance(time.Hour)
				sealed = x.update(w, store.WebhookUpdate{Reseal: &store.Reseal{OldSecret: "two resealed", Secret: "two again"}})
				same(x, "the secrets after PreviousUntil", secrets{sealed.Secret, sealed.PreviousSecret}, secrets{"two again", ""})
			},
		},
		{
			name:    "reseal of what has changed",
			promise: "It applies only if the current values still are those that it calls old, otherwise UpdateWebhook fails with [ErrVersion].",
			run: func(x *trial) {
				w := x.webhook("a")
				x.update(w, store.WebhookUpdate{Rotate: new("two"), KeepPrevious: time.Hour})
				for _, r := range []store.Reseal{
					{OldSecret: w.Secret, OldPrevious: "", Secret: "x"},
					{OldSecret: "two", OldPrevious: "", Secret: "x"},
					{OldSecret: "two", OldPrevious: "other", Secret: "x", Previous: "y"},
					{OldSecret: "other", OldPrevious: w.Secret, Secret: "x", Previous: "y"},
				} {
					x.unchanged("a refused Reseal", func() {
						_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{URL: new("https://example.com/new"), Reseal: &r})
						x.fails("UpdateWebhook with "+show(r), err, store.ErrVersion)
					})
				}
			},
		},
	}
}

// secrets is what signs the requests to a webhook.
type secrets struct{ Secret, PreviousSecret string }

func secretsOf(l store.Lease) secrets { return secrets{l.Secret, l.PreviousSecret} }
