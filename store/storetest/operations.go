package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func operations() []operation {
	return []operation{
		{20, "The store's clock decides what is due and stamps every record", (*duel).playAdvance},
		{18, "Publish stores events and, in the same step, one pending delivery, due now, for each webhook that is active and subscribed at this moment.", (*duel).playPublish},
		{5, "Enqueue makes one more pending delivery, due now, of each stored event to one webhook, whatever its status and subscriptions.", (*duel).playEnqueue},
		{20, "Claim hides due deliveries from every other caller until their lease ends", (*duel).playClaim},
		{25, "Any other result is accepted … sets the delivery's and the webhook's counters, status and streak in the same step", (*duel).playFinish},
		{3, "CreateWebhook stores w under merchantID with Version 1, Epoch 1, the status of w", (*duel).playCreate},
		{9, "Turning a disabled webhook active empties DisabledReason and DisabledAt, sets ConsecutiveFailures to 0 and adds 1 to Epoch", (*duel).playToggle},
		{8, "UpdateWebhook applies u in one step, adds 1 to Version and returns the result.", (*duel).playUpdate},
		{6, "RateLimit fills the bucket anew if it is another rate than before, and changes nothing else.", (*duel).playRate},
		{1, "DeleteWebhook forgets the webhook with its deliveries, stats and notices.", (*duel).playDelete},
		{7, "Prune removes what retention no longer keeps, at most p.Limit records, and says whether more is left to do.", (*duel).playPrune},
		{4, noticesPromise, (*duel).playClaimNotices},
		{3, deferPromise, (*duel).playDeferNotice},
		{1, ackPromise, (*duel).playAckNotice},
		{9, "An id is held by one holder at a time, until it is committed, forgotten or its lease ends.", (*duel).playSeen},
		{5, "Deliveries lists a webhook's deliveries, newest first, without their attempts.", (*duel).playDeliveries},
		{3, "Events lists stored events, oldest first, without their bodies.", (*duel).playEvents},
	}
}

func (d *duel) playAdvance() bool {
	by := one(d, []time.Duration{tick, 37 * tick, 10 * time.Second, 40 * time.Second, 2 * time.Minute, time.Hour})
	d.call("advance %s", by)
	d.advance(by)
	return true
}

func (d *duel) playPublish() bool {
	m := d.merchant()
	var events []store.NewEvent
	for range 1 + d.rand.IntN(3) {
		e := d.x.newEvent(one(d, d.types))
		switch n := d.rand.IntN(100); {
		case n < 10:
			e.Test = d.webhookID(m)
		case n < 30:
			again := one(d, d.published[m])
			for range 5 { // one that was pruned, if there is any
				if d.model.event(m, again.ID) != nil || !d.publishable(m, again) {
					again = one(d, d.published[m])
				}
			}
			if d.publishable(m, again) {
				e = again
				if n < 15 {
					e.Fingerprint = "another print"
				}
			}
		case n < 35 && len(events) > 0:
			e = events[0]
		}
		events = append(events, e)
		if e.Test != "" { // alone, for it may fail the batch
			events = events[len(events)-1:]
			break
		}
	}
	for i := range events {
		if len(d.calls)%2 == 0 { // Half of the calls.
			events[i].Trace = "trace of " + events[i].ID
		}
	}
	d.call("Publish %s%s", m, strings.Join(pick(events, describe), ","))
	got, err := d.x.st.Publish(d.x.Context(), m, events)
	want, wantErr := d.model.Publish(d.x.Context(), m, events)
	if !d.agree(err, wantErr) {
		return true
	}
	if len(got) != len(want) {
		d.fatalf("%d answers, want %d", len(got), len(want))
	}
	for i := range want {
		// A repeated event need not name deliveries of a webhook that was deleted.
		if want[i].Duplicate {
			deleted := func(id string) bool { return d.model.webhook(m, d.home[id]) == nil && d.home[id] != "" }
			got[i].Deliveries = slices.DeleteFunc(got[i].Deliveries, deleted)
			want[i].Deliveries = slices.DeleteFunc(want[i].Deliveries, deleted)
		} else if !want[i].Conflict {
			d.published[m] = append(d.published[m], events[i])
		}
		d.match(nth("answer", i+1), got[i], want[i])
	}
	d.forgetReborn()
	return true
}

// describe writes an event for the list of calls.
func describe(e store.NewEvent) string {
	out := " " + e.ID + " " + e.Type
	if e.Test != "" {
		out += " as a test of " + e.Test
	}
	if e.Fingerprint != "print of "+e.ID {
		out += " with another print"
	}
	return out
}

// publishable says that e may be published again: it is stored, or nothing of it
// is left. What becomes of a kept delivery whose event is published anew is open.
func (d *duel) publishable(merchantID string, e store.NewEvent) bool {
	if e.ID == "" || e.Test != "" {
		return false
	}
	return d.model.event(merchantID, e.ID) != nil || !slices.ContainsFunc(d.model.deliveries, func(t *modelDelivery) bool {
		return t.MerchantID == merchantID && t.EventID == e.ID
	})
}

