package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Damage is a way in which something beside the store may spoil one of its records: a bit
// that flips, a row that is deleted by hand, a text that is cut.
type Damage struct {
	Name string // of the subtest

	// Do damages something of the victim. It fails if there is nothing to damage.
	Do func(ctx context.Context, of Victim) error

	// Told says that the store has to find it: count it in [store.Backlog].Damaged, and
	// name the merchant once in [store.Pruned].Damaged. Without it the store may not know,
	// or care.
	Told bool
}

// Victim names what a [Damage] may damage: all of it is of the merchant and the webhook that
// the store got first.
type Victim struct {
	MerchantID string
	WebhookID  string

	Waiting  Sent // never claimed
	Again    Sent // waits for another try
	Leased   Sent // nothing is heard of it any more
	Finished Sent // leased, and its result comes after the damage
	Ended    Sent

	NoticeID string // of a notice that was never acknowledged
	JobID    string // of one that has not ended
}

// Sent is a delivery and its event.
type Sent struct{ DeliveryID, EventID string }

const damagePromise = "It costs itself: calls about others answer as they would without it."

// RunDamage damages a record in each way that the harness offers, on a store of its own, and
// goes on with all that a store is for. What others get is what they get without, and of the
// victim nothing stays pending while its webhook can be read, fails in another way than with [store.ErrDamaged] or
// [store.ErrNotFound], or keeps claimers busy. It fails if the harness offers no way.
func RunDamage(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	first := open(t)
	if len(first.Damages) == 0 {
		t.Fatal("the harness offers no Damages")
	}
	want := playDamage(t, first, Damage{Do: func(context.Context, Victim) error { return nil }})
	for i, d := range first.Damages {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			compareDamage(t, playDamage(t, h, h.Damages[i]), want)
		})
	}
}

// compareDamage reports the first thing that others get otherwise than without damage.
func compareDamage(t tb, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("others get %q, and %q without the damage\n\tbroken promise: %s", g, w, damagePromise)
			t.FailNow()
		}
	}
}

// drama is a run on a store in which something of the first of three merchants is damaged.
type drama struct {
	*trial

	merchants []string
	bodies    map[string]int // how often a body of the others was claimed
	told      []store.Damage
	out       []string // what the others got
}

const dramaType, dramaWebhook = "document.created", "whk_damage"

// playDamage lets deliveries of three merchants end, wait, be leased and be fresh, does the
// damage, goes on with all that a store is for, and returns what the other two got.
func playDamage(t tb, h Harness, damage Damage) []string {
	t.Helper()
	d := &drama{
		trial:     &trial{tb: t, st: h.Store, harness: h, promise: damagePromise},
		merchants: []string{"merchant_0", "merchant_1", "merchant_2"}, bodies: map[string]int{},
	}
	v, late := d.begin()
	if err := damage.Do(d.Context(), v); err != nil {
		d.fatalf("damage: %v", err)
	}
	_, err := d.st.Finish(d.Context(), late)
	d.must(err, "Finish")
	d.goOn()
	d.visit(v)
	d.tell()
	d.end()
	if damage.Told {
		d.heard(v)
	}
	return d.out
}

