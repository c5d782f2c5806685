package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const isolationPromise = "Every method that names a record takes the merchant too, and a record of another merchant is [ErrNotFound], the same as one that never was."

// names is the ids that a call names.
type names struct{ merchantID, webhookID, eventID, deliveryID, noticeID string }

func isolationCases() []testCase {
	calls := []struct {
		name string
		call func(x *trial, n names) (any, error)
	}{
		{"Webhook", func(x *trial, n names) (any, error) {
			return x.st.Webhook(x.Context(), n.merchantID, n.webhookID)
		}},
		{"UpdateWebhook", func(x *trial, n names) (any, error) {
			return x.st.UpdateWebhook(x.Context(), n.merchantID, n.webhookID, store.WebhookUpdate{
				URL: new("https://attacker.example.com"), Events: []string{"b"}, Status: new(store.Disabled), Rotate: new("stolen"),
			})
		}},
		{"UpdateWebhook with a version", func(x *trial, n names) (any, error) {
			return x.st.UpdateWebhook(x.Context(), n.merchantID, n.webhookID, store.WebhookUpdate{IfVersion: 99, URL: new("https://attacker.example.com")})
		}},
		{"UpdateWebhook with a reseal", func(x *trial, n names) (any, error) {
			return x.st.UpdateWebhook(x.Context(), n.merchantID, n.webhookID, store.WebhookUpdate{Reseal: &store.Reseal{OldSecret: "guess", Secret: "x"}})
		}},
		{"DeleteWebhook", func(x *trial, n names) (any, error) {
			return nil, x.st.DeleteWebhook(x.Context(), n.merchantID, n.webhookID, 0)
		}},
		{"DeleteWebhook with a version", func(x *trial, n names) (any, error) {
			return nil, x.st.DeleteWebhook(x.Context(), n.merchantID, n.webhookID, 99)
		}},
		{"Publish of a test", func(x *trial, n names) (any, error) {
			e := x.newEvent("a")
			e.Test = n.webhookID
			return x.st.Publish(x.Context(), n.merchantID, []store.NewEvent{e})
		}},
		{"Enqueue to a webhook", func(x *trial, n names) (any, error) {
			e := x.newEvent("a")
			if _, err := x.st.Publish(x.Context(), n.merchantID, []store.NewEvent{e}); err != nil {
				return nil, err
			}
			return x.st.Enqueue(x.Context(), n.merchantID, n.webhookID, []string{e.ID}, "n")
		}},
		{"Enqueue of an event", func(x *trial, n names) (any, error) {
			w := x.create(n.merchantID, "none")
			return x.st.Enqueue(x.Context(), n.merchantID, w.ID, []string{n.eventID}, "n")
		}},
		{"Finish", func(x *trial, n names) (any, error) {
			l := store.Lease{MerchantID: n.merchantID, WebhookID: n.webhookID, DeliveryID: n.deliveryID, Token: 1}
			return x.st.Finish(x.Context(), []store.Result{succeed(l), failAt(l, 1), retry(l, 0), release(l, 0)})
		}},
		{"Event", func(x *trial, n names) (any, error) {
			return x.st.Event(x.Context(), n.merchantID, n.eventID)
		}},
		{"Events", func(x *trial, n names) (any, error) {
			e := x.newEvent("a")
			if _, err := x.st.Publish(x.Context(), n.merchantID, []store.NewEvent{e}); err != nil {
				return nil, err
			}
			p, err := x.st.Events(x.Context(), n.merchantID, store.EventQuery{WebhookID: n.webhookID, Limit: 10})
			return pick(p.Events, func(e store.Event) store.DeliveryStatus { return e.Delivered }), err
		}},
		{"Delivery", func(x *trial, n names) (any, error) {
			return x.st.Delivery(x.Context(), n.merchantID, n.webhookID, n.deliveryID)
		}},
		{"Delivery through a webhook of one's own", func(x *trial, n names) (any, error) {
			return x.st.Delivery(x.Context(), n.merchantID, x.create(n.merchantID, "none").ID, n.deliveryID)
		}},
		{"Deliveries", func(x *trial, n names) (any, error) {
			return x.st.Deliveries(x.Context(), n.merchantID, n.webhookID, store.DeliveryQuery{Limit: 10})
		}},
		{"Stats", func(x *trial, n names) (any, error) {
			return x.st.Stats(x.Context(), n.merchantID, n.webhookID)
		}},
		{"DeferNotice", func(x *trial, n names) (any, error) {
			return nil, x.st.DeferNotice(x.Context(), n.merchantID, n.noticeID, 0, time.Hour)
		}},
		{"AckNotice", func(x *trial, n names) (any, error) {
			return nil, x.st.AckNotice(x.Context(), n.merchantID, n.noticeID)
		}},
	}
	var cases []testCase
	for _, c := range calls {
		cases = append(cases, testCase{
			name:    c.name,
			promise: isolationPromise,
			run: func(x *trial) {
				theirs := x.full()
				unknown := names{x.id("merchant"), x.id("whk"), x.id("evt"), store.DeliveryID("m", "e", "w", x.id("n")), store.NoticeID(store.NoticeDisabled, x.id("whk"), 1, 0)}
				want, wantErr := c.call(x, unknown)
				x.unchanged(c.name+" with another merchant's ids", func() {
					theirs.merchantID = x.id("merchant")
					got, err := c.call(x, theirs)
					if g, w := answer(got, err), answer(want, wantErr); g != w {
						x.Errorf("%s answers %s for another merchant's ids and %s for unknown ones", c.name, g, w)
					}
					if errors.Is(wantErr, store.ErrNotFound) {
						x.fails(c.name+" with another merchant's ids", err, store.ErrNotFound)
					}
				})
				if ns := x.noticesNow(); len(ns) != 1 {
					x.Errorf("%s with another merchant's ids left %d notices of 1", c.name, len(ns))
				}
				if ls := x.claim(10); len(ls) != 1 {
					x.Errorf("%s with another merchant's ids left %d claimable deliveries of 1", c.name, len(ls))
				}
			},
		})
	}
	return append(cases, testCase{
		name:    "lists",
		promise: "Every record belongs to a merchant.",
		run: func(x *trial) {
			x.full()
			other := x.id("merchant")
			ws, err := x.st.ListWebhooks(x.Context(), other, store.WebhookQuery{})
			x.must(err, "ListWebhooks")
			equal(x, "number of webhooks of another merchant", len(ws.Webhooks)+ws.Total, 0)
			es, err := x.st.Events(x.Context(), other, store.EventQuery{Limit: 10})
			x.must(err, "Events")
			equal(x, "number of events of another merchant", len(es.Events), 0)
			w := x.create(other, store.EveryType)
			x.publish("a", 2)
			equal(x, "number of deliveries of another merchant", x.stats(w).Total, 0)
		},
	})
}