// forgetReborn drops the leases of deliveries that were pruned and made anew,
// whose tokens may begin anew too.
func (d *duel) forgetReborn() {
	d.leases = slices.DeleteFunc(d.leases, func(l heldLease) bool {
		t := d.model.delivery(l.MerchantID, l.WebhookID, l.DeliveryID)
		return t != nil && t.token < l.modelToken
	})
}

func (d *duel) playEnqueue() bool {
	m := d.merchant()
	w := d.webhookID(m)
	nonce := one(d, []string{"", "n1", "n2", d.x.id("n")})
	var ids []string
	for range 1 + d.rand.IntN(3) {
		switch e := one(d, d.published[m]); {
		case d.publishable(m, e):
			ids = append(ids, e.ID)
		case d.chance(50):
			ids = append(ids, one(d, d.published[d.merchant()]).ID)
		default:
			ids = append(ids, d.x.id("evt"))
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	d.call("Enqueue %s to %s of %v, nonce %q", m, w, ids, nonce)
	got, err := d.x.st.Enqueue(d.x.Context(), m, w, ids, nonce)
	want, wantErr := d.model.Enqueue(d.x.Context(), m, w, ids, nonce)
	if d.agree(err, wantErr) && !slices.Equal(got, want) {
		d.fatalf("the ids are %v, want %v", got, want)
	}
	d.forgetReborn()
	return true
}

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
	if d.chance(50) {
		w.Description, w.Metadata, w.Headers = d.x.id("about"), d.metadata(), d.x.id("headers")
	}
	w.RateLimit = d.rate()
	return w
}

func (d *duel) metadata() map[string]string {
	return one(d, []map[string]string{{}, {"team": d.x.id("team")}, {"tier": "gold"}, {"team": "one", "tier": d.x.id("tier")}})
}

// rate is none, or so low that a bucket is soon empty.
func (d *duel) rate() int { return one(d, d.rates) }

func (d *duel) createWebhook(m string, w store.Webhook, limit int) {
	d.call("CreateWebhook %s %s for %v, rate %d, limit %d", m, w.ID, w.Events, w.RateLimit, limit)
	got, err := d.x.st.CreateWebhook(d.x.Context(), m, w, limit)
	want, wantErr := d.model.CreateWebhook(d.x.Context(), m, w, limit)
	if d.agree(err, wantErr) {
		d.match("the webhook", got, want)
		d.ids = append(d.ids, w.ID)
	}
}

func (d *duel) playUpdate() bool {
	m := d.merchant()
	id := d.webhookID(m)
	var u store.WebhookUpdate
	if d.chance(20) {
		u.URL = new("https://example.com/" + d.x.id("url"))
	}
	if d.chance(20) {
		u.Events = d.subscriptions()
	}
	if d.chance(60) {
		u.Status = new(one(d, []store.Status{store.Active, store.Active, store.Disabled}))
		u.Reason = d.x.id("why")
	}
	if d.chance(20) {
		u.Encoding = new(one(d, []string{"standard", "ascii"}))
	}
	if d.chance(15) {
		u.Description, u.Metadata = new(one(d, []string{"", d.x.id("about")})), d.metadata()
	}
	if d.chance(10) {
		u.Headers = new(one(d, []string{"", d.x.id("headers")}))
	}
	known := d.model.webhook(m, id)
	switch n := d.rand.IntN(100); {
	case n < 15:
		u.Rotate = new(d.x.id("secret"))
		u.KeepPrevious = one(d, []time.Duration{0, duelGrace})
	case n < 25 && known != nil:
		now := d.model.shown(known)
		u.Reseal = &store.Reseal{
			OldSecret: now.Secret, OldPrevious: now.PreviousSecret, OldHeaders: now.Headers, Secret: d.x.id("resealed"),
		}
		if now.PreviousSecret != "" {
			u.Reseal.Previous = d.x.id("resealed")
		}
		if now.Headers != "" {
			u.Reseal.Headers = d.x.id("resealed")
		}
		if n < 18 {
			u.Reseal.OldSecret = "another"
		}
	}
	mine := u
	if known != nil && d.chance(20) {
		off := one(d, []int64{0, 0, 1, -1})
		v := d.versions[id]
		u.IfVersion, mine.IfVersion = v[0]+off, known.Version+off
		if u.IfVersion <= 0 || mine.IfVersion <= 0 {
			return false
		}
	}
	d.updateWebhook(m, id, u, mine)
	return true
}

// playToggle disables what is active and the other way round.
func (d *duel) playToggle() bool {
	if len(d.model.webhooks) == 0 {
		return false
	}
	w := one(d, d.model.webhooks)
	off := slices.DeleteFunc(slices.Clone(d.model.webhooks), func(w *store.Webhook) bool { return w.Status == store.Active })
	if len(off) > 0 && d.chance(40) {
		w = one(d, off)
	}
	u := store.WebhookUpdate{Status: new(store.Active)}
	if w.Status == store.Active {
		u = store.WebhookUpdate{Status: new(store.Disabled), Reason: d.x.id("why")}
	}
	d.updateWebhook(w.MerchantID, w.ID, u, u)
	return true
}

// playRate sets the rate of a webhook, now and then to what it is.
func (d *duel) playRate() bool {
	drained := slices.DeleteFunc(slices.Clone(d.model.webhooks), func(w *store.Webhook) bool { return d.model.over(d.model.tokenAt(w)) })
	w := one(d, drained)
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
	d.updateWebhook(w.MerchantID, w.ID, u, u)
	return true
}

// updateWebhook updates in both stores, whose versions may differ.
func (d *duel) updateWebhook(m, id string, u, mine store.WebhookUpdate) {
	d.call("UpdateWebhook %s %s with %s", m, id, show(u))
	got, err := d.x.st.UpdateWebhook(d.x.Context(), m, id, u)
	want, wantErr := d.model.UpdateWebhook(d.x.Context(), m, id, mine)
	if d.agree(err, wantErr) {
		d.match("the webhook", got, want, "Version")
		if before := d.versions[id][0]; got.Version != before+1 {
			d.fatalf("Version is %d after %d", got.Version, before)
		}
	}
}

func (d *duel) playDelete() bool {
	m := d.merchant()
	id := d.webhookID(m)
	if d.chance(20) {
		id = one(d, d.ids)
	}
	d.call("DeleteWebhook %s %s", m, id)
	d.agree(d.x.st.DeleteWebhook(d.x.Context(), m, id, 0), d.model.DeleteWebhook(d.x.Context(), m, id, 0))
	return true
}

func (d *duel) playDeferNotice() bool {
	if len(d.model.notices) == 0 {
		return false
	}
	n := one(d, d.model.notices)
	m := n.MerchantID
	if d.chance(10) {
		m = d.merchant()
	}
	token := n.token
	if token > 0 && d.chance(50) {
		token-- // of the claim before
	}
	d.call("DeferNotice %s %s of claim %d", m, n.ID, token)
	d.agree(d.x.st.DeferNotice(d.x.Context(), m, n.ID, token, duelGrace), d.model.DeferNotice(d.x.Context(), m, n.ID, token, duelGrace))
	return true
}

func (d *duel) playAckNotice() bool {
	if len(d.model.notices) == 0 {
		return false
	}
	n := one(d, d.model.notices)
	m := n.MerchantID
	if d.chance(10) {
		m = d.merchant()
	}
	d.call("AckNotice %s %s", m, n.ID)
	d.agree(d.x.st.AckNotice(d.x.Context(), m, n.ID), d.model.AckNotice(d.x.Context(), m, n.ID))
	return true
}

// playSeen makes a few calls about one id, for each changes what the next one
// answers and no other method shows it.
func (d *duel) playSeen() bool {
	id := fmt.Sprint("id", d.rand.IntN(2))
	for range 1 + d.rand.IntN(5) {
		d.seenOnce(id)
	}
	return true
}

func (d *duel) seenOnce(id string) {
	scope := "scope " + d.x.tag
	holders := []string{"holder1", "holder2", "holder3"}
	holder := one(d, holders)
	s := d.model.seenID(scope, id)
	if s != nil && d.chance(50) {
		holder = s.holder
	}
	again := s != nil && s.holder == holder
	st, m, ctx := d.x.st, d.model, d.x.Context()
	switch n := d.rand.IntN(10); {
	case n < 5 || s == nil && n < 8:
		if again && !s.done {
			return // whether this makes it last longer is open
		}
		b := store.SeenBegin{Holder: holder, Fingerprint: one(d, []string{"", "A", "A", "B"}), Lease: duelLease}
		d.call("BeginSeen %s %s", id, show(b))
		got, err := st.BeginSeen(ctx, scope, id, b)
		want, wantErr := m.BeginSeen(ctx, scope, id, b)
		if d.agree(err, wantErr) {
			d.match("the answer", got, want)
		}
	case n < 9:
		if again && s.done {
			return // as above
		}
		value := []byte(d.x.id("value"))
		d.call("CommitSeen %s of %s with %s", id, holder, value)
		d.agree(st.CommitSeen(ctx, scope, id, holder, value, duelGrace), m.CommitSeen(ctx, scope, id, holder, value, duelGrace))
	default:
		d.call("ForgetSeen %s of %s", id, holder)
		d.agree(st.ForgetSeen(ctx, scope, id, holder), m.ForgetSeen(ctx, scope, id, holder))
	}
}
