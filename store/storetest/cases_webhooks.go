package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func webhookCases() []testCase {
	return []testCase{
		{
			name:    "volatile",
			promise: "A wrapper of a volatile store forwards the method.",
			run: func(x *trial) {
				v, ok := x.st.(store.Volatile)
				equal(x, "Volatile", ok && v.Volatile(), x.harness.Volatile)
			},
		},
		{
			name:    "stored as given",
			promise: "CreateWebhook stores w under merchantID with Version 1, Epoch 1, the status of w, and the store's time as CreatedAt and UpdatedAt, and returns what it stored. Counters, times and the Mark in w are ignored.",
			run: func(x *trial) {
				w := x.newWebhook("b", "a", "a")
				w.Status, w.DisabledReason, w.RateLimit = store.Disabled, " why ", 7
				w.URL, w.Secret, w.Encoding, w.Headers = "https://exämple.com/ \n", " sealed\x00\xff ", " ascii ", "\x00"
				w.Description, w.Metadata = " about ", map[string]string{"": "", " k\x00": " v\xff", "empty": ""}
				want := w
				want.MerchantID, want.Version, want.Epoch, want.CreatedAt, want.UpdatedAt = x.merchant, 1, 1, x.now, x.now
				w.Version, w.Epoch, w.ConsecutiveFailures, w.Disablings, w.Mark = 9, 9, 9, 9, "mark"
				w.CreatedAt, w.FailingSince, w.PrunedUntil = x.now.Add(-time.Hour), x.now, x.now
				got, err := x.st.CreateWebhook(x.Context(), x.merchant, w, 0)
				x.must(err, "CreateWebhook")
				same(x, "the answer", got, want)
				same(x, "the webhook", x.read(want), want)
			},
		},
		{
			name:    "listed in pages",
			promise: "ListWebhooks returns a page of the merchant's webhooks, oldest first, ties by id. A merchant without any is an empty page, not an error.",
			run: func(x *trial) {
				sameList(x, "webhooks of nobody", x.webhooks("nobody", store.WebhookQuery{Limit: 1}), nil)
				var want []string
				made := []store.Webhook{x.newWebhook("a"), x.newWebhook("a"), x.newWebhook("a"), x.newWebhook("a"), x.newWebhook("a")}
				for _, i := range []int{3, 1, 4, 0, 2} {
					_, err := x.st.CreateWebhook(x.Context(), x.merchant, made[i], 0)
					x.must(err, "CreateWebhook")
					want = append(want, made[i].ID)
					if i != 1 {
						x.advance(time.Millisecond)
					}
				}
				for limit := range len(want) + 1 {
					sameList(x, nth("webhooks in pages of", limit+1), pick(x.webhooks(x.merchant, store.WebhookQuery{Limit: limit + 1}), webhookID), want)
				}
				for _, id := range want[:3] {
					x.disable(store.Webhook{MerchantID: x.merchant, ID: id})
				}
				sameList(x, "active webhooks", pick(x.webhooks(x.merchant, store.WebhookQuery{ActiveOnly: true, Limit: 1}), webhookID), want[3:])
			},
		},
		{
			name:    "merchants",
			promise: "Merchants lists the ids of the merchants that have webhooks, each once, in an order of the store's.",
			run: func(x *trial) {
				x.webhook("a")
				x.webhook("a")
				w := x.create("another", "a")
				want := []string{"another", x.merchant, x.bystander.MerchantID}
				slices.Sort(want)
				for limit := range 4 {
					sameList(x, nth("the merchants in pages of", limit+1), slices.Sorted(slices.Values(x.merchants(limit+1))), want)
				}
				x.remove(w)
				equal(x, "number of merchants after the last webhook of one was deleted", len(x.merchants(9)), 2)
			},
		},
		{
			name:    "secrets",
			promise: "The previous one is to be honoured until PreviousUntil. After that the store returns both fields empty.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				x.update(w, store.WebhookUpdate{Rotate: new("two"), KeepPrevious: time.Hour})
				until := x.now.Add(time.Hour)
				x.advance(time.Minute)
				reseal := store.Reseal{OldSecret: "two", OldPrevious: w.Secret, Secret: "resealed two", Previous: "resealed one"}
				got := x.update(w, store.WebhookUpdate{Reseal: &reseal})
				equal(x, "PreviousUntil after Reseal", show(got.PreviousUntil), show(until))
				equal(x, "PreviousSecret of a lease", x.take().PreviousSecret, "resealed one")
				_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{Reseal: &reseal})
				x.fails("Reseal of what has changed", err, store.ErrVersion)
				headers := store.Reseal{OldSecret: "resealed two", OldPrevious: "resealed one", OldHeaders: "others", Secret: "s", Headers: "h"}
				_, err = x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{Reseal: &headers})
				x.fails("Reseal of other headers", err, store.ErrVersion)
				got = x.update(w, store.WebhookUpdate{Rotate: new("three"), KeepPrevious: time.Hour})
				equal(x, "PreviousSecret after two rotations", got.PreviousSecret, "resealed two")
				x.advance(time.Hour + time.Millisecond)
				got = x.read(w)
				equal(x, "PreviousSecret after PreviousUntil", got.PreviousSecret, "")
				equal(x, "PreviousUntil after PreviousUntil", got.PreviousUntil.IsZero(), true)
				equal(x, "PreviousSecret of a lease after PreviousUntil", x.take().PreviousSecret, "")
			},
		},
		{
			name:    "another version",
			promise: "It fails with [ErrNotFound], and with [ErrVersion] if u.IfVersion is set and differs.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.unchanged("changes of another version", func() {
					_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{IfVersion: w.Version + 1, RateLimit: new(5), Events: []string{"b"}})
					x.fails("UpdateWebhook", err, store.ErrVersion)
					x.fails("DeleteWebhook", x.st.DeleteWebhook(x.Context(), x.merchant, w.ID, w.Version+1), store.ErrVersion)
				})
				equal(x, "Version after an update", x.update(w, store.WebhookUpdate{IfVersion: w.Version}).Version, w.Version+1)
				x.must(x.st.DeleteWebhook(x.Context(), x.merchant, w.ID, w.Version+1), "DeleteWebhook of the current version")
			},
		},
		{
			name:    "of another merchant",
			promise: "A record of another merchant is [ErrNotFound], the same as one that never was.",
			run:     strangers,
		},
		{
			name:    "kept apart from the caller's memory",
			promise: "A store neither keeps nor changes a slice, map or struct that was passed to it after the method has returned. What a method returns belongs to the caller, except for bodies",
			run: func(x *trial) {
				given := x.newWebhook("a", "b")
				given.Metadata = map[string]string{"k": "v"}
				w, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
				x.must(err, "CreateWebhook")
				given.Events[0], given.Metadata["k"] = "spoilt", "spoilt"
				want := x.read(store.Webhook{MerchantID: x.merchant, ID: given.ID})
				equal(x, "Events after the caller changed what it passed", show(want.Events), show([]string{"a", "b"}))
				equal(x, "Metadata after the caller changed what it passed", want.Metadata["k"], "v")
				got := x.read(w)
				got.Events[0], got.Metadata["k"] = "spoilt", "spoilt"
				listed := x.webhooks(x.merchant, store.WebhookQuery{Limit: 1})[0]
				listed.Events[1], listed.Metadata["k"] = "spoilt", "spoilt"
				equal(x, "Events after the caller changed what it got", show(x.read(w).Events), show([]string{"a", "b"}))
				equal(x, "Metadata after the caller changed what it got", x.read(w).Metadata["k"], "v")

				e := x.newEvent("a")
				body := string(e.Body)
				x.publishAll(e)
				e.Body[0] = 'x'
				l := x.take()
				equal(x, "Body after the caller changed what it passed", string(l.Body), body)
				x.finish(succeed(l), store.FinishAccepted)
				x.delivery(w, l.DeliveryID).Log[0].Code = "spoilt"
				equal(x, "Code of an attempt after the caller changed what it got", x.delivery(w, l.DeliveryID).Log[0].Code, "")
			},
		},
	}
}