// begin brings the store to where something of everything is there, and returns the results that
// are under way.
func (d *drama) begin() (v Victim, late []store.Result) {
	made := map[string]string{} // deliveries of the victim by event
	for i, m := range d.merchants {
		_, err := d.st.CreateWebhook(d.Context(), m, store.Webhook{
			ID: dramaWebhook, URL: "https://example.com/" + m, Events: []string{dramaType}, Status: store.Active, Secret: "sealed", Encoding: "standard",
		}, 0)
		d.must(err, "CreateWebhook")
		for n := range 6 {
			out := d.send(m, n)
			if i == 0 && len(out.Deliveries) == 1 {
				made[eventNumber(n)] = out.Deliveries[0].ID
			}
			d.harness.Advance(time.Millisecond)
		}
		_, err = d.st.Enqueue(d.Context(), m, dramaWebhook, []string{eventNumber(1)}, "again", 0)
		d.must(err, "Enqueue")
	}
	late = d.settleSome()
	for _, m := range d.merchants {
		d.addRest(m)
	}
	v = Victim{MerchantID: d.merchants[0], WebhookID: dramaWebhook, JobID: "job"}
	for n, s := range []*Sent{&v.Ended, &v.Again, &v.Leased, &v.Finished, &v.Waiting} {
		id := eventNumber(n)
		*s = Sent{made[id], id}
	}
	notices, err := d.st.ClaimNotices(d.Context(), len(d.merchants), time.Millisecond)
	d.must(err, "ClaimNotices")
	for _, n := range notices {
		if n.MerchantID == v.MerchantID {
			v.NoticeID = n.ID
		}
	}
	d.harness.Advance(2 * time.Millisecond)
	return v, late
}

func eventNumber(n int) string { return fmt.Sprintf("evt_%d", n) }

// send publishes an event by number.
func (d *drama) send(merchantID string, n int) store.Published {
	d.Helper()
	id := eventNumber(n)
	out, err := d.st.Publish(d.Context(), merchantID, []store.NewEvent{{ID: id, Type: dramaType, Fingerprint: id, Body: []byte("body of " + id)}})
	if merchantID == d.merchants[0] {
		d.spared(err, "Publish")
	} else {
		d.must(err, "Publish for another merchant")
	}
	if len(out) == 1 {
		return out[0]
	}
	return store.Published{}
}

// settleSome claims four of each webhook: the first ends, the second has to wait, and the others
// stay leased. It returns results of the last ones.
func (d *drama) settleSome() (late []store.Result) {
	c, err := d.st.Claim(d.Context(), store.ClaimRequest{Limit: 12, Lease: time.Minute, PerWebhook: 4})
	d.must(err, "Claim")
	d.fatalIf(len(c.Leases) != 12, "Claim takes %d deliveries, 12 are due", len(c.Leases))
	var now []store.Result
	for i, r := range succeeded(c.Leases) {
		switch c.Leases[i].EventID {
		case eventNumber(0):
			now = append(now, r)
		case eventNumber(1):
			r.Outcome, r.Delay = store.Retry, 90*time.Second
			now = append(now, r)
		case eventNumber(3):
			late = append(late, r)
		}
	}
	_, err = d.st.Finish(d.Context(), now)
	d.must(err, "Finish")
	return late
}

func succeeded(leases []store.Lease) []store.Result {
	return pick(leases, func(l store.Lease) store.Result {
		return store.Result{MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Succeeded}
	})
}

// addRest adds a notice, jobs and a test.
func (d *drama) addRest(m string) {
	_, err := d.st.AddNotice(d.Context(), m, store.Notice{Kind: store.NoticeWarning, WebhookID: dramaWebhook}, "", "mark")
	d.must(err, "AddNotice")
	for _, id := range []string{"ended", "job"} {
		_, err = d.st.AddJob(d.Context(), m, store.Job{ID: id, Scope: "scope", State: []byte("state")})
		d.must(err, "AddJob")
		_, err = d.st.UpdateJob(d.Context(), m, id, store.JobUpdate{End: id == "ended"})
		d.must(err, "UpdateJob")
	}
	_, err = d.st.Publish(d.Context(), m, []store.NewEvent{{ID: "evt_test", Type: "webhook.test", Fingerprint: "x", Test: dramaWebhook}})
	d.must(err, "Publish of a test")
}

// goOn publishes, claims, finishes and prunes until leases and delays are long over.
func (d *drama) goOn() {
	for round := range 8 {
		for i, m := range d.merchants {
			for n := range 2 {
				d.send(m, 10+n)
			}
			_, err := d.st.Enqueue(d.Context(), m, dramaWebhook, []string{eventNumber(3)}, "again", 0)
			if i > 0 {
				d.must(err, "Enqueue for another merchant")
			}
		}
		next := d.drain()
		d.fatalIf(next == 0, "Claim finds nothing in round %d, and its Next is 0: claimers would not pause", round)
		if round%2 == 1 {
			d.prune(store.PruneRequest{Limit: 1000})
		}
		d.harness.Advance(time.Minute)
	}
	_, err := d.st.Backlog(d.Context())
	d.must(err, "Backlog")
}

