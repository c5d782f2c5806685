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
	prunePromise   = "Prune removes what retention no longer keeps, at most p.Limit records, and says whether more may be left to do."
	ackPromise     = "AckNotice removes a notice for good, whoever has claimed it since: what was handed over need not be once more."
)

func operations() []operation {
	return []operation{
		{20, "The store's clock decides what is due and stamps every record", (*duel).playAdvance},
		{18, "Publish stores events and, in the same step, one pending delivery, due now, for each webhook that is active and subscribed at this moment.", (*duel).playPublish},
		{6, "Enqueue makes one more pending delivery, due now, of each stored event to one webhook, whatever its status and subscriptions.", (*duel).playEnqueue},
		{24, "Claim hides due deliveries from every other caller until their lease ends", (*duel).playClaim},
		{32, "Any other result is accepted … sets the delivery's and the webhook's counters, status and streak in the same step", (*duel).playFinish},
		{3, "CreateWebhook stores w under merchantID with Version 1, Epoch 1 and the status of w", (*duel).playCreate},
		{9, "Turning a disabled webhook active empties DisabledReason, DisabledAt and UnwellSince, sets ConsecutiveFailures to 0 and adds 1 to Epoch", (*duel).playToggle},
		{8, "UpdateWebhook applies u in one step, adds 1 to Version and returns the result.", (*duel).playUpdate},
		{6, "RateLimit fills the bucket anew if it is another rate than before, and changes nothing else.", (*duel).playRate},
		{1, "DeleteWebhook forgets the webhook with its deliveries, stats and notices.", (*duel).playDelete},
		{10, prunePromise, (*duel).playPrune},
		{4, addPromise, (*duel).playAddNotice},
		{3, noticesPromise, (*duel).playClaimNotices},
		{2, deferPromise, (*duel).playDeferNotice},
		{1, ackPromise, (*duel).playAckNotice},
		{7, "An id is held by one holder at a time, until it is committed, forgotten or its lease ends.", (*duel).playSeen},
		{10, "Deliveries lists a webhook's deliveries, newest first, without their attempts.", (*duel).playDeliveries},
		{3, "ListWebhooks returns a page of the merchant's webhooks, oldest first, ties by id.", (*duel).playWebhooks},
		{6, "Events lists stored events, oldest first unless q says otherwise, without their bodies.", (*duel).playEvents},
		{5, "A record of another merchant is [ErrNotFound], the same as one that never was.", (*duel).playRead},
	}
}

func (d *duel) playAdvance() bool {
	return d.wait(one(d, []time.Duration{tick, 37 * tick, 10 * time.Second, 30 * time.Second, 2 * time.Minute, time.Hour}))
}

func (d *duel) wait(by time.Duration) bool {
	d.call("advance %s", by)
	d.advance(by)
	return true
}

