package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// wakeTimeout is how long the suite waits for another goroutine.
	wakeTimeout = 10 * time.Second

	// endless bounds loops that a correct store leaves after a few rounds.
	endless = 1000
)

// trial is one case at work on one fresh store. Its helpers end the case when a
// call fails that the case takes for granted.
type trial struct {
	tb
	st      store.Store
	harness Harness
	promise string
	explain func(failure string) string // if set, says more about a failure

	merchant string        // whose records the helpers make
	per      int           // the PerWebhook of every claim
	lease    time.Duration // the Lease of every claim
	timeout  time.Duration // of a wait for another goroutine

	now  time.Time // by the store's clock
	tag  string    // makes ids unique to the trial
	ids  int
	made map[[2]string]string // ids of the deliveries that Publish made, by webhook and event

	// bystander is a webhook of another merchant that subscribes to everything.
	// Nothing may ever reach it.
	bystander store.Webhook
}

func newTrial(t tb, h Harness, promise, tag string) *trial {
	t.Helper()
	x := &trial{
		tb: t, st: h.Store, harness: h, promise: promise,
		per: 10, lease: time.Minute, timeout: wakeTimeout,
		tag: tag, made: map[[2]string]string{},
	}
	x.merchant = x.id("merchant")
	x.bystander = x.create(x.id("bystander"), store.EveryType)
	x.now = x.bystander.CreatedAt
	return x
}

// Errorf reports a failure together with the promise that it breaks.
func (x *trial) Errorf(format string, args ...any) {
	x.Helper()
	text := fmt.Sprintf(format, args...)
	if x.explain != nil {
		text = x.explain(text)
	}
	x.tb.Errorf("%s\n\tbroken promise: %s", text, x.promise)
}

// fatalf reports a failure and ends the case.
func (x *trial) fatalf(format string, args ...any) {
	x.Helper()
	x.Errorf(format, args...)
	x.FailNow()
}

// fatalIf is fatalf under a condition.
func (x *trial) fatalIf(failed bool, format string, args ...any) {
	if failed {
		x.Helper()
		x.fatalf(format, args...)
	}
}

// must ends the case if err is not nil.
func (x *trial) must(err error, doing string) {
	if err != nil {
		x.Helper()
		x.fatalf("%s: %v", doing, err)
	}
}

// fails reports if err is not the sentinel.
func (x *trial) fails(doing string, err, sentinel error) {
	x.Helper()
	if !errors.Is(err, sentinel) {
		x.Errorf("%s: error is %v, want %q", doing, err, sentinel)
	}
}

// equal reports if two comparable values differ.
func equal[T comparable](x *trial, what string, got, want T) {
	x.Helper()
	if got != want {
		x.Errorf("%s is %v, want %v", what, got, want)
	}
}

// same reports the fields in which two records differ.
func same[T any](x *trial, what string, got, want T, except ...string) {
	x.Helper()
	if d := diff(got, want, except...); d != "" {
		x.Errorf("%s: %s", what, d)
	}
}

// sameList reports if two lists differ.
func sameList[T any](x *trial, what string, got, want []T) {
	x.Helper()
	if g, w := show(got), show(want); g != w {
		x.Errorf("%s are %s, want %s", what, g, w)
	}
}

// audit asks the harness to look inside the store, and looks at the bystander.
// What it finds ends the case.
func (x *trial) audit() {
	x.Helper()
	if x.harness.Audit != nil {
		if err := x.harness.Audit(x.Context()); err != nil {
			x.fatalf("audit: %v", err)
		}
	}
	s, err := x.st.Stats(x.Context(), x.bystander.MerchantID, x.bystander.ID)
	x.must(err, "Stats of another merchant's webhook")
	x.fatalIf(s.Total != 0, "a webhook of another merchant got %d deliveries", s.Total)
}

// advance moves the store's clock.
func (x *trial) advance(d time.Duration) {
	x.harness.Advance(d)
	x.now = x.now.Add(d)
}

// id makes an id that no other trial makes. Ids of one kind sort in the order in
// which they are made.
func (x *trial) id(kind string) string {
	x.ids++
	return kind + "_" + x.tag + "_" + fmt.Sprintf("%04d", x.ids)
}