// strangers asks for everything that a merchant has as another merchant does, who has
// a webhook, too.
func strangers(x *trial) {
	w, mine := x.webhook("a"), x.bystander
	e := x.newEvent("a")
	x.publishAll(e)
	l := x.take()
	f := x.finish(failAt(l, 1), store.FinishAccepted)
	equal(x, "Disabled", f.Disabled, true)
	x.enable(w)
	x.enqueue(w, e.ID, "once more")
	l = x.take()
	ns, err := x.st.ClaimNotices(x.Context(), 1, time.Hour)
	x.must(err, "ClaimNotices")
	ctx, st, me := x.Context(), x.st, mine.MerchantID
	x.unchanged("a stranger", func() {
		for name, ask := range map[string]func() error{
			"Webhook": func() error { _, err := st.Webhook(ctx, me, w.ID); return err },
			"UpdateWebhook": func() error {
				_, err := st.UpdateWebhook(ctx, me, w.ID, store.WebhookUpdate{URL: new("x")})
				return err
			},
			"UpdateWebhook with a version": func() error {
				_, err := st.UpdateWebhook(ctx, me, w.ID, store.WebhookUpdate{IfVersion: 99})
				return err
			},
			"UpdateWebhook with a reseal": func() error {
				_, err := st.UpdateWebhook(ctx, me, w.ID, store.WebhookUpdate{Reseal: &store.Reseal{OldSecret: "a guess"}})
				return err
			},
			"DeleteWebhook":                func() error { return st.DeleteWebhook(ctx, me, w.ID, 0) },
			"DeleteWebhook with a version": func() error { return st.DeleteWebhook(ctx, me, w.ID, 99) },
			"Publish of a test": func() error {
				_, err := st.Publish(ctx, me, []store.NewEvent{x.testEvent(w)})
				return err
			},
			"Enqueue":  func() error { _, err := st.Enqueue(ctx, me, w.ID, []string{e.ID}, "n"); return err },
			"Event":    func() error { _, err := st.Event(ctx, me, e.ID); return err },
			"Delivery": func() error { _, err := st.Delivery(ctx, me, w.ID, l.DeliveryID); return err },
			"Delivery of a webhook of its own": func() error {
				_, err := st.Delivery(ctx, me, mine.ID, l.DeliveryID)
				return err
			},
			"Deliveries": func() error { _, err := st.Deliveries(ctx, me, w.ID, store.DeliveryQuery{Limit: 1}); return err },
			"Stats":      func() error { _, err := st.Stats(ctx, me, w.ID); return err },
			"AddNotice":  func() error { _, err := st.AddNotice(ctx, me, store.Notice{WebhookID: w.ID}, "", "m"); return err },
		} {
			x.fails(name, ask(), store.ErrNotFound)
		}
		got, err := st.Enqueue(ctx, me, mine.ID, []string{e.ID}, "n")
		x.must(err, "Enqueue of another merchant's event")
		equal(x, "the answer to Enqueue of another merchant's event", got[0], store.Enqueued{})
		_, known := st.Events(ctx, me, store.EventQuery{WebhookID: w.ID, Limit: 1})
		_, unknown := st.Events(ctx, me, store.EventQuery{WebhookID: "none", Limit: 1})
		equal(x, "error of Events for another merchant's webhook", sentinel(known), sentinel(unknown))
		r := succeed(l)
		r.MerchantID = me
		x.finish(r, store.FinishGone) //nolint:contextcheck // It is the same one.
		x.must(st.DeferNotice(ctx, me, ns[0].ID, ns[0].Token, 0), "DeferNotice of another merchant's notice")
		x.must(st.AckNotice(ctx, me, ns[0].ID), "AckNotice of another merchant's notice")
	})
	equal(x, "number of notices that another merchant has put off", len(x.notices(1)), 0)
	x.advance(time.Hour + time.Millisecond)
	equal(x, "number of notices after another merchant acknowledged them", len(x.notices(1)), 1)
	other, err := x.st.CreateWebhook(x.Context(), x.id("merchant"), x.newWebhook("a"), 1)
	x.must(err, "CreateWebhook of another merchant's first webhook")
	again := e
	again.Body, again.Fingerprint = []byte("another body"), "another"
	ps, err := x.st.Publish(x.Context(), other.MerchantID, []store.NewEvent{again})
	x.must(err, "Publish of an id that another merchant has")
	equal(x, "Conflict of an id that another merchant has", ps[0].Conflict, false)
	for _, l := range x.claim(endless) {
		if l.MerchantID == other.MerchantID {
			equal(x, "Body of an event whose id another merchant has", string(l.Body), "another body")
		}
	}
}