// drain claims and finishes until nothing is due, and returns the last Next.
func (d *drama) drain() time.Duration {
	for range endless {
		c, err := d.st.Claim(d.Context(), store.ClaimRequest{Limit: 4, Lease: time.Minute, PerWebhook: 2})
		d.must(err, "Claim")
		for _, l := range c.Leases {
			d.fatalIf(l.URL != "https://example.com/"+l.MerchantID || l.Secret == "", "Claim hands out a lease of webhook %q without its address or secret", l.WebhookID)
			d.bodies[l.MerchantID+" "+string(l.Body)]++
		}
		_, err = d.st.Finish(d.Context(), succeeded(c.Leases))
		d.must(err, "Finish")
		if len(c.Leases) == 0 && c.Next != 0 {
			return c.Next
		}
	}
	return 0
}

func (d *drama) prune(p store.PruneRequest) {
	d.Helper()
	done, err := d.st.Prune(d.Context(), p)
	d.must(err, "Prune")
	d.told = append(d.told, done.Damaged...)
}

// spared ends the drama if a call about the victim fails in a way that tells nobody what is
// wrong.
func (d *drama) spared(err error, doing string) {
	d.Helper()
	if err != nil && !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNotFound) {
		d.fatalf("%s fails with %q, which is neither %q nor %q", doing, err, store.ErrDamaged, store.ErrNotFound)
	}
}

// visit asks for all that there is of the victim.
func (d *drama) visit(v Victim) {
	ctx := d.Context()
	_, webhook := d.st.Webhook(ctx, v.MerchantID, v.WebhookID)
	d.spared(webhook, "Webhook")
	_, err := d.st.Stats(ctx, v.MerchantID, v.WebhookID)
	d.spared(err, "Stats")
	_, err = d.st.ListWebhooks(ctx, v.MerchantID, store.WebhookQuery{Limit: 10})
	d.spared(err, "ListWebhooks")
	_, err = d.st.Changes(ctx, v.MerchantID, v.WebhookID)
	d.spared(err, "Changes")
	_, err = d.st.Events(ctx, v.MerchantID, store.EventQuery{Limit: 100, WebhookID: v.WebhookID})
	d.spared(err, "Events")
	_, err = d.st.ListJobs(ctx, v.MerchantID, store.JobQuery{Limit: 100})
	d.spared(err, "ListJobs")
	for _, s := range []Sent{v.Waiting, v.Again, v.Leased, v.Finished, v.Ended} {
		_, err = d.st.Delivery(ctx, v.MerchantID, v.WebhookID, s.DeliveryID)
		d.spared(err, "Delivery")
		_, err = d.st.Event(ctx, v.MerchantID, s.EventID)
		d.spared(err, "Event")
		_, err = d.st.EventDeliveries(ctx, v.MerchantID, s.EventID)
		d.spared(err, "EventDeliveries")
	}
	_, err = d.st.Job(ctx, v.MerchantID, v.JobID)
	d.spared(err, "Job")
	page, err := d.st.Deliveries(ctx, v.MerchantID, v.WebhookID, store.DeliveryQuery{Limit: 100})
	d.spared(err, "Deliveries")
	for _, s := range page.Deliveries {
		d.fatalIf(s.Status == store.DeliveryPending && webhook == nil, "delivery %s of event %s is still pending", s.ID, s.EventID)
	}
}

