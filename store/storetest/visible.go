package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// compare ends the sequence if the two stores show different things. Attempts
// and bodies are read of what the last call touched, or of everything.
func (d *duel) compare(everything bool) {
	for _, m := range d.merchants {
		d.compareWebhooks(m, everything)
		d.compareEvents(m, everything)
	}
	for _, t := range d.model.deliveries {
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
	d.compareMerchants()
	d.compareTroubled()
	d.x.audit()
}

// compareBacklog allows for deliveries of deleted webhooks. Whether a delivery whose
// lease has ended waits since then, or since it was due before, is open, and so is
// whether a wait for a token or for room counts once it is over.
func (d *duel) compareBacklog() {
	want, _ := d.model.Backlog(d.x.Context())
	got := d.x.backlog()
	if got.Pending < want.Pending || got.Pending > want.Pending+int64(d.model.deleted) {
		d.fatalf("Pending is %d, want %d, and %d of deleted webhooks at most", got.Pending, want.Pending, d.model.deleted)
	}
	var least, most time.Duration
	at := d.model.claimableAt(d.x.per)
	for _, t := range d.model.deliveries {
		since, waits := at[t]
		waits = waits && d.model.over(since)
		if waits && !slices.ContainsFunc(d.model.deliveries, func(o *modelDelivery) bool { return o.WebhookID == t.WebhookID && o.leaseEnd.After(since) }) {
			least = max(least, d.model.now.Sub(since).Truncate(time.Millisecond))
		}
		if waits || !t.leaseEnd.IsZero() && !d.model.leased(t) { // Due, or its lease has ended and nobody can take it.
			most = max(most, d.model.now.Sub(t.DueAt))
		}
	}
	d.fatalIf(got.OldestDue < least || got.OldestDue > most, "OldestDue is %s, want %s to %s", got.OldestDue, least, most)
}

// compareMerchants compares who has webhooks. The bystander has one.
func (d *duel) compareMerchants() {
	want, _ := d.model.Merchants(d.x.Context(), store.MerchantQuery{Limit: endless})
	got := slices.Sorted(slices.Values(d.x.merchants(1 + d.rand.IntN(3))))
	if all := append(want.Merchants, d.x.bystander.MerchantID); !slices.Equal(got, slices.Sorted(slices.Values(all))) {
		d.fatalf("the merchants are %v, want %v", got, all)
	}
}

// compareTroubled compares which webhooks are in trouble.
func (d *duel) compareTroubled() {
	want, _ := d.model.Troubled(d.x.Context(), store.TroubledQuery{Limit: endless})
	got := d.x.troubled(1 + d.rand.IntN(3))
	slices.SortFunc(got, func(a, b store.Webhook) int {
		return cmp.Or(cmp.Compare(a.MerchantID, b.MerchantID), cmp.Compare(a.ID, b.ID))
	})
	d.fatalIf(!slices.Equal(pick(got, webhookID), pick(want.Webhooks, webhookID)),
		"in trouble are %v, want %v", pick(got, webhookID), pick(want.Webhooks, webhookID))
	for i, w := range want.Webhooks {
		d.matchWebhook(got[i], w)
	}
}

// compareChanges compares what happened to a webhook.
func (d *duel) compareChanges(w store.Webhook) {
	want, _ := d.model.Changes(d.x.Context(), w.MerchantID, w.ID)
	got, err := d.x.st.Changes(d.x.Context(), w.MerchantID, w.ID)
	d.x.must(err, "Changes")
	d.fatalIf(len(got) != len(want), "%s shows %d changes, want %d", w.ID, len(got), len(want))
	for i := range want {
		d.match(nth("change of "+w.ID, i+1), got[i], want[i])
	}
}

func (d *duel) compareWebhooks(merchantID string, everything bool) {
	q := store.WebhookQuery{Limit: endless}
	got := d.x.webhooks(merchantID, q)
	want, _ := d.model.ListWebhooks(d.x.Context(), merchantID, q)
	if g, w := pick(got, webhookID), pick(want.Webhooks, webhookID); !slices.Equal(g, w) {
		d.fatalf("the webhooks are %v, want %v", g, w)
	}
	for i, w := range want.Webhooks {
		d.matchWebhook(got[i], w)
		d.compareDeliveries(w)
		if everything || d.chance(5) {
			d.compareChanges(w)
		}
	}
}

// matchWebhook compares a webhook that both stores show. Whether Finish moves
// UpdatedAt when it disables a webhook is open.
func (d *duel) matchWebhook(got, want store.Webhook) {
	var except []string
	if want.DisabledAt.After(want.UpdatedAt) && millis(got.UpdatedAt, want.DisabledAt) == 0 {
		except = append(except, "UpdatedAt")
	}
	d.match("webhook "+want.ID, got, want, except...)
}

func (d *duel) compareDeliveries(w store.Webhook) {
	want, _ := d.model.Stats(d.x.Context(), w.MerchantID, w.ID)
	d.match("Stats of "+w.ID, d.x.stats(w), want)
	all := d.x.deliveries(w, store.DeliveryQuery{Limit: endless})
	d.fatalIf(len(all) != int(want.Total), "%s shows %d deliveries, want %d", w.ID, len(all), want.Total)
	for i, got := range all {
		t := d.model.delivery(w.MerchantID, w.ID, got.ID)
		d.fatalIf(t == nil, "%s shows a delivery %s that should not be there", w.ID, got.ID)
		d.matchDelivery(got, t)
		d.fatalIf(len(got.Log) > 0, "%s shows the attempts of %s in a list", w.ID, got.ID)
		d.fatalIf(i > 0 && got.CreatedAt.After(all[i-1].CreatedAt), "%s shows delivery %s after an older one", w.ID, got.ID)
	}
}

// matchDelivery compares a delivery. Between the end of a lease and the next
// claim a store may count it as leased still or as due already.
func (d *duel) matchDelivery(got store.Delivery, t *modelDelivery) {
	except := []string{"Log"}
	if t.paused || t.gaveUp {
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
			d.compareFate(e)
		}
	}
}

