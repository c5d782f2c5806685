package storetest

import (
	"slices"

	"github.com/rag-assistant/webhooks/store"
)

const cancelPromise = "Cancel ends pending deliveries of a webhook as failed, without an attempt"

const expeditePromise = "Expedite makes a pending delivery due now, if it is due later, and says whether it is pending."

// aheadOperations are about deliveries that wait, and what they need.
func aheadOperations() []operation {
	return []operation{
		{20, expeditePromise, (*duel).playExpedite},
		{8, cancelPromise, (*duel).playCancel},
		{12, "Empty means all that are pending when the first step is made, tests left out: what is published later is not meant.", (*duel).playCancelAll},
		{10, "The store's clock decides what is due and stamps every record", (*duel).playAdvance},
		{12, "Publish stores events and, in the same step, one pending delivery, due now, for each webhook that is active and subscribed at this moment.", (*duel).playPublish},
		{20, "Claim hides due deliveries from every other caller until their lease ends", (*duel).playClaim},
		{20, "Any other result is accepted … sets the delivery's and the webhook's counters, status and streak in the same step", (*duel).playFinish},
		{6, "If maxPending is above 0, none is made beyond so many pending deliveries of the webhook", (*duel).playEnqueue},
		{4, "Setting the status that it already has changes none of these.", (*duel).playToggle},
		{12, prunePromise, (*duel).playPrune},
	}
}

// aDelivery picks a delivery, most often a pending one that is due later, and now and then
// an id that the webhook does not have.
func (d *duel) aDelivery() (merchantID, webhookID, deliveryID string, ok bool) {
	t := one(d, d.model.deliveries)
	for range 8 {
		if t == nil || t.pending() && t.DueAt.After(d.model.now) || d.chance(10) {
			break
		}
		t = one(d, d.model.deliveries)
	}
	if t == nil {
		return "", "", "", false
	}
	merchantID, webhookID, deliveryID = t.MerchantID, t.WebhookID, t.ID
	switch d.rand.IntN(20) {
	case 0:
		merchantID = d.merchant()
	case 1:
		webhookID = one(d, d.webhookIDs)
	case 2:
		deliveryID = "whdel_none"
	}
	return merchantID, webhookID, deliveryID, true
}

func (d *duel) playExpedite() bool {
	m, w, id, ok := d.aDelivery()
	if !ok {
		return false
	}
	d.call("Expedite %s to %s of %s", id, w, m)
	got, want, _ := both(d, func(st store.Store) (bool, error) { return st.Expedite(d.x.Context(), m, w, id) })
	d.fatalIf(got != want, "pending is %t, want %t", got, want)
	return true
}

func (d *duel) playCancel() bool {
	m, w, id, ok := d.aDelivery()
	if !ok {
		return false
	}
	c := store.CancelRequest{DeliveryID: id, Code: d.x.id("code"), Limit: 1}
	d.call("Cancel %s to %s of %s", id, w, m)
	answers(d, "what Cancel did", func(st store.Store) (store.Cancelled, error) { return st.Cancel(d.x.Context(), m, w, c) })
	return true
}

// playCancelAll makes all steps, and publishes after the first one.
func (d *duel) playCancelAll() bool {
	m := d.merchant()
	w := d.webhookID(m)
	meant := slices.DeleteFunc(slices.Clone(d.model.deliveries), func(t *modelDelivery) bool {
		return t.MerchantID != m || t.WebhookID != w || !d.model.cancels(t, "")
	})
	c := store.CancelRequest{Code: d.x.id("code"), Limit: 1 + d.rand.IntN(4)}
	d.call("Cancel all to %s of %s, %d at a time", w, m, c.Limit)
	sum, known := 0, d.model.webhook(m, w) != nil
	for step := 0; step == 0 || c.Cursor != ""; step++ {
		got, err := d.x.st.Cancel(d.x.Context(), m, w, c)
		if !known {
			return !d.agree(err, store.ErrNotFound)
		}
		d.x.must(err, "Cancel")
		d.fatalIf(got.Deliveries > c.Limit || step == endless, "step %d ended %d deliveries, limit %d", step, got.Deliveries, c.Limit)
		sum, c.Cursor = sum+got.Deliveries, got.Next
		if step == 0 {
			bound := d.maxPending
			d.maxPending = 0 // The model has not cancelled yet.
			d.playPublish()
			d.maxPending = bound
		}
	}
	d.fatalIf(sum != len(meant), "%d deliveries are cancelled, want %d", sum, len(meant))
	for _, t := range meant {
		d.model.cancel(t, c.Code)
	}
	d.model.change()()
	return true
}