// full makes a merchant with a leased delivery, an ended one, one that is due, a
// retry and a notice, and names the leased one.
func (x *trial) full() names {
	x.Helper()
	gone := x.webhook("gone")
	x.ended(gone, func(l store.Lease) store.Result { return failAt(l, 1) })
	w := x.webhook("a")
	x.ended(w, succeed)
	x.publish("a", 1)
	x.finish(retry(x.take(), time.Hour), store.FinishAccepted)
	e := x.publish("a", 1)[0]
	l := x.take()
	x.publish("a", 1)
	return names{x.merchant, w.ID, e, l.DeliveryID, store.NoticeID(store.NoticeDisabled, gone.ID, 1, 0)}
}

// answer writes what a call answered so that two callers who may learn nothing
// get the same text. Errors are told apart by their sentinel alone.
func answer(v any, err error) string {
	if err == nil {
		return fmt.Sprintf("%+v", v)
	}
	return sentinel(err)
}

// sentinel names the error that callers branch on.
func sentinel(err error) string {
	for _, s := range []error{store.ErrNotFound, store.ErrConflict, store.ErrVersion, store.ErrLimit, store.ErrStale, store.ErrCursor} {
		if errors.Is(err, s) {
			return fmt.Sprintf("%q", s)
		}
	}
	if err == nil {
		return "no error"
	}
	return "an error that callers do not know"
}