// compareFate compares what became of an event.
func (d *duel) compareFate(e *modelEvent) {
	want, _ := d.model.EventDeliveries(d.x.Context(), e.merchantID, e.ID)
	got, err := d.x.st.EventDeliveries(d.x.Context(), e.merchantID, e.ID)
	d.x.must(err, "EventDeliveries "+e.ID)
	byID := func(a, b store.PublishedDelivery) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(got.Published, byID)
	slices.SortFunc(want.Published, byID)
	d.fatalIf(!slices.Equal(got.Published, want.Published), "event %s was published to %v, want %v", e.ID, got.Published, want.Published)
	shown, there := pick(got.Deliveries, deliveryID), pick(want.Deliveries, deliveryID)
	slices.Sort(shown)
	slices.Sort(there)
	d.fatalIf(!slices.Equal(shown, there), "event %s has the deliveries %v, want %v", e.ID, shown, there)
	for _, g := range got.Deliveries {
		d.matchDelivery(g, d.model.delivery(g.MerchantID, g.WebhookID, g.ID))
		d.fatalIf(len(g.Log) > 0, "event %s shows the attempts of %s", e.ID, g.ID)
	}
}

// matchEvents asks both stores for events and follows Next to the end.
func (d *duel) matchEvents(merchantID string, q store.EventQuery) {
	whole := q
	whole.Limit = endless
	want, _ := d.model.Events(d.x.Context(), merchantID, whole)
	if q.WebhookID != "" && d.model.webhook(merchantID, q.WebhookID) == nil {
		unknown := q
		unknown.WebhookID = d.x.id("whk")
		_, err := d.x.st.Events(d.x.Context(), merchantID, q)
		if _, want := d.x.st.Events(d.x.Context(), merchantID, unknown); !d.agree(err, want) {
			return // It may be an error, but the same one for every webhook that is not there.
		}
	}
	got := d.x.events(merchantID, q)
	if g, w := pick(got, eventID), pick(want.Events, eventID); changes(w, g) != "" || len(g) != len(w) {
		d.fatalf("the events are %v, want %v", g, w)
	}
	for i, e := range got {
		d.fatalIf(i > 0 && (!q.Newest && e.CreatedAt.Before(got[i-1].CreatedAt) || q.Newest && e.CreatedAt.After(got[i-1].CreatedAt)),
			"event %s comes out of its order", e.ID)
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