// newWebhook describes a webhook that nobody has stored yet.
func (x *trial) newWebhook(events ...string) store.Webhook {
	id := x.id("whk")
	return store.Webhook{
		ID: id, URL: "https://example.com/" + id, Events: events,
		Status: store.Active, Secret: "sealed " + id, Encoding: "standard",
	}
}

// create stores a new active webhook.
func (x *trial) create(merchantID string, events ...string) store.Webhook {
	x.Helper()
	w, err := x.st.CreateWebhook(x.Context(), merchantID, x.newWebhook(events...), 0)
	x.must(err, "CreateWebhook")
	return w
}

// webhook stores a new active webhook of the trial's merchant.
func (x *trial) webhook(events ...string) store.Webhook {
	x.Helper()
	return x.create(x.merchant, events...)
}

// read returns a webhook as it is now.
func (x *trial) read(w store.Webhook) store.Webhook {
	x.Helper()
	w, err := x.st.Webhook(x.Context(), w.MerchantID, w.ID)
	x.must(err, "Webhook")
	return w
}

// update changes a webhook.
func (x *trial) update(w store.Webhook, u store.WebhookUpdate) store.Webhook {
	x.Helper()
	w, err := x.st.UpdateWebhook(x.Context(), w.MerchantID, w.ID, u)
	x.must(err, "UpdateWebhook")
	return w
}

func (x *trial) disable(w store.Webhook) {
	x.Helper()
	x.update(w, store.WebhookUpdate{Status: new(store.Disabled), Reason: "by_hand"})
}

func (x *trial) enable(w store.Webhook) store.Webhook {
	x.Helper()
	return x.update(w, store.WebhookUpdate{Status: new(store.Active)})
}

func (x *trial) remove(w store.Webhook) {
	x.Helper()
	x.must(x.st.DeleteWebhook(x.Context(), w.MerchantID, w.ID, 0), "DeleteWebhook")
}

// newEvent describes an event that nobody has published yet.
func (x *trial) newEvent(eventType string) store.NewEvent {
	id := x.id("evt")
	return store.NewEvent{ID: id, Type: eventType, Body: []byte(`{"id":"` + id + `"}`), Fingerprint: "print of " + id}
}

// testEvent describes a test event for a webhook.
func (x *trial) testEvent(w store.Webhook) store.NewEvent {
	e := x.newEvent("webhook.test")
	e.Test = w.ID
	return e
}

// publishAll publishes events of the trial's merchant in one batch.
func (x *trial) publishAll(events ...store.NewEvent) []store.Published {
	x.Helper()
	out, err := x.st.Publish(x.Context(), x.merchant, events)
	x.must(err, "Publish")
	x.fatalIf(len(out) != len(events), "Publish answers %d events with %d results", len(events), len(out))
	for i, e := range events {
		for _, d := range out[i].Deliveries {
			x.made[[2]string{d.WebhookID, e.ID}] = d.ID
		}
	}
	return out
}

// publish publishes n new events of one type and returns their ids.
func (x *trial) publish(eventType string, n int) []string {
	x.Helper()
	ids := make([]string, n)
	events := make([]store.NewEvent, n)
	for i := range events {
		events[i] = x.newEvent(eventType)
		ids[i] = events[i].ID
	}
	x.publishAll(events...)
	return ids
}

// fanOut returns the ids of the deliveries that Publish made of events for a webhook.
func (x *trial) fanOut(w store.Webhook, eventIDs ...string) []string {
	return pick(eventIDs, func(e string) string { return x.made[[2]string{w.ID, e}] })
}

// enqueue makes one more delivery of a stored event and returns its id.
func (x *trial) enqueue(w store.Webhook, eventID, nonce string) string {
	x.Helper()
	out, err := x.st.Enqueue(x.Context(), w.MerchantID, w.ID, []string{eventID}, nonce, 0)
	x.must(err, "Enqueue")
	x.fatalIf(len(out) != 1, "Enqueue answers one event with %d answers", len(out))
	return out[0].DeliveryID
}

// delivery returns a delivery as it is now.
func (x *trial) delivery(w store.Webhook, deliveryID string) store.Delivery {
	x.Helper()
	d, err := x.st.Delivery(x.Context(), w.MerchantID, w.ID, deliveryID)
	x.must(err, "Delivery")
	return d
}

