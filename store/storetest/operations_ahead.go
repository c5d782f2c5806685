package storetest

import "github.com/rag-assistant/webhooks/store"

const expeditePromise = "Expedite makes a pending delivery due now, if it is due later, and says whether it is pending."

// aheadOperations are about deliveries that wait, and what they need.
func aheadOperations() []operation {
	return []operation{
		{20, expeditePromise, (*duel).playExpedite},
		{10, "The store's clock decides what is due and stamps every record", (*duel).playAdvance},
		{12, "Publish stores events and, in the same step, one pending delivery, due now, for each webhook that is active and subscribed at this moment.", (*duel).playPublish},
		{20, "Claim hides due deliveries from every other caller until their lease ends", (*duel).playClaim},
		{20, "Any other result is accepted … sets the delivery's and the webhook's counters, status and streak in the same step", (*duel).playFinish},
		{4, "Setting the status that it already has changes none of these.", (*duel).playToggle},
		{4, prunePromise, (*duel).playPrune},
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
