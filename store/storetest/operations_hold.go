package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const holdPromise = "Hold, if above 0, keeps the whole webhook back, whatever the Outcome: for this long from now nothing of it is claimable but tests."

// playHold holds a webhook by some results, now and then of before an enabling, and looks
// a while later what can be claimed.
func (d *duel) playHold() {
	d.playPublish()
	d.claim()
	first := one(d, d.open())
	w := d.model.webhook(first.MerchantID, first.WebhookID)
	if w == nil {
		return
	}
	if d.chance(25) {
		d.renew(w)
	}
	var results []store.Result
	for _, l := range d.open() {
		if l.MerchantID == w.MerchantID && l.WebhookID == w.ID {
			r := d.result(l)
			r.Hold = one(d, []time.Duration{0, tick / 2, duelHold, duelHold, duelHold + 10*time.Second})
			d.finish([]store.Result{r})
			results = append(results, r)
		}
	}
	d.compare(false)
	if d.chance(50) {
		d.renew(w)
	}
	d.wait(one(d, []time.Duration{tick, duelHold - tick/2, duelHold + tick/2, 30 * time.Second}))
	if d.chance(25) { // They are not accepted any more.
		again := one(d, results)
		stale := again
		stale.Token--
		d.finish([]store.Result{again, stale})
	}
	d.compare(false)
	d.claim()
}

// renew enables a webhook or gives it another URL, or does something that changes nothing
// of a hold.
func (d *duel) renew(w *modelWebhook) {
	updates := []store.WebhookUpdate{
		{Status: new(store.Disabled), Reason: "why"},
		{Status: new(store.Active)},
		{URL: new("https://example.com/" + d.x.id("url"))},
		{Description: new("about"), URL: new(w.URL)},
	}
	i := d.rand.IntN(len(updates))
	for _, u := range slices.Concat(updates[i:i+1], updates[1:2]) {
		d.updateWebhook(w.MerchantID, w.ID, u)
	}
}
