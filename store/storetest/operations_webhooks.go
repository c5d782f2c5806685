package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func (d *duel) playCreate() bool {
	m := d.merchant()
	w := d.furnished()
	if d.chance(20) {
		w.ID = d.webhookID(m)
		if own := d.model.webhook(m, w.ID); own == nil {
			return false // whether a deleted id, or one of another merchant, is free is open
		}
		d.createWebhook(m, w, 0)
		return true
	}
	d.createWebhook(m, w, 3)
	return true
}

// furnished describes a new webhook, some with settings.
func (d *duel) furnished() store.Webhook {
	w := d.x.newWebhook(d.subscriptions()...)
	w.ID = "whk" + one(d, []string{"a", "b", "c"}) + w.ID // not in the order of making
	if d.chance(50) {
		w.Description, w.Metadata, w.Headers = d.x.id("about"), d.metadata(), d.x.id("headers")
	}
	if d.chance(15) { // opaque
		w.URL, w.Secret, w.Encoding, w.Headers = "https://exämple.com/ \n", " sealed\x00\xff ", " ascii ", "\x00"
		w.Description, w.Metadata = " about ", map[string]string{"": "", " k\x00": " v\xff", "empty": ""}
	}
	if d.chance(10) {
		w.Status, w.DisabledReason, w.DisabledAt = store.Disabled, " why ", d.earlier()
	}
	if d.chance(15) { // It comes from another store.
		w.CreatedAt, w.UpdatedAt, w.DisabledAt = d.earlier(), d.earlier(), d.earlier()
		w.PreviousSecret, w.PreviousUntil = d.x.id("secret"), d.model.now.Add(one(d, []time.Duration{-time.Hour, duelGrace}))
	}
	w.RateLimit, w.UpdatedBy = d.rate(), one(d, []string{"", "somebody"})
	if d.chance(20) { // What is not the caller's.
		w.Epoch, w.Version, w.Mark, w.ConsecutiveFailures, w.Disablings = 7, 7, "mine", 7, 7
		w.FailingSince, w.PrunedUntil, w.UnwellSince, w.LastSuccess = d.model.now, d.model.now, d.model.now, d.model.now
	}
	return w
}

// earlier is no time, one of before, or one that has not come.
func (d *duel) earlier() time.Time {
	return one(d, []time.Time{{}, d.model.now.Add(-time.Hour), d.model.now.Add(-time.Minute), d.model.now.Add(time.Hour)})
}

func (d *duel) metadata() map[string]string {
	return one(d, []map[string]string{{}, {"team": d.x.id("team")}, {"tier": "gold"}, {"team": "one", "tier": d.x.id("tier")}})
}

// rate is none, or so low that a bucket is soon empty.
func (d *duel) rate() int { return one(d, d.rates) }

func (d *duel) createWebhook(m string, w store.Webhook, limit int) {
	d.call("CreateWebhook %s %s for %v, rate %d, limit %d", m, w.ID, w.Events, w.RateLimit, limit)
	if answers(d, "the webhook", func(st store.Store) (store.Webhook, error) { return st.CreateWebhook(d.x.Context(), m, w, limit) }) {
		d.webhookIDs = append(d.webhookIDs, w.ID)
	}
}

func (d *duel) playUpdate() bool {
	m := d.merchant()
	id := d.webhookID(m)
	if d.chance(15) {
		id = one(d, d.webhookIDs)
	}
	for range one(d, []int{1, 1, 2}) {
		d.updateWebhook(m, id, d.newUpdate(m, id))
	}
	return true
}

// patternOperations are about who gets an event.
func patternOperations() []operation {
	return []operation{
		{6, "It is one, however many of a webhook's Events take in the type", (*duel).playPublish},
		{2, "UpdateWebhook applies u in one step, adds 1 to Version and returns the result.", (*duel).playSubscribe},
		{1, "Setting the status that it already has changes none of these.", (*duel).playToggle},
	}
}

// playSubscribe has a webhook subscribe to something else.
func (d *duel) playSubscribe() bool {
	m := d.merchant()
	d.updateWebhook(m, d.webhookID(m), store.WebhookUpdate{Events: d.subscriptions()})
	return true
}