func (d *duel) playPublish() bool {
	m := d.merchant()
	var events []store.NewEvent
	for range one(d, []int{0, 1, 2, 2, 3, 3, 4, 4}) {
		e := d.newEvent(m, events)
		events = append(events, e)
		if e.Test != "" { // alone, for it may fail the batch
			events = events[len(events)-1:]
			break
		}
	}
	d.call("Publish %s%s", m, strings.Join(pick(events, describe), ","))
	got, want, ok := both(d, func(st store.Store) ([]store.Published, error) { return st.Publish(d.x.Context(), m, events) })
	if !ok {
		return true
	}
	d.fatalIf(len(got) != len(want), "%d answers, want %d", len(got), len(want))
	for i, e := range events {
		slices.Sort(got[i].Missed)
		slices.Sort(want[i].Missed)
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

// newEvent describes an event, now and then a test, one of before or one of the batch.
func (d *duel) newEvent(m string, batch []store.NewEvent) store.NewEvent {
	e := d.x.newEvent(d.eventType())
	e.Body = append(e.Body, "\x00\xff"+strings.Repeat("x", d.rand.IntN(60))...) // opaque
	switch n := d.rand.IntN(100); {
	case n < 15:
		e.Test, e.Forged = d.webhookID(m), n < 5
		if d.chance(20) {
			e.Test = one(d, d.webhookIDs)
		}
	case n < 33:
		if again := d.publishedAgain(m); d.publishable(m, again) {
			e = again
			if n < 18 {
				e.Fingerprint = "another print"
			}
		}
	case n < 38 && len(batch) > 0:
		e = batch[0]
	case n < 43: // an id that another merchant has
		if other := one(d, d.published[d.merchant()]); d.publishable(m, other) && d.model.event(m, other.ID) == nil {
			e.ID = other.ID
		}
	}
	e.Trace, e.MaxPending = "", d.maxPending
	if d.chance(50) {
		e.Trace = "trace of \x00\xff" + e.ID
	}
	return e
}

// publishedAgain picks an event of before, most often one that was pruned.
func (d *duel) publishedAgain(m string) store.NewEvent {
	again := one(d, d.published[m])
	for range 5 {
		if d.model.event(m, again.ID) != nil || !d.publishable(m, again) {
			again = one(d, d.published[m])
		}
	}
	return again
}

// matchPublished compares the deliveries of an answer, which come in any order. A
// repeated event need not name those of a webhook that was deleted.
func (d *duel) matchPublished(got store.Published, want []*modelDelivery) {
	deleted := func(webhookID string) bool {
		return got.Duplicate && !slices.ContainsFunc(d.model.webhooks, func(w *modelWebhook) bool { return w.ID == webhookID })
	}
	want = slices.DeleteFunc(slices.Clone(want), func(t *modelDelivery) bool { return deleted(t.WebhookID) })
	shown := slices.DeleteFunc(got.Deliveries, func(p store.PublishedDelivery) bool { return deleted(p.WebhookID) })
	d.fatalIf(len(shown) != len(want), "the event has deliveries %v, want %d", shown, len(want))
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

// enqueuing is what Enqueue is asked for.
type enqueuing struct {
	merchant, webhook, nonce string
	events                   []string
}

func (d *duel) playEnqueue() bool {
	e := d.newEnqueuing()
	if ended := one(d, slices.DeleteFunc(slices.Clone(d.model.deliveries), func(t *modelDelivery) bool {
		return t.nonce == "" || t.Status == store.DeliveryPending
	})); ended != nil && d.chance(50) { // once more
		e = enqueuing{ended.MerchantID, ended.WebhookID, ended.nonce, []string{ended.EventID}}
	}
	m, w, ids, nonce := e.merchant, e.webhook, e.events, e.nonce
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { // What it would mean is open.
		return d.model.event(m, id) == nil && slices.ContainsFunc(d.model.deliveries, func(t *modelDelivery) bool { return t.MerchantID == m && t.EventID == id })
	})
	d.call("Enqueue %s to %s of %v, nonce %q", m, w, ids, nonce)
	got, err := d.x.st.Enqueue(d.x.Context(), m, w, ids, nonce, d.maxPending)
	_, wantErr := d.model.Enqueue(d.x.Context(), m, w, nil, nonce, 0)
	if !d.agree(err, wantErr) {
		return true
	}
	d.fatalIf(len(got) != len(ids), "%d answers, want %d", len(got), len(ids))
	for i := range ids {
		want, _ := d.model.Enqueue(d.x.Context(), m, w, ids[i:i+1], nonce, d.maxPending)
		if made := d.model.delivery(m, w, want[0].DeliveryID); made != nil && !d.given[made.ID] {
			d.adopt(made, got[i].DeliveryID)
			want[0].DeliveryID = made.ID
		}
		d.match(nth("answer", i+1), got[i], want[0])
	}
	return true
}

func (d *duel) newEnqueuing() enqueuing {
	m := d.merchant()
	e := enqueuing{merchant: m, webhook: d.webhookID(m), nonce: one(d, []string{"n1", "n2", d.x.id("n")})}
	for range 1 + d.rand.IntN(3) {
		id := one(d, d.published[m]).ID
		if id == "" || d.chance(20) {
			id = one(d, d.published[d.merchant()]).ID
		}
		if id == "" || d.chance(10) {
			id = d.x.id("evt")
		}
		e.events = append(e.events, id)
	}
	return e
}

// playAddNotice adds a notice, now and then for a Mark that has moved.
func (d *duel) playAddNotice() bool {
	m := d.merchant()
	marks := []string{"", d.x.id("mark"), strings.Repeat("\x00", store.MaxMark)}
	n := store.Notice{
		Kind: one(d, []store.NoticeKind{store.NoticeWarning, store.NoticeRecovered, store.NoticeMoved, store.NoticeEnabled}), WebhookID: d.webhookID(m),
		URL: "https://example.com/" + d.x.id("url"), Reason: one(d, []string{"", "why"}), Failures: d.rand.IntN(3), DisableAfter: d.rand.IntN(9), Since: d.moment(),
	}
	was := one(d, marks)
	if w := d.model.webhook(m, n.WebhookID); w != nil && d.chance(75) {
		was = w.Mark
	}
	will := one(d, marks)
	d.call("AddNotice %s for %s of mark %q, to %q", n.Kind, n.WebhookID, was, will)
	if got, want, _ := both(d, func(st store.Store) (bool, error) { return st.AddNotice(d.x.Context(), m, n, was, will) }); got != want {
		d.fatalf("added is %t, want %t", got, want)
	}
	return true
}

// claimedNotice picks a notice whose id is known, also one that is gone, and now and
// then a wrong merchant.
func (d *duel) claimedNotice() (merchantID string, n *modelNotice) {
	n = one(d, d.notices)
	if n == nil {
		return "", nil
	}
	if d.chance(15) {
		if other := d.merchant(); !slices.ContainsFunc(d.model.notices, func(o *modelNotice) bool { return o.MerchantID == other && o.token == 0 }) {
			return other, n
		} // Another merchant's notice of that id is unknown to the model until it is claimed.
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
	d.fails(func(st store.Store) error { return st.DeferNotice(d.x.Context(), m, n.ID, token, duelGrace) })
	return true
}

func (d *duel) playAckNotice() bool {
	m, n := d.claimedNotice()
	if n == nil {
		return false
	}
	d.call("AckNotice %s %s", m, n.ID)
	d.fails(func(st store.Store) error { return st.AckNotice(d.x.Context(), m, n.ID) })
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
	ctx := d.x.Context()
	switch n := d.rand.IntN(10); {
	case n < 5 || s == nil && n < 8:
		if again && !s.done && !s.end.Equal(d.model.now.Add(duelLease)) {
			return // playKeptSeen holds it anew
		}
		b := store.SeenBegin{Holder: holder, Fingerprint: one(d, []string{"", "A", "A", "B"}), Lease: duelLease}
		d.call("BeginSeen %s %s", id, show(b))
		answers(d, "the answer", func(st store.Store) (store.SeenAnswer, error) { return st.BeginSeen(ctx, scope, id, b) })
	case n < 9:
		if again && s.done && !s.end.Equal(d.model.now.Add(duelGrace)) {
			return // whether this makes it last longer is open
		}
		value := []byte(d.x.id("value"))
		d.call("CommitSeen %s of %s with %s", id, holder, value)
		d.fails(func(st store.Store) error { return st.CommitSeen(ctx, scope, id, holder, value, duelGrace) })
	default:
		d.call("ForgetSeen %s of %s", id, holder)
		d.fails(func(st store.Store) error { return st.ForgetSeen(ctx, scope, id, holder) })
	}
}

// playKeptSeen makes a call about an id that outlives its lease, or lets time go by.
func (d *duel) playKeptSeen() {
	const id = "kept"
	scope, holder, ctx := "scope "+d.x.tag, one(d, []string{"holder1", "holder2", "holder3"}), d.x.Context()
	if s := d.model.seenID(scope, id); s != nil && d.chance(50) {
		holder = s.holder
	}
	switch n := d.rand.IntN(10); {
	case n < 6:
		b := store.SeenBegin{
			Holder: holder, Fingerprint: one(d, []string{"", "A", "A", "B"}),
			Lease: one(d, []time.Duration{0, tick, duelLease, duelLease}), Keep: one(d, []time.Duration{0, 2 * duelLease, 2 * duelLease}),
		}
		d.call("BeginSeen %s %s", id, show(b))
		answers(d, "the answer", func(st store.Store) (store.SeenAnswer, error) { return st.BeginSeen(ctx, scope, id, b) })
	case n < 7:
		if s := d.model.seenID(scope, id); s != nil && s.done {
			return // whether committing twice makes it last longer is open
		}
		d.call("CommitSeen %s of %s", id, holder)
		d.fails(func(st store.Store) error { return st.CommitSeen(ctx, scope, id, holder, nil, duelLease/2) })
	case n < 8:
		d.call("ForgetSeen %s of %s", id, holder)
		d.fails(func(st store.Store) error { return st.ForgetSeen(ctx, scope, id, holder) })
	default:
		d.wait(one(d, []time.Duration{tick, 10 * time.Second, duelLease}))
	}
}

// playRead reads one record of each kind, also what is not there or is another's.
func (d *duel) playRead() bool {
	m, w, id, event := d.merchant(), one(d, d.webhookIDs), "whdel_none", d.x.id("evt")
	if t := one(d, d.model.deliveries); t != nil {
		id, event = t.ID, t.EventID
		if d.chance(50) {
			m = t.MerchantID
		}
		if d.chance(50) {
			w = t.WebhookID
		}
	}
	d.call("reading webhook %s, delivery %s and event %s of %s", w, id, event, m)
	d.read(m, w, id)
	d.fails(func(st store.Store) error { _, err := st.Event(d.x.Context(), m, event); return err })
	d.fails(func(st store.Store) error { _, err := st.EventDeliveries(d.x.Context(), m, event); return err })
	return true
}

// read asks for a webhook in every way, and for a delivery.
func (d *duel) read(m, webhookID, deliveryID string) {
	ctx := d.x.Context()
	if got, want, ok := both(d, func(st store.Store) (store.Webhook, error) { return st.Webhook(ctx, m, webhookID) }); ok {
		d.matchWebhook(got, want)
	}
	answers(d, "the stats", func(st store.Store) (store.Stats, error) { return st.Stats(ctx, m, webhookID) })
	d.fails(func(st store.Store) error { _, err := st.Changes(ctx, m, webhookID); return err })
	d.fails(func(st store.Store) error { _, err := st.Delivery(ctx, m, webhookID, deliveryID); return err })
}
