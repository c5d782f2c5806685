package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// compare ends the sequence if the two stores show different things. Attempts
// and bodies are read of what the last call touched, or of everything.
func (d *duel) compare(everything bool) {
	for _, m := range d.merchants {
		d.compareWebhooks(m)
		d.compareEvents(m, everything)
	}
	for _, t := range d.model.deliveries {
		d.name(t)
		if everything || slices.Contains(d.touched, t) {
			got := d.x.delivery(store.Webhook{MerchantID: t.MerchantID, ID: t.WebhookID}, t.ID)
			d.matchDelivery(got, t)
			if g, w := show(got.Log), show(d.model.view(t).Log); g != w {
				d.fatalf("the attempts of %s are %s, want %s", t.ID, g, w)
			}
		}
	}
	d.touched = nil
	d.compareBacklog()
	d.x.audit()
}

// compareBacklog allows for deliveries of deleted webhooks.
func (d *duel) compareBacklog() {
	want, _ := d.model.Backlog(d.x.Context())
	if got := d.x.backlog(); got.Pending < want.Pending || got.Pending > want.Pending+int64(d.model.deleted) {
		d.fatalf("Pending is %d, want %d, and %d of deleted webhooks at most", got.Pending, want.Pending, d.model.deleted)
	}
}

func (d *duel) compareWebhooks(merchantID string) {
	ctx := d.x.Context()
	got, err := d.x.st.ListWebhooks(ctx, merchantID, store.WebhookQuery{})
	want, _ := d.model.ListWebhooks(ctx, merchantID, store.WebhookQuery{})
	d.x.must(err, "ListWebhooks")
	if g, w := pick(got.Webhooks, webhookID), pick(want.Webhooks, webhookID); !slices.Equal(g, w) || got.Total != want.Total {
		d.fatalf("the webhooks are %v of %d, want %v of %d", g, got.Total, w, want.Total)
	}
	for i, w := range want.Webhooks {
		d.matchWebhook(got.Webhooks[i], w)
		d.compareDeliveries(w)
	}
}

// matchWebhook compares a webhook that both stores show. How far Finish moves
// Version, and whether it moves UpdatedAt, is open.
func (d *duel) matchWebhook(got, want store.Webhook) {
	except := []string{"Version"}
	if want.DisabledAt.After(want.UpdatedAt) && show(got.UpdatedAt) == show(want.DisabledAt) {
		except = append(except, "UpdatedAt")
	}
	d.match("webhook "+want.ID, got, want, except...)
	before, known := d.versions[want.ID]
	if known && (got.Version != before[0]) != (want.Version != before[1]) {
		d.fatalf("Version of %s was %d and is %d; whether it changes is wrong", want.ID, before[0], got.Version)
	}
	d.versions[want.ID] = [2]int64{got.Version, want.Version}
}

func (d *duel) compareDeliveries(w store.Webhook) {
	want, _ := d.model.Stats(d.x.Context(), w.MerchantID, w.ID)
	d.match("Stats of "+w.ID, d.x.stats(w), want)
	page := d.x.deliveries(w, store.DeliveryQuery{Limit: endless})
	if len(page.Deliveries) != int(want.Total) || page.Total != int(want.Total) {
		d.fatalf("%s shows %d deliveries of %d, want %d", w.ID, len(page.Deliveries), page.Total, want.Total)
	}
	for i, got := range page.Deliveries {
		t := d.model.delivery(w.MerchantID, w.ID, got.ID)
		if t == nil {
			d.fatalf("%s shows a delivery %s that should not be there", w.ID, got.ID)
		}
		d.matchDelivery(got, t)
		if i > 0 && got.CreatedAt.After(page.Deliveries[i-1].CreatedAt) {
			d.fatalf("%s shows delivery %s after an older one", w.ID, got.ID)
		}
	}
}

// matchDelivery compares a delivery. Between the end of a lease and the next
// claim a store may count it as leased still or as due already.
func (d *duel) matchDelivery(got store.Delivery, t *modelDelivery) {
	except := []string{"Log"}
	if t.paused {
		except = append(except, "Reclaims") // whether it counts the lease that ended before
	}
	switch {
	case !t.leaseEnd.IsZero() && !d.model.leased(t):
		except = append(except, "DueAt", "Leased", "Reclaims")
	case t.Status != store.DeliveryPending || d.model.leased(t):
		except = append(except, "DueAt")
	}
	d.match("delivery "+t.ID, got, d.model.view(t), except...)
}

func (d *duel) compareEvents(merchantID string, everything bool) {
	d.matchEvents(merchantID, store.EventQuery{Limit: endless, WebhookID: d.webhookID(merchantID)})
	for _, e := range d.model.events {
		if e.merchantID == merchantID && (everything || d.chance(5)) {
			got, err := d.x.st.Event(d.x.Context(), merchantID, e.ID)
			d.x.must(err, "Event "+e.ID)
			d.match("event "+e.ID, got, e.Event)
		}
	}
}

// matchEvents asks both stores for events and follows Next to the end.
func (d *duel) matchEvents(merchantID string, q store.EventQuery) {
	whole := q
	whole.Limit = endless
	want, _ := d.model.Events(d.x.Context(), merchantID, whole)
	var got []store.Event
	for range endless {
		page, err := d.x.st.Events(d.x.Context(), merchantID, q)
		if sentinel(err) == sentinel(store.ErrNotFound) && d.model.webhook(merchantID, q.WebhookID) == nil {
			return // as good an answer for a webhook that is not there
		}
		d.x.must(err, "Events")
		got = append(got, page.Events...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if g, w := pick(got, eventID), pick(want.Events, eventID); changes(w, g) != "" || len(g) != len(w) {
		d.fatalf("the events are %v, want %v", g, w)
	}
	for i, e := range got {
		if i > 0 && e.CreatedAt.Before(got[i-1].CreatedAt) {
			d.fatalf("event %s comes after a younger one", e.ID)
		}
		j := slices.IndexFunc(want.Events, func(o store.Event) bool { return o.ID == e.ID })
		d.match("event "+e.ID, e, want.Events[j], "Delivered")
		if !slices.Contains(d.delivered(merchantID, q.WebhookID, e.ID), e.Delivered) {
			d.fatalf("Delivered of event %s to %s is %q, want %q", e.ID, q.WebhookID, e.Delivered, want.Events[j].Delivered)
		}
	}
}

// delivered lists what Delivered may be: the status of any of the youngest.
func (d *duel) delivered(merchantID, webhookID, eventID string) []store.DeliveryStatus {
	out := []store.DeliveryStatus{""}
	var youngest time.Time
	for _, t := range d.model.deliveries {
		if t.MerchantID != merchantID || t.WebhookID != webhookID || t.EventID != eventID || t.CreatedAt.Before(youngest) {
			continue
		}
		if t.CreatedAt.After(youngest) {
			out, youngest = nil, t.CreatedAt
		}
		out = append(out, t.Status)
	}
	return out
}