// notices claims up to limit notices for an hour.
func (x *trial) notices(limit int) []store.NoticeLease {
	x.Helper()
	ns, err := x.st.ClaimNotices(x.Context(), limit, time.Hour)
	x.must(err, "ClaimNotices")
	return ns
}

func publishCases() []testCase {
	return []testCase{
		{
			name:    "the same event again",
			promise: "The same id with the same fingerprint again stores nothing and answers the deliveries of the first time with Duplicate set. With another fingerprint it stores nothing and answers Conflict.",
			run: func(x *trial) {
				x.webhook("a")
				e := x.newEvent("a")
				first := x.publishAll(e)[0]
				equal(x, "number of deliveries", len(first.Deliveries), 1)
				x.finish(succeed(x.take()), store.FinishAccepted)
				x.unchanged("the same event again", func() {
					again := x.publishAll(e, e)[1]
					equal(x, "Duplicate", again.Duplicate, true)
					sameList(x, "the deliveries", again.Deliveries, first.Deliveries)
					other := e
					other.Fingerprint = "another"
					equal(x, "Conflict with another fingerprint", x.publishAll(other)[0].Conflict, true)
				})
				x.claims("an event that was published again")
			},
		},
		{
			name:    "nothing, and what fails",
			promise: "Each event is stored whole or not at all. … If Publish returns an error, some events may have been stored. To publish them again is safe.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publishAll()
				e, test := x.newEvent("a"), x.newEvent("a")
				test.Test = x.id("whk")
				_, err := x.st.Publish(x.Context(), x.merchant, []store.NewEvent{test, e})
				x.fails("Publish of a test for nobody", err, store.ErrNotFound)
				_, err = x.st.Event(x.Context(), x.merchant, test.ID)
				x.fails("Event of a test for nobody", err, store.ErrNotFound)
				equal(x, "number of deliveries of an event that was published again", len(x.publishAll(e)[0].Deliveries), 1)
				equal(x, "number of deliveries", x.stats(w).Total, 1)
			},
		},
		{
			name:    "a test",
			promise: "The event goes to that webhook only, whatever its status and subscriptions, and is not listed by Events.",
			run: func(x *trial) {
				w := x.disable(x.webhook("a"))
				x.webhook(store.EveryType)
				e := x.testEvent(w)
				e.Forged, e.Trace = true, "trace"
				sameList(x, "the deliveries", pick(x.publishAll(e)[0].Deliveries, func(p store.PublishedDelivery) string { return p.WebhookID }), []string{w.ID})
				l := x.take()
				equal(x, "Test, Forged and Trace of the lease", fmt.Sprint(l.Test, l.Forged, " ", l.Trace), "true true trace")
				equal(x, "number of events that are listed", len(x.events(x.merchant, store.EventQuery{Limit: 9})), 0)
			},
		},
		{
			name:    "once more",
			promise: "the same webhook, event and nonce again answer the same delivery for as long as that is kept, and change nothing",
			run: func(x *trial) {
				w := x.disable(x.webhook("a"))
				e := x.publish("b", 1)[0]
				id := x.enqueue(w, e, "nonce")
				equal(x, "the same nonce", x.enqueue(w, e, "nonce"), id)
				if id == "" || x.enqueue(w, e, "another") == id {
					x.Errorf("another nonce answers %q, want another delivery", id)
				}
				x.enable(w)
				for _, l := range x.claim(2) {
					x.finish(succeed(l), store.FinishAccepted)
				}
				x.unchanged("the same nonce when the delivery has ended", func() {
					equal(x, "the same nonce when the delivery has ended", x.enqueue(w, e, "nonce"), id)
				})
				x.advance(time.Hour)
				x.prune(store.PruneRequest{DeliveryAge: time.Minute})
				if again := x.enqueue(w, e, "nonce"); again == id || again == "" {
					x.Errorf("the same nonce when the delivery was pruned answers %q, want a new delivery", again)
				}
			},
		},
		{
			name:    "once more, too often",
			promise: "MaxEnqueued is how many kept deliveries of one event to one webhook Enqueue can have made.",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("a")
				x.per = endless
				es := x.publish("a", 2)
				x.publish("a", 30)
				var ids []string
				for i := range store.MaxEnqueued {
					ids = append(ids, x.enqueue(w, es[0], nth("nonce", i)))
				}
				full := func(when string, w store.Webhook, event, nonce string, want bool) {
					x.Helper()
					got, err := x.st.Enqueue(x.Context(), x.merchant, w.ID, []string{event}, nonce)
					x.must(err, "Enqueue")
					if got[0].Full != want || (got[0].DeliveryID == "") != want {
						x.Errorf("Enqueue of %s answers %s, want Full to be %t", when, show(got[0]), want)
					}
				}
				if slices.Contains(ids, "") {
					x.Errorf("Enqueue makes %v, want %d deliveries", ids, store.MaxEnqueued)
				}
				full("one more", w, es[0], "more", true)
				full("a nonce of before", w, es[0], "nonce 3", false)
				full("another event", w, es[1], "more", false)
				full("another webhook", other, es[0], "more", false)
				for _, l := range x.claim(endless) {
					x.finish(succeed(l), store.FinishAccepted)
				}
				full("one more when all have ended", w, es[0], "more", true)
				x.advance(time.Hour)
				x.prune(store.PruneRequest{DeliveryAge: time.Minute})
				full("one more when all were pruned", w, es[0], "more", false)
			},
		},
		{
			name:    "ids",
			promise: `"whdel_" and up to 34 letters, digits, '-' or '_', unique and never used again`,
			run: func(x *trial) {
				x.per = endless
				known := map[string]bool{}
				for range 3 {
					w := x.webhook("a")
					e := x.newEvent("a")
					ids := []string{x.publishAll(e)[0].Deliveries[0].ID, x.enqueue(w, e.ID, "n")}
					for _, id := range ids {
						if known[id] || !deliveryIDs.MatchString(id) {
							x.Errorf("the id of a delivery is %q, want a new one that matches %s", id, deliveryIDs)
						}
						known[id] = true
					}
					for _, l := range x.claim(endless) {
						x.finish(succeed(l), store.FinishAccepted)
					}
					x.advance(time.Hour)
					x.prune(store.PruneRequest{DeliveryAge: time.Minute, EventAge: time.Minute})
					x.publishAll(e) // anew
					if id := x.fanOut(w, e.ID)[0]; known[id] {
						x.Errorf("the id %q is used again for an event that was pruned and published anew", id)
					}
					x.remove(w)
				}
			},
		},
	}
}

