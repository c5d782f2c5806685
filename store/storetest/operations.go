package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	addPromise     = "AddNotice adds n for the webhook that n names, and sets that webhook's Mark from oldMark to newMark, in one step."
	noticesPromise = "ClaimNotices hides up to limit notices from every other caller until the lease ends, oldest first. None is not an error."
	deferPromise   = "DeferNotice hides a notice from everybody for delay from now, even after the lease's end. With a token other than the notice's current one it changes nothing, for somebody else has it now."
	ackPromise     = "AckNotice removes a notice for good, whoever has claimed it since: what was handed over need not be once more."
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
		{10, "Prune removes what retention no longer keeps, at most p.Limit records, and says whether more may be left to do.", (*duel).playPrune},
		{5, addPromise, (*duel).playAddNotice},
		{5, noticesPromise, (*duel).playClaimNotices},
		{3, deferPromise, (*duel).playDeferNotice},
		{1, ackPromise, (*duel).playAckNotice},
		{9, "An id is held by one holder at a time, until it is committed, forgotten or its lease ends.", (*duel).playSeen},
		{8, "Deliveries lists a webhook's deliveries, newest first, without their attempts.", (*duel).playDeliveries},
		{3, "ListWebhooks returns a page of the merchant's webhooks, oldest first, ties by id.", (*duel).playWebhooks},
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
		e.Body = append(e.Body, "\x00\xff"...) // opaque
		switch n := d.rand.IntN(100); {
		case n < 10:
			e.Test, e.Forged = d.webhookID(m), n < 3
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
		case n < 40: // an id that another merchant has
			if other := one(d, d.published[d.merchant()]); d.publishable(m, other) && d.model.event(m, other.ID) == nil {
				e.ID = other.ID
			}
		}
		events = append(events, e)
		if e.Test != "" { // alone, for it may fail the batch
			events = events[len(events)-1:]
			break
		}
	}
	for i := range events {
		if len(d.calls)%2 == 0 { // Half of the calls.
			events[i].Trace = "trace of \x00\xff" + events[i].ID
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
	for i, e := range events {
		d.match(nth("answer", i+1), got[i], want[i], "Deliveries")
		if want[i].Conflict {
			d.matchPublished(got[i], nil)
			continue
		}
		d.matchPublished(got[i], d.model.event(m, e.ID).deliveries)
		if !want[i].Duplicate {
			d.published[m] = append(d.published[m], e)
		}
	}
	return true
}

// matchPublished compares the deliveries of an answer, which come in any order. A
// repeated event need not name those of a webhook that was deleted.
func (d *duel) matchPublished(got store.Published, want []*modelDelivery) {
	deleted := func(webhookID string) bool {
		return got.Duplicate && !slices.ContainsFunc(d.model.webhooks, func(w *modelWebhook) bool { return w.ID == webhookID })
	}
	want = slices.DeleteFunc(slices.Clone(want), func(t *modelDelivery) bool { return deleted(t.WebhookID) })
	shown := slices.DeleteFunc(got.Deliveries, func(p store.PublishedDelivery) bool { return deleted(p.WebhookID) })
	if len(shown) != len(want) {
		d.fatalf("the event has deliveries %v, want %d", shown, len(want))
	}
	for _, t := range want {
		i := slices.IndexFunc(shown, func(p store.PublishedDelivery) bool { return p.WebhookID == t.WebhookID })
		switch {
		case i < 0:
			d.fatalf("the event has deliveries %v, and none to %s", shown, t.WebhookID)
		case !got.Duplicate:
			d.adopt(t, shown[i].ID)
		case shown[i].ID != t.ID:
			d.fatalf("the delivery to %s is %s, and was %s the first time", t.WebhookID, shown[i].ID, t.ID)
		}
	}
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

func (d *duel) playEnqueue() bool {
	m := d.merchant()
	w := d.webhookID(m)
	nonce := one(d, []string{"n1", "n2", d.x.id("n")})
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
	_, wantErr := d.model.Enqueue(d.x.Context(), m, w, nil, nonce)
	if !d.agree(err, wantErr) {
		return true
	}
	if len(got) != len(ids) {
		d.fatalf("%d answers, want %d", len(got), len(ids))
	}
	for i := range ids {
		want, _ := d.model.Enqueue(d.x.Context(), m, w, ids[i:i+1], nonce)
		if made := d.model.delivery(m, w, want[0].DeliveryID); made != nil && !d.given[made.ID] {
			d.adopt(made, got[i].DeliveryID)
			want[0].DeliveryID = made.ID
		}
		d.match(nth("answer", i+1), got[i], want[0])
	}
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
	if d.chance(20) { // What is not the caller's.
		w.Epoch, w.Version, w.Mark, w.ConsecutiveFailures, w.Disablings, w.CreatedAt = 7, 7, "mine", 7, 7, d.model.now.Add(-time.Hour)
	}
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
		d.webhookIDs = append(d.webhookIDs, w.ID)
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
	if known != nil && d.chance(20) {
		u.IfVersion = max(1, known.Version+one(d, []int64{0, 0, 1, -1}))
	}
	d.updateWebhook(m, id, u)
	return true
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
	}
	u := store.WebhookUpdate{Status: new(store.Active)}
	if w.Status == store.Active {
		u = store.WebhookUpdate{Status: new(store.Disabled), Reason: d.x.id("why")}
	}
	d.updateWebhook(w.MerchantID, w.ID, u)
	return true
}

// playRate sets the rate of a webhook, now and then to what it is.
func (d *duel) playRate() bool {
	drained := slices.DeleteFunc(slices.Clone(d.model.webhooks), func(w *modelWebhook) bool { return d.model.over(d.model.tokenAt(w)) })
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
	d.updateWebhook(w.MerchantID, w.ID, u)
	return true
}

func (d *duel) updateWebhook(m, id string, u store.WebhookUpdate) {
	d.call("UpdateWebhook %s %s with %s", m, id, show(u))
	got, err := d.x.st.UpdateWebhook(d.x.Context(), m, id, u)
	want, wantErr := d.model.UpdateWebhook(d.x.Context(), m, id, u)
	if d.agree(err, wantErr) {
		d.match("the webhook", got, want)
	}
}

func (d *duel) playDelete() bool {
	m := d.merchant()
	id := d.webhookID(m)
	if d.chance(20) {
		id = one(d, d.webhookIDs)
	}
	version := int64(0)
	if w := d.model.webhook(m, id); w != nil && d.chance(50) {
		version = max(1, w.Version+one(d, []int64{0, 1, -1}))
	}
	d.call("DeleteWebhook %s %s of version %d", m, id, version)
	d.agree(d.x.st.DeleteWebhook(d.x.Context(), m, id, version), d.model.DeleteWebhook(d.x.Context(), m, id, version))
	return true
}

// playAddNotice adds a notice, now and then for a Mark that has moved.
func (d *duel) playAddNotice() bool {
	m := d.merchant()
	marks := []string{"", d.x.id("mark"), strings.Repeat("\x00", store.MaxMark)}
	n := store.Notice{
		Kind: one(d, []store.NoticeKind{store.NoticeWarning, store.NoticeRecovered}), WebhookID: d.webhookID(m),
		URL: "https://example.com/" + d.x.id("url"), Reason: one(d, []string{"", "why"}), Failures: d.rand.IntN(3), DisableAfter: d.rand.IntN(9), Since: d.moment(),
	}
	was := one(d, marks)
	if w := d.model.webhook(m, n.WebhookID); w != nil && d.chance(75) {
		was = w.Mark
	}
	will := one(d, marks)
	d.call("AddNotice %s for %s of mark %q, to %q", n.Kind, n.WebhookID, was, will)
	got, err := d.x.st.AddNotice(d.x.Context(), m, n, was, will)
	want, wantErr := d.model.AddNotice(d.x.Context(), m, n, was, will)
	if d.agree(err, wantErr) && got != want {
		d.fatalf("added is %t, want %t", got, want)
	}
	return true
}

// claimedNotice picks a notice whose id is known, and now and then a wrong merchant.
func (d *duel) claimedNotice() (merchantID string, n *modelNotice) {
	n = one(d, slices.DeleteFunc(slices.Clone(d.model.notices), func(n *modelNotice) bool { return n.token == 0 }))
	if n == nil || d.chance(10) {
		return d.merchant(), n
	}
	return n.MerchantID, n
}

func (d *duel) playDeferNotice() bool {
	m, n := d.claimedNotice()
	if n == nil {
		return false
	}
	token := n.token
	if d.chance(50) {
		token = one(d, d.tokens[n]) // of this claim or one before
	}
	d.call("DeferNotice %s %s of token %d", m, n.ID, token)
	d.agree(d.x.st.DeferNotice(d.x.Context(), m, n.ID, token, duelGrace), d.model.DeferNotice(d.x.Context(), m, n.ID, token, duelGrace))
	return true
}

func (d *duel) playAckNotice() bool {
	m, n := d.claimedNotice()
	if n == nil {
		return false
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