// notices claims up to limit notices for an hour.
func (x *trial) notices(limit int) []store.NoticeLease {
	x.Helper()
	ns, err := x.st.ClaimNotices(x.Context(), limit, time.Hour)
	x.must(err, "ClaimNotices")
	return ns
}

func (x *trial) stats(w store.Webhook) store.Stats {
	x.Helper()
	s, err := x.st.Stats(x.Context(), w.MerchantID, w.ID)
	x.must(err, "Stats")
	return s
}

func (x *trial) backlog() store.Backlog {
	x.Helper()
	b, err := x.st.Backlog(x.Context())
	x.must(err, "Backlog")
	return b
}

// follow reads a list to its end, in pages of at most limit records. A page may be
// short, or empty, and still have a Next.
func follow[T any](x *trial, list string, limit int, read func(cursor string) (records []T, next string, err error)) []T {
	x.Helper()
	var out []T
	cursor := ""
	for range endless {
		records, next, err := read(cursor)
		x.must(err, list)
		x.fatalIf(len(records) > limit, "%s shows %d records on a page, at most %d were asked for", list, len(records), limit)
		out = append(out, records...)
		if cursor = next; cursor == "" {
			return out
		}
	}
	x.fatalf("%s has a Next after %d pages", list, endless)
	return nil
}

// webhooks follows the list of a merchant's webhooks.
func (x *trial) webhooks(merchantID string, q store.WebhookQuery) []store.Webhook {
	x.Helper()
	return follow(x, "ListWebhooks", q.Limit, func(cursor string) ([]store.Webhook, string, error) {
		q.Cursor = cursor
		p, err := x.st.ListWebhooks(x.Context(), merchantID, q)
		return p.Webhooks, p.Next, err
	})
}

// merchants follows the list of merchants.
func (x *trial) merchants(limit int) []string {
	x.Helper()
	return follow(x, "Merchants", limit, func(cursor string) ([]string, string, error) {
		p, err := x.st.Merchants(x.Context(), store.MerchantQuery{Limit: limit, Cursor: cursor})
		return p.Merchants, p.Next, err
	})
}

// troubled follows the list of webhooks in trouble.
func (x *trial) troubled(limit int) []store.Webhook {
	x.Helper()
	return follow(x, "Troubled", limit, func(cursor string) ([]store.Webhook, string, error) {
		p, err := x.st.Troubled(x.Context(), store.TroubledQuery{Limit: limit, Cursor: cursor})
		return p.Webhooks, p.Next, err
	})
}

// deliveries follows the list of a webhook's deliveries.
func (x *trial) deliveries(w store.Webhook, q store.DeliveryQuery) []store.Delivery {
	x.Helper()
	return follow(x, "Deliveries", q.Limit, func(cursor string) ([]store.Delivery, string, error) {
		q.Cursor = cursor
		p, err := x.st.Deliveries(x.Context(), w.MerchantID, w.ID, q)
		return p.Deliveries, p.Next, err
	})
}

// events follows the list of a merchant's events.
func (x *trial) events(merchantID string, q store.EventQuery) []store.Event {
	x.Helper()
	return follow(x, "Events", q.Limit, func(cursor string) ([]store.Event, string, error) {
		q.Cursor = cursor
		p, err := x.st.Events(x.Context(), merchantID, q)
		return p.Events, p.Next, err
	})
}

// jobs follows the list of a merchant's jobs.
func (x *trial) jobs(merchantID string, q store.JobQuery) []store.Job {
	x.Helper()
	return follow(x, "ListJobs", q.Limit, func(cursor string) ([]store.Job, string, error) {
		q.Cursor = cursor
		p, err := x.st.ListJobs(x.Context(), merchantID, q)
		return p.Jobs, p.Next, err
	})
}

// pick returns f of each.
func pick[T, R any](list []T, f func(T) R) []R {
	out := make([]R, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

func webhookID(w store.Webhook) string   { return w.ID }
func deliveryID(d store.Delivery) string { return d.ID }
func eventID(e store.Event) string       { return e.ID }
func leaseID(l store.Lease) string       { return l.DeliveryID }

// nth names the n-th of something in a message.
func nth(what string, n int) string { return what + " " + strconv.Itoa(n) }