func noticeCases() []testCase {
	return []testCase{
		{
			name:    "added with a mark",
			promise: addPromise + " It does neither if the Mark is another one, and says so.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.advance(time.Second)
				n := store.Notice{
					ID: "mine", MerchantID: "mine", At: x.now.Add(-time.Hour), Kind: store.NoticeWarning, WebhookID: w.ID,
					URL: "https://example.com/then", Reason: "why", Failures: 3, DisableAfter: 9, Since: x.now.Add(-time.Minute),
				}
				long := strings.Repeat("\x00\xff", store.MaxMark/2)
				add := func(when, was, will string, want bool) {
					x.Helper()
					got, err := x.st.AddNotice(x.Context(), x.merchant, n, was, will)
					x.must(err, "AddNotice")
					equal(x, "added "+when, got, want)
				}
				add("from the first mark", "", long, true)
				add("from a mark that has moved", "", "other", false)
				add("from the mark of now", long, "third", true)
				got := x.read(w)
				equal(x, "Mark", got.Mark, "third")
				equal(x, "Version after AddNotice", got.Version, w.Version)
				ns := x.notices(9)
				equal(x, "number of notices", len(ns), 2)
				n.MerchantID, n.At = x.merchant, x.now
				for _, got := range ns {
					same(x, "the notice", got.Notice, n, "ID")
				}
				if ns[0].ID == ns[1].ID || ns[0].ID == "mine" {
					x.Errorf("the ids of two notices are %q and %q, want two of the store's own", ns[0].ID, ns[1].ID)
				}
			},
		},
		{
			name:    "claimed, put off and acknowledged",
			promise: noticesPromise + " … " + deferPromise + " … " + ackPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				for i := range 2 {
					_, err := x.st.AddNotice(x.Context(), x.merchant, store.Notice{WebhookID: w.ID, Failures: i}, "", "")
					x.must(err, "AddNotice")
					x.advance(time.Millisecond)
				}
				first := x.notices(1)[0]
				equal(x, "the notice that is claimed first", first.Failures, 0)
				equal(x, "the notice that is claimed next", x.notices(9)[0].Failures, 1)
				equal(x, "number of notices while all are claimed", len(x.notices(9)), 0)
				x.advance(time.Hour + time.Millisecond)
				again := x.notices(1)[0]
				x.must(x.st.DeferNotice(x.Context(), x.merchant, first.ID, first.Token, 0), "DeferNotice by who has lost it")
				equal(x, "number of notices after who has lost one put it off", len(x.notices(9)), 1)
				x.must(x.st.DeferNotice(x.Context(), x.merchant, again.ID, again.Token, 2*time.Hour), "DeferNotice")
				x.must(x.st.DeferNotice(x.Context(), x.merchant, "none", 1, time.Hour), "DeferNotice of an unknown notice")
				x.advance(time.Hour + time.Millisecond)
				equal(x, "number of notices while one is put off", len(x.notices(9)), 1)
				x.advance(time.Hour + time.Millisecond)
				equal(x, "number of notices in the end", len(x.notices(9)), 2)
				x.must(x.st.AckNotice(x.Context(), x.merchant, first.ID), "AckNotice by who has lost it")
				x.must(x.st.AckNotice(x.Context(), x.merchant, first.ID), "AckNotice of what is gone")
				x.advance(2 * time.Hour)
				equal(x, "number of notices after one was acknowledged", len(x.notices(9)), 1)
			},
		},
	}
}

// badCursors holds each list to what it has to say of a cursor that is not its own.
func badCursors(x *trial) {
	w := x.webhook("a")
	x.publish("a", 3)
	for _, cursor := range []string{"x", "not a cursor", "\x00", `{"a":1}`} {
		for list, read := range map[string]func() error{
			"Deliveries": func() error {
				_, err := x.st.Deliveries(x.Context(), x.merchant, w.ID, store.DeliveryQuery{Limit: 1, Cursor: cursor})
				return err
			},
			"Events": func() error {
				_, err := x.st.Events(x.Context(), x.merchant, store.EventQuery{Limit: 1, Cursor: cursor})
				return err
			},
			"ListWebhooks": func() error {
				_, err := x.st.ListWebhooks(x.Context(), x.merchant, store.WebhookQuery{Limit: 1, Cursor: cursor})
				return err
			},
			"Merchants": func() error {
				_, err := x.st.Merchants(x.Context(), store.MerchantQuery{Limit: 1, Cursor: cursor})
				return err
			},
		} {
			if err := read(); !errors.Is(err, store.ErrCursor) {
				x.Errorf("%s with cursor %q: error is %v, want %q", list, cursor, err, store.ErrCursor)
			}
		}
	}
}