func (d *duel) newUpdate(m, id string) store.WebhookUpdate {
	u := store.WebhookUpdate{IfVersion: d.version(m, id, 20), By: one(d, []string{"", "ann\x00", "bob"})}
	for _, change := range []func(){
		func() { u.URL = new("https://example.com/" + d.x.id("url")) },
		func() { u.Events = d.subscriptions() },
		func() { u.Encoding = new(one(d, []string{"standard", "ascii"})) },
		func() { u.Description, u.Metadata = new(one(d, []string{"", d.x.id("about")})), d.metadata() },
		func() { u.Headers = new(one(d, []string{"", d.x.id("headers")})) },
		func() { u.Rotate, u.KeepPrevious = new(d.x.id("secret")), one(d, []time.Duration{0, duelGrace}) },
	} {
		if d.chance(20) {
			change()
		}
	}
	if d.chance(60) {
		u.Status = new(one(d, []store.Status{store.Active, store.Active, store.Disabled}))
		u.Reason = d.x.id("why")
	}
	if u.Rotate == nil && d.chance(30) {
		u.Reseal = d.reseal(m, id)
	}
	return u
}

// version is 0 or, in so many of 100 cases, the version of a webhook or one beside it.
func (d *duel) version(m, id string, chance int) int64 {
	if !d.chance(chance) {
		return 0
	}
	version := int64(1)
	if w := d.model.webhook(m, id); w != nil {
		version = w.Version
	}
	return max(1, version+one(d, []int64{0, 0, 1, -1}))
}

// reseal writes the secrets of a webhook anew, now and then with a wrong idea of them.
func (d *duel) reseal(m, id string) *store.Reseal {
	var now store.Webhook
	if w := d.model.webhook(m, id); w != nil {
		now = d.model.shown(w)
	}
	r := &store.Reseal{OldSecret: now.Secret, OldPrevious: now.PreviousSecret, OldHeaders: now.Headers, Secret: d.x.id("resealed")}
	if now.PreviousSecret != "" {
		r.Previous = d.x.id("resealed")
	}
	if now.Headers != "" {
		r.Headers = d.x.id("resealed")
	}
	if d.chance(30) {
		*one(d, []*string{&r.OldSecret, &r.OldPrevious, &r.OldHeaders}) = "another"
	}
	return r
}

// playToggle disables what is active and the other way round.
func (d *duel) playToggle() bool {
	if len(d.model.webhooks) == 0 {
		return false
	}
	w := one(d, d.model.webhooks)
	off := slices.DeleteFunc(slices.Clone(d.model.webhooks), func(w *modelWebhook) bool { return w.Status == store.Active })
	if len(off) > 0 && d.chance(40) {
		w = one(d, off)
	} else if empty := d.drained(); len(empty) > 0 && d.chance(40) {
		w = one(d, empty)
	}
	for range one(d, []int{1, 1, 2}) {
		u := store.WebhookUpdate{Status: new(store.Active)}
		if w.Status == store.Active {
			u = store.WebhookUpdate{Status: new(store.Disabled), Reason: d.x.id("why")}
		}
		d.updateWebhook(w.MerchantID, w.ID, u)
	}
	return true
}

// playRate sets the rate of a webhook, now and then to what it is.
func (d *duel) playRate() bool {
	w := one(d, d.drained())
	if w == nil || d.chance(30) {
		w = one(d, d.model.webhooks)
	}
	if w == nil || len(d.rates) == 1 {
		return false
	}
	u := store.WebhookUpdate{RateLimit: new(w.RateLimit)}
	if d.chance(50) {
		u.RateLimit = new(d.rate())
	}
	u.IfVersion = d.version(w.MerchantID, w.ID, 20)
	d.updateWebhook(w.MerchantID, w.ID, u)
	return true
}

// drained lists the webhooks that have no token.
func (d *duel) drained() []*modelWebhook {
	return slices.DeleteFunc(slices.Clone(d.model.webhooks), func(w *modelWebhook) bool { return d.model.over(d.model.tokenAt(w)) })
}

func (d *duel) updateWebhook(m, id string, u store.WebhookUpdate) {
	d.call("UpdateWebhook %s %s with %s", m, id, show(u))
	answers(d, "the webhook", func(st store.Store) (store.Webhook, error) { return st.UpdateWebhook(d.x.Context(), m, id, u) })
}

func (d *duel) playDelete() bool {
	m := d.merchant()
	id := d.webhookID(m)
	if d.chance(20) {
		id = one(d, d.webhookIDs)
	}
	d.deleteWebhook(m, id, d.version(m, id, 50))
	return true
}

func (d *duel) deleteWebhook(m, id string, version int64) {
	d.call("DeleteWebhook %s %s of version %d", m, id, version)
	d.fails(func(st store.Store) error { return st.DeleteWebhook(d.x.Context(), m, id, version) })
}