// tell writes down what the others see, and what is claimed of their notices and jobs.
func (d *drama) tell() {
	notices, err := d.st.ClaimNotices(d.Context(), 10, time.Minute)
	d.must(err, "ClaimNotices")
	for _, m := range d.merchants {
		for _, n := range notices {
			if n.MerchantID == m {
				d.note(m, "notice %s of %s", n.Kind, n.WebhookID)
			}
		}
	}
	jobs, err := d.st.ClaimJobs(d.Context(), jobKinds(), 10, time.Minute)
	d.must(err, "ClaimJobs")
	for _, m := range d.merchants {
		for _, j := range jobs {
			if j.MerchantID == m {
				d.note(m, "job %s of version %d", j.ID, j.Version)
			}
		}
	}
	d.troubled(1)
	d.show()
}

// note adds a line unless it is about the victim.
func (d *drama) note(merchantID, format string, args ...any) {
	if merchantID != d.merchants[0] {
		d.out = append(d.out, merchantID+": "+fmt.Sprintf(format, args...))
	}
}

// noteAll adds lines in an order that does not depend on that of equals.
func (d *drama) noteAll(merchantID string, lines []string) {
	slices.Sort(lines)
	for _, line := range lines {
		d.note(merchantID, "%s", line)
	}
}

// show writes down what the lists of the others have.
func (d *drama) show() {
	for _, m := range d.merchants[1:] {
		w := store.Webhook{MerchantID: m, ID: dramaWebhook}
		d.note(m, "%+v", d.stats(w))
		d.noteAll(m, pick(d.deliveries(w, store.DeliveryQuery{Limit: 100}), func(s store.Delivery) string {
			return fmt.Sprintf("%s %s %d %d", s.EventID, s.Status, s.Attempts, s.Reclaims)
		}))
		d.noteAll(m, pick(d.events(m, store.EventQuery{Limit: 100, WebhookID: dramaWebhook}), func(e store.Event) string {
			return fmt.Sprintf("event %s %s", e.ID, e.Delivered)
		}))
		changes, err := d.st.Changes(d.Context(), m, dramaWebhook)
		d.must(err, "Changes")
		d.note(m, "%d changes", len(changes))
		d.note(m, "%d webhooks, %d jobs", len(d.webhooks(m, store.WebhookQuery{Limit: 100})), len(d.jobs(m, store.JobQuery{Limit: 100})))
	}
}

// end prunes by age and number, and deletes what was damaged.
func (d *drama) end() {
	d.prune(store.PruneRequest{
		DeliveryAge: time.Second, EventAge: time.Second, NoticeAge: time.Second, JobAge: time.Second,
		PausedAge: time.Second, PausedCode: "paused", DeliveriesPerWebhook: 1, Limit: 1000,
	})
	d.show()
	_, err := d.st.AddJob(d.Context(), d.merchants[0], store.Job{ID: "more", Scope: "scope"})
	d.spared(err, "AddJob")
	d.spared(d.st.DeleteWebhook(d.Context(), d.merchants[0], dramaWebhook, 0), "DeleteWebhook")
	d.prune(store.PruneRequest{Limit: 1000})
	d.show()
	for _, k := range slices.Sorted(maps.Keys(d.bodies)) {
		m, body, _ := strings.Cut(k, " ")
		d.note(m, "%s %d times", body, d.bodies[k])
	}
}

// heard asks for the account of the damage.
func (d *drama) heard(v Victim) {
	b, err := d.st.Backlog(d.Context())
	d.must(err, "Backlog")
	d.fatalIf(b.Damaged == 0, "Backlog counts nothing that is damaged")
	named := slices.ContainsFunc(d.told, func(o store.Damage) bool {
		return o.MerchantID == v.MerchantID && o.What != "" && o.How != "" && !o.At.IsZero()
	})
	d.fatalIf(!named, "Prune names no damage of %s with what, how and when; it told %v", v.MerchantID, d.told)
	seen := map[string]bool{}
	for _, o := range d.told {
		of := fmt.Sprint(o.MerchantID, o.WebhookID, o.What)
		d.fatalIf(seen[of], "Prune tells of %s twice", o)
		seen[of] = true
	}
}
