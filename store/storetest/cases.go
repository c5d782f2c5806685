package storetest

import (
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func groups() []group {
	return []group{
		{"webhooks", []testCase{
			{"volatile", "A wrapper of a volatile store forwards the method.", volatile},
			{
				"kept apart from the caller's memory",
				"A store neither keeps nor changes a slice, map or struct that was passed to it after the method has returned. What a method returns belongs to the caller, except for bodies",
				keptApart,
			},
			{"more changes than are kept", "Changes lists the last [MaxChanges] changes of a webhook, newest first", manyChanges},
		}},
		{"publish", []testCase{
			{"what fails", "Each event is stored whole or not at all. … If Publish returns an error, some events may have been stored. To publish them again is safe.", whatFails},
			{"once more, too often", "MaxEnqueued is how many kept deliveries of one event to one webhook Enqueue can have made.", tooOften},
			{"patterns, to the letter", `The words of a type are what its dots separate. So "a.*" takes in "a.b" and "a.b.c", but neither "a" nor "ab.c".`, toTheLetter},
			{"ids", `"whdel_" and up to 34 letters, digits, '-' or '_', unique and never used again`, newIDs},
		}},
		{"claim", []testCase{
			{"a disabled webhook takes no turn", "and a disabled one is simply not there", manyDisabled},
		}},
		{"rate", []testCase{{
			"to the millisecond",
			"It holds 1000·R of them when the rate is set, and never more. A delivery takes 1000, and whatever is left then grows by R with each millisecond of the store's clock",
			rateToTheMillisecond,
		}}},
		{"finish", []testCase{{
			"disabled by failures",
			"DisableAfter, if above 0, disables an active webhook in the same step when StreakExtend brings ConsecutiveFailures to it or beyond and the streak began at least DisableAfterFailingFor ago.",
			disabledByFailures,
		}}},
		{"history", []testCase{
			{"a cursor that is not the store's", "A cursor that cannot be one of the store's is [ErrCursor].", badCursors},
			{"followed while deliveries come and go", followPromise, followedDeliveries},
			{"followed while events come and go", followPromise, followedEvents},
		}},
		{"prune", []testCase{{
			"by count",
			"DeliveriesPerWebhook removes ended deliveries of a webhook beyond this many, those that were made first before the others. At least so many stay, and once nothing is left to do at most [PruneSlack] more",
			prunedByCount,
		}}},
		{"jobs", []testCase{{
			"many that have ended",
			"Of the jobs of a merchant that have ended, [MaxEndedJobs] are kept. When one more ends, the one that ended first is forgotten.",
			manyEndedJobs,
		}}},
		{"watch", []testCase{{
			"woken",
			"Watch calls wake when a delivery may have become claimable sooner than the last Claim announced, and once when watching has begun.",
			woken,
		}}},
		{"concurrency", concurrencyCases()},
	}
}

const followPromise = "Following it shows no record twice, and leaves none out that was there from the first page to the last."

func volatile(x *trial) {
	v, ok := x.st.(store.Volatile)
	equal(x, "Volatile", ok && v.Volatile(), x.harness.Volatile)
}

// keptApart spoils what it has passed and what it has got.
func keptApart(x *trial) {
	given := x.newWebhook("a", "b")
	given.Metadata = map[string]string{"k": "v"}
	w, err := x.st.CreateWebhook(x.Context(), x.merchant, given, 0)
	x.must(err, "CreateWebhook")
	spoil := func(what string, other store.Webhook) {
		x.Helper()
		other.Events[0], other.Metadata["k"] = "spoilt", "spoilt"
		now := x.read(w)
		sameList(x, "Events after the caller changed what "+what, now.Events, []string{"a", "b"})
		equal(x, "Metadata after the caller changed what "+what, now.Metadata["k"], "v")
	}
	spoil("it passed to CreateWebhook", given)
	spoil("CreateWebhook answered", w)
	spoil("Webhook answered", x.read(w))
	spoil("ListWebhooks answered", x.webhooks(x.merchant, store.WebhookQuery{Limit: 1})[0])

	e := x.newEvent("a")
	body := string(e.Body)
	x.publishAll(e)
	e.Body[0] = 'x'
	l := x.take()
	equal(x, "Body after the caller changed what it passed", string(l.Body), body)
	x.finish(succeed(l), store.FinishAccepted)
	x.delivery(w, l.DeliveryID).Log[0].Code = "spoilt"
	equal(x, "Code of an attempt after the caller changed what it got", x.delivery(w, l.DeliveryID).Log[0].Code, "")
}

func whatFails(x *trial) {
	w := x.webhook("a")
	e, test := x.newEvent("a"), x.newEvent("a")
	test.Test = x.id("whk")
	_, err := x.st.Publish(x.Context(), x.merchant, []store.NewEvent{test, e})
	x.fails("Publish of a test for nobody", err, store.ErrNotFound)
	equal(x, "number of deliveries of an event that was published again", len(x.publishAll(e)[0].Deliveries), 1)
	equal(x, "number of deliveries", x.stats(w).Total, 1)
}

// tooOften asks for as many deliveries as Enqueue may make, and for more.
func tooOften(x *trial) {
	w, other := x.webhook("a"), x.webhook("a")
	es := x.publish("a", 2)
	x.publish("a", 30)
	ask := func(when string, w store.Webhook, event, nonce string, full bool) {
		x.Helper()
		got, err := x.st.Enqueue(x.Context(), x.merchant, w.ID, []string{event}, nonce, 0)
		x.must(err, "Enqueue")
		if got[0].Full != full || (got[0].DeliveryID == "") != full {
			x.Errorf("Enqueue of %s answers %s, want Full to be %t", when, show(got[0]), full)
		}
	}
	for i := range store.MaxEnqueued {
		ask("what there is room for", w, es[0], nth("nonce", i), false)
	}
	ask("one more", w, es[0], "more", true)
	ask("a nonce of before", w, es[0], "nonce 3", false)
	ask("another event", w, es[1], "more", false)
	ask("another webhook", other, es[0], "more", false)
	x.settleAll(succeed)
	ask("one more when all have ended", w, es[0], "more", true)
	x.advance(time.Hour)
	x.prune(store.PruneRequest{DeliveryAge: time.Minute})
	ask("one more when all were pruned", w, es[0], "more", false)
}

// toTheLetter publishes types that only look like what a pattern takes in.
func toTheLetter(x *trial) {
	for _, tt := range []struct {
		pattern  string
		fits     []string
		fitsNot  []string
		wherefor string
	}{
		{"a_b.*", []string{"a_b.c", "a_b.c.d.e.f.g"}, []string{"axb.c", "a_b", "a_bc.d"}, "an underscore is no wildcard"},
		{"a%.*", []string{"a%.c"}, []string{"ab.c", "a"}, "a percent sign is no wildcard"},
		{"[ab].*", []string{"[ab].c"}, []string{"a.c", "b.c"}, "a bracket is no wildcard"},
		{"a.B.*", []string{"a.B.c"}, []string{"a.b.c", "A.B.c", "a.B", "a.c"}, "letters have a case"},
	} {
		w := x.webhook(tt.pattern, "never")
		for _, eventType := range append(tt.fits, tt.fitsNot...) {
			got := x.publishAll(x.newEvent(eventType))[0].Deliveries
			want := slices.Contains(tt.fits, eventType)
			if len(got) > 1 || (len(got) == 1) != want {
				x.Errorf("%q made %d deliveries to a webhook that subscribes to %q, want it to fit: %t (%s)", eventType, len(got), tt.pattern, want, tt.wherefor)
			}
		}
		x.remove(w)
	}
}

// settleAll claims all that is due and settles it.
func (x *trial) settleAll(result func(store.Lease) store.Result) {
	x.Helper()
	x.per = endless
	for _, l := range x.claim(endless) {
		x.finish(result(l), store.FinishAccepted)
	}
}

// newIDs publishes an event anew that was pruned.
func newIDs(x *trial) {
	known := map[string]bool{}
	fresh := func(id string) {
		x.Helper()
		if known[id] || !deliveryIDs.MatchString(id) {
			x.Errorf("the id of a delivery is %q, want a new one that matches %s", id, deliveryIDs)
		}
		known[id] = true
	}
	for range 3 {
		w, e := x.webhook("a"), x.newEvent("a")
		fresh(x.publishAll(e)[0].Deliveries[0].ID)
		fresh(x.enqueue(w, e.ID, "n"))
		x.settleAll(succeed)
		x.advance(time.Hour)
		x.prune(store.PruneRequest{DeliveryAge: time.Minute, EventAge: time.Minute})
		fresh(x.publishAll(e)[0].Deliveries[0].ID)
		x.remove(w)
	}
}

// manyDisabled has more disabled webhooks with due deliveries than a claim looks at.
func manyDisabled(x *trial) {
	var disabled []store.Webhook
	for range 30 {
		disabled = append(disabled, x.webhook("a"))
	}
	x.publish("a", 1)
	x.advance(time.Second)
	want := x.fanOut(x.webhook("b"), x.publish("b", 1)...)
	for _, w := range disabled {
		x.disable(w)
	}
	x.claims("one active webhook beside thirty disabled ones", want...)
}

func rateToTheMillisecond(x *trial) {
	x.per = endless
	w := x.newWebhook("a")
	w.RateLimit = 1100
	_, err := x.st.CreateWebhook(x.Context(), x.merchant, w, 0)
	x.must(err, "CreateWebhook")
	x.publish("a", 1115)
	x.advance(time.Hour)
	for range 11 {
		ls := x.claim(100)
		equal(x, "number claimed of a full bucket of 1100, in parts", len(ls), 100)
		x.finishAll(pick(ls, succeed)...)
	}
	equal(x, "number claimed of an empty bucket", len(x.claim(endless)), 0)
	x.advance(time.Millisecond)
	equal(x, "number claimed of a bucket that has gained 1.1 tokens", len(x.claim(endless)), 1)
	x.advance(9 * time.Millisecond)
	equal(x, "number claimed of a bucket that had 0.1 tokens left and has gained 9.9", len(x.claim(endless)), 10)
}

// disabledByFailures follows a webhook through two streaks.
func disabledByFailures(x *trial) {
	x.per = endless
	w := x.webhook("a")
	x.publish("a", 30)
	ls := x.claim(30)
	fails := func(disableAfter int) store.Result {
		r := failAt(ls[0], disableAfter)
		r.DisableAfterFailingFor, ls = time.Minute, ls[1:]
		return r
	}
	disabled := func(when string, want bool, results ...store.Result) {
		x.Helper()
		got := x.finishAll(results...)
		equal(x, "Disabled "+when, got[len(got)-1].Disabled, want)
	}
	for range 12 {
		disabled("in no time", false, fails(3))
	}
	x.advance(time.Minute - time.Millisecond)
	disabled("a millisecond too early", false, fails(3))
	x.advance(time.Millisecond)
	disabled("although nobody asks for it", false, fails(0))
	disabled("beyond the streak that is asked for", true, fails(3))
	disabled("once more", false, fails(3))

	x.enable(w)
	x.advance(2 * x.lease)
	ls = x.claim(30)
	disabled("by the first failure of another streak", false, fails(3))
	equal(x, "FailingSince of another streak", show(x.read(w).FailingSince), show(x.now))
	x.advance(time.Minute)
	disabled("by a long streak of two", false, fails(3))
	disabled("by the first failure after a success", false, succeed(ls[9]), fails(3))
	equal(x, "FailingSince of a streak that began in a batch", show(x.read(w).FailingSince), show(x.now))
	x.advance(time.Minute)
	disabled("by a long streak of three", true, fails(3), fails(3))
	equal(x, "Disablings", x.read(w).Disablings, 2)
	equal(x, "number of notices", len(x.notices(9)), 2)
}

func manyChanges(x *trial) {
	w := x.webhook("a")
	for range store.MaxChanges + 1 {
		w = x.update(w, store.WebhookUpdate{Description: new(x.id("about"))})
	}
	got, err := x.st.Changes(x.Context(), w.MerchantID, w.ID)
	x.must(err, "Changes")
	equal(x, "number of changes", len(got), store.MaxChanges)
	equal(x, "version of the newest", got[0].Version, w.Version)
	equal(x, "version of the oldest", got[len(got)-1].Version, w.Version-store.MaxChanges+1)
}

// badCursors holds each list to what it has to say of a cursor that is not its own.
func badCursors(x *trial) {
	w, ctx, st := x.webhook("a"), x.Context(), x.st
	x.publish("a", 3)
	for _, cursor := range []string{"x", "not a cursor", "\x00", `{"a":1}`} {
		_, err := st.Deliveries(ctx, x.merchant, w.ID, store.DeliveryQuery{Limit: 1, Cursor: cursor})
		x.fails("Deliveries with cursor "+cursor, err, store.ErrCursor)
		_, err = st.Cancel(ctx, x.merchant, w.ID, store.CancelRequest{Code: "code", Limit: 1, Cursor: cursor})
		x.fails("Cancel with cursor "+cursor, err, store.ErrCursor)
		_, err = st.Events(ctx, x.merchant, store.EventQuery{Limit: 1, Cursor: cursor})
		x.fails("Events with cursor "+cursor, err, store.ErrCursor)
		_, err = st.ListWebhooks(ctx, x.merchant, store.WebhookQuery{Limit: 1, Cursor: cursor})
		x.fails("ListWebhooks with cursor "+cursor, err, store.ErrCursor)
		_, err = st.Merchants(ctx, store.MerchantQuery{Limit: 1, Cursor: cursor})
		x.fails("Merchants with cursor "+cursor, err, store.ErrCursor)
		_, err = st.Troubled(ctx, store.TroubledQuery{Limit: 1, Cursor: cursor})
		x.fails("Troubled with cursor "+cursor, err, store.ErrCursor)
	}
}

// followedDeliveries changes a list while it is followed. Its first page ends at what is
// pruned then, or at what stays.
func followedDeliveries(x *trial) {
	for limit := range 5 {
		w := x.webhook("a", "b")
		x.publish("a", 6)
		x.settleAll(succeed)
		x.advance(time.Hour)
		want := x.fanOut(w, x.publish("a", 9)...) // in one millisecond
		x.publish("b", 2)
		x.advance(time.Millisecond)
		ended := x.fanOut(w, x.publish("a", 3)...)
		pages := 0
		got := follow(x, "Deliveries", limit+1, func(cursor string) ([]store.Delivery, string, error) {
			p, err := x.st.Deliveries(x.Context(), x.merchant, w.ID, store.DeliveryQuery{EventType: "a", Limit: limit + 1, Cursor: cursor})
			if pages++; pages == 1 {
				x.settleAll(func(l store.Lease) store.Result {
					if slices.Contains(ended, l.DeliveryID) {
						return succeed(l)
					}
					return retry(l, 100*time.Hour)
				})
				x.advance(time.Hour)
				x.prune(store.PruneRequest{DeliveryAge: time.Minute})
				x.publish("a", 2)
			}
			return p.Deliveries, p.Next, err
		})
		x.once("the deliveries", pick(got, deliveryID), want)
		equal(x, "a delivery of another type is shown", slices.ContainsFunc(got, func(d store.Delivery) bool { return d.EventType != "a" }), false)
		x.remove(w)
	}
}

func followedEvents(x *trial) {
	x.publish("a", 3)
	x.advance(time.Hour)
	want := x.publish("a", 9) // in one millisecond
	pages := 0
	got := follow(x, "Events", 2, func(cursor string) ([]store.Event, string, error) {
		p, err := x.st.Events(x.Context(), x.merchant, store.EventQuery{Limit: 2, Cursor: cursor})
		if pages++; pages == 1 {
			x.prune(store.PruneRequest{EventAge: time.Minute})
			x.publish("a", 2)
		}
		return p.Events, p.Next, err
	})
	x.once("the events", pick(got, eventID), want)
}

// once reports ids that were shown twice and wanted ones that were left out. Others may
// be there.
func (x *trial) once(what string, got, want []string) {
	x.Helper()
	for i, id := range got {
		if slices.Contains(got[:i], id) {
			x.Errorf("%s: %s is shown twice", what, id)
		}
	}
	for _, id := range want {
		if !slices.Contains(got, id) {
			x.Errorf("%s: %s is left out; shown are %d", what, id, len(got))
		}
	}
}

// prunedByCount prunes more than a store may keep beyond what is asked for.
func prunedByCount(x *trial) {
	const keep = 20
	x.per = endless
	w, few := x.webhook("a"), x.webhook("few")
	x.publish("few", keep)
	for range 3 {
		x.publish("a", keep+store.PruneSlack)
		x.advance(time.Millisecond)
	}
	ls := x.claim(endless)
	slices.Reverse(ls) // What was made last ends first.
	x.finishAll(pick(ls, succeed)...)
	x.advance(time.Millisecond)
	waiting := x.fanOut(w, x.publish("a", 1)...)[0]
	made := x.stats(w).Total
	done := x.prune(store.PruneRequest{DeliveriesPerWebhook: keep, Limit: 50})
	left := x.deliveries(w, store.DeliveryQuery{Status: store.DeliverySucceeded, Limit: 50})
	if n := len(left); n < keep || n > keep+store.PruneSlack {
		x.Errorf("%d deliveries are kept, want %d to %d", n, keep, keep+store.PruneSlack)
	}
	equal(x, "number removed and kept", int64(done.Deliveries+len(left)+1), made)
	if x.now.Sub(left[len(left)-1].CreatedAt) > 2*time.Millisecond {
		x.Errorf("a delivery of before is kept, and others that were made later are gone")
	}
	equal(x, "Status of what waits", x.delivery(w, waiting).Status, store.DeliveryPending)
	equal(x, "number kept of a webhook that has no more", x.stats(few).Total, keep)
}

// manyEndedJobs ends the job that was added first as the last one.
func manyEndedJobs(x *trial) {
	ids := make([]string, store.MaxEndedJobs+2)
	for i := range ids {
		ids[i] = x.id("job")
		_, err := x.st.AddJob(x.Context(), x.merchant, store.Job{ID: ids[i], Scope: ids[i]})
		x.must(err, "AddJob")
	}
	end := func(id string) {
		x.Helper()
		_, err := x.st.UpdateJob(x.Context(), x.merchant, id, store.JobUpdate{End: true})
		x.must(err, "UpdateJob")
	}
	for _, id := range ids[2:] {
		end(id)
	}
	equal(x, "number of jobs, of which two have not ended", len(x.jobs(x.merchant, store.JobQuery{Limit: endless})), len(ids))
	end(ids[0])
	_, err := x.st.Job(x.Context(), x.merchant, ids[2])
	x.fails("Job of the one that ended first", err, store.ErrNotFound)
	for _, id := range []string{ids[0], ids[1], ids[3]} {
		_, err := x.st.Job(x.Context(), x.merchant, id)
		x.must(err, "Job of one that ended later, or not at all")
	}
}
