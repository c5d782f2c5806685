package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const followPromise = "Following it shows no record twice, and leaves none out that was there from the first page to the last."

func historyCases() []testCase {
	return []testCase{
		{
			name:    "a cursor that is not the store's",
			promise: "A cursor that cannot be one of the store's is [ErrCursor].",
			run:     badCursors,
		},
		{
			name:    "followed while deliveries come and go",
			promise: followPromise,
			run: func(x *trial) {
				x.per = endless
				for limit := range 5 { // A page ends at what is pruned, or at what stays.
					w := x.webhook("a", "b")
					x.publish("a", 6)
					for _, l := range x.claim(6) {
						x.finish(succeed(l), store.FinishAccepted)
					}
					x.advance(time.Hour)
					want := x.fanOut(w, x.publish("a", 9)...) // in one millisecond
					x.publish("b", 2)
					x.advance(time.Millisecond)
					ended := x.fanOut(w, x.publish("a", 3)...)
					pages := 0
					got := follow(x, "Deliveries", limit+1, func(cursor string) ([]store.Delivery, string, error) {
						p, err := x.st.Deliveries(x.Context(), x.merchant, w.ID, store.DeliveryQuery{EventType: "a", Limit: limit + 1, Cursor: cursor})
						if pages++; pages == 1 {
							for _, l := range x.claim(14) {
								if slices.Contains(ended, l.DeliveryID) {
									x.finish(succeed(l), store.FinishAccepted)
								} else {
									x.finish(retry(l, 100*time.Hour), store.FinishAccepted)
								}
							}
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
			},
		},
		{
			name:    "followed while events come and go",
			promise: followPromise,
			run: func(x *trial) {
				old := x.publish("a", 3)
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
				_, err := x.st.Event(x.Context(), x.merchant, old[2])
				x.fails("Event of what was pruned", err, store.ErrNotFound)
			},
		},
		{
			name:    "what is not there",
			promise: "Delivery returns one delivery with its attempts, oldest first, or [ErrNotFound].",
			run: func(x *trial) {
				w, other := x.webhook("a"), x.webhook("b")
				x.publish("a", 1)
				l := x.take()
				_, err := x.st.Delivery(x.Context(), x.merchant, w.ID, "whdel_none")
				x.fails("Delivery of an unknown id", err, store.ErrNotFound)
				_, err = x.st.Delivery(x.Context(), x.merchant, other.ID, l.DeliveryID)
				x.fails("Delivery of another webhook", err, store.ErrNotFound)
				_, err = x.st.Webhook(x.Context(), x.merchant, "none")
				x.fails("Webhook of an unknown id", err, store.ErrNotFound)
				_, err = x.st.Stats(x.Context(), x.merchant, "none")
				x.fails("Stats of an unknown webhook", err, store.ErrNotFound)
				_, err = x.st.AddNotice(x.Context(), x.merchant, store.Notice{WebhookID: w.ID}, "", "")
				x.must(err, "AddNotice")
				x.remove(w)
				_, err = x.st.Delivery(x.Context(), x.merchant, w.ID, l.DeliveryID)
				x.fails("Delivery of a deleted webhook", err, store.ErrNotFound)
				equal(x, "number of notices of a deleted webhook", len(x.notices(9)), 0)
			},
		},
		{
			name:    "filtered",
			promise: "CreatedAt not before … CreatedAt before … so that a filter never makes one call look through everything",
			run: func(x *trial) {
				w := x.webhook("a")
				var ids []string
				x.advance(300 * time.Millisecond)
				from := x.now
				for range 4 {
					ids = append(ids, x.publish("a", 1)...)
					x.advance(time.Millisecond)
				}
				q := store.DeliveryQuery{Since: from.Add(time.Millisecond), Until: from.Add(3 * time.Millisecond), Limit: 9}
				sameList(x, "the deliveries", pick(x.deliveries(w, q), func(d store.Delivery) string { return d.EventID }), []string{ids[2], ids[1]})
				events := x.events(x.merchant, store.EventQuery{Since: q.Since, Until: q.Until, Limit: 9})
				sameList(x, "the events", pick(events, eventID), ids[1:3])
				x.finish(fail(x.take()), store.FinishAccepted)
				q = store.DeliveryQuery{Status: store.DeliveryFailed, Limit: 1}
				sameList(x, "the failed deliveries", pick(x.deliveries(w, q), func(d store.Delivery) string { return d.EventID }), ids[:1])
			},
		},
	}
}

// once reports ids that were shown twice and wanted ones that were left out.
// Others may be there.
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

func pruneCases() []testCase {
	return []testCase{
		{
			name:    "by count",
			promise: "DeliveriesPerWebhook removes ended deliveries of a webhook beyond this many, those that were made first before the others. At least so many stay, and once nothing is left to do at most [PruneSlack] more",
			run: func(x *trial) {
				const keep = 20
				x.per = endless
				w := x.webhook("a")
				few := x.webhook("few")
				x.publish("few", keep)
				for range 3 {
					x.publish("a", keep+store.PruneSlack)
					x.advance(time.Millisecond)
				}
				made := x.stats(w).Total
				ls := x.claim(endless)
				slices.Reverse(ls) // What was made last ends first.
				for _, l := range ls {
					x.finish(succeed(l), store.FinishAccepted)
				}
				x.advance(time.Millisecond)
				waiting := x.fanOut(w, x.publish("a", 1)...)[0]
				done := x.prune(store.PruneRequest{DeliveriesPerWebhook: keep, Limit: 50})
				left := x.deliveries(w, store.DeliveryQuery{Status: store.DeliverySucceeded, Limit: 50})
				if n := len(left); n < keep || n > keep+store.PruneSlack {
					x.Errorf("%d deliveries are kept, want %d to %d", n, keep, keep+store.PruneSlack)
				}
				equal(x, "number removed and kept", int64(done.Deliveries+len(left)+1), made+1)
				for _, d := range left {
					if x.now.Sub(d.CreatedAt) > 2*time.Millisecond {
						x.Errorf("a delivery of before is kept, and others that were made later are gone")
						break
					}
				}
				equal(x, "Status of what waits", x.delivery(w, waiting).Status, store.DeliveryPending)
				equal(x, "number kept of a webhook that has no more", x.stats(few).Total, keep)
				equal(x, "Total", x.stats(w).Total, int64(len(left)+1))
			},
		},
		{
			name:    "by age",
			promise: "DeliveryAge removes deliveries that ended longer ago than this, and no other.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 3)
				ls := x.claim(3)
				x.finish(fail(ls[0]), store.FinishAccepted)
				x.advance(time.Hour)
				x.finish(succeed(ls[1]), store.FinishAccepted)
				x.advance(time.Minute)
				same(x, "what Prune did", x.prune(store.PruneRequest{DeliveryAge: 30 * time.Minute}), store.Pruned{Deliveries: 1})
				sameList(x, "what is kept", pick(x.deliveries(w, store.DeliveryQuery{Limit: 9, Status: store.DeliverySucceeded}), deliveryID), []string{ls[1].DeliveryID})
				same(x, "Stats", x.stats(w), store.Stats{Total: 2, Succeeded: 1, Pending: 1, Attempts: 1})
				equal(x, "PrunedUntil", show(x.read(w).PrunedUntil), show(x.now.Add(-time.Hour-time.Minute)))
				same(x, "what Prune does without bounds", x.prune(store.PruneRequest{}), store.Pruned{})
			},
		},
		{
			name:    "paused",
			promise: "PausedAge ends, as Failed with PausedCode, pending deliveries that were created longer ago than this and whose webhook is disabled. Leased ones and tests are left alone. No attempt is added and the streak stays.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 2)
				first := x.take()
				x.disable(w)
				x.publishAll(x.testEvent(w))
				x.advance(x.lease / 2)
				ask := store.PruneRequest{PausedAge: time.Second, PausedCode: "webhook_disabled"}
				same(x, "what Prune did", x.prune(ask), store.Pruned{Paused: 1})
				x.advance(x.lease)
				same(x, "what Prune did when the lease had ended", x.prune(ask), store.Pruned{Paused: 1})
				d := x.delivery(w, first.DeliveryID)
				equal(x, "Status", d.Status, store.DeliveryFailed)
				equal(x, "Code", d.Code, "webhook_disabled")
				equal(x, "Attempts", d.Attempts, 0)
				x.unchanged("a late result", func() {
					if f := x.finishAll(succeed(first))[0]; f.State == store.FinishAccepted {
						x.Errorf("a late result for what Prune has ended is accepted")
					}
				})
				same(x, "Stats", x.stats(w), store.Stats{Total: 3, Failed: 2, Pending: 1})
			},
		},
		{
			name:    "events",
			promise: "EventAge removes events that were published longer ago than this and have no pending delivery. Their ids can then be published anew.",
			run: func(x *trial) {
				w := x.webhook("a")
				e, waits := x.newEvent("a"), x.newEvent("a")
				x.publishAll(e)
				x.finish(succeed(x.take()), store.FinishAccepted)
				x.publishAll(waits)
				x.disable(w)
				x.advance(time.Hour)
				same(x, "what Prune did", x.prune(store.PruneRequest{EventAge: time.Minute}), store.Pruned{Events: 1})
				x.enable(w)
				l := x.take()
				equal(x, "Body of an event that still has a pending delivery", string(l.Body), string(waits.Body))
				e.Fingerprint, e.Body = "another", []byte("another body")
				p := x.publishAll(e)[0]
				equal(x, "Duplicate or Conflict of an id that is published anew", p.Duplicate || p.Conflict, false)
				equal(x, "Body of an event that was published anew", string(x.take().Body), "another body")
			},
		},
	}
}

func seenCases() []testCase {
	begin := func(x *trial, holder, fingerprint string, want store.SeenState) []byte {
		x.Helper()
		a, err := x.st.BeginSeen(x.Context(), x.tag, "id", store.SeenBegin{Holder: holder, Fingerprint: fingerprint, Lease: time.Minute})
		x.must(err, "BeginSeen")
		equal(x, "State of what "+holder+" begins", a.State, want)
		return a.Value
	}
	commit := func(x *trial, holder, value string) error {
		return x.st.CommitSeen(x.Context(), x.tag, "id", holder, []byte(value), time.Hour)
	}
	return []testCase{
		{
			name:    "held and done",
			promise: "It answers [SeenNew] if the caller's holder now holds it (also if that holder held it already), [SeenInProgress] if another one does, [SeenDone] with the committed value if it was committed, and [SeenConflict] if it is held or committed with another fingerprint.",
			run: func(x *trial) {
				begin(x, "one", "print", store.SeenNew)
				begin(x, "one", "print", store.SeenNew)
				begin(x, "two", "", store.SeenInProgress)
				begin(x, "two", "another", store.SeenConflict)
				a, err := x.st.BeginSeen(x.Context(), "another scope "+x.tag, "id", store.SeenBegin{Holder: "two", Lease: time.Minute})
				x.must(err, "BeginSeen")
				equal(x, "State in another scope", a.State, store.SeenNew)
				x.fails("CommitSeen by who does not hold it", commit(x, "two", "v"), store.ErrStale)
				x.must(x.st.ForgetSeen(x.Context(), x.tag, "id", "two"), "ForgetSeen by who does not hold it")
				x.must(commit(x, "one", "value"), "CommitSeen")
				x.must(commit(x, "one", "again"), "CommitSeen once more")
				equal(x, "Value", string(begin(x, "two", "print", store.SeenDone)), "value")
				x.advance(time.Hour - time.Millisecond)
				begin(x, "two", "another", store.SeenConflict)
				x.advance(2 * time.Millisecond)
				begin(x, "two", "another", store.SeenNew)
			},
		},
		{
			name:    "given up",
			promise: "An id is held by one holder at a time, until it is committed, forgotten or its lease ends.",
			run: func(x *trial) {
				begin(x, "one", "", store.SeenNew)
				x.must(x.st.ForgetSeen(x.Context(), x.tag, "id", "one"), "ForgetSeen")
				begin(x, "two", "", store.SeenNew)
				x.advance(time.Minute + time.Millisecond)
				x.fails("CommitSeen after the lease", commit(x, "two", "v"), store.ErrStale)
				begin(x, "three", "", store.SeenNew)
				x.fails("CommitSeen by who has lost it", commit(x, "two", "v"), store.ErrStale)
			},
		},
	}
}

func backlogCases() []testCase {
	pending := func(x *trial, when string, want int64) {
		x.Helper()
		equal(x, "Pending of "+when, x.backlog().Pending, want)
	}
	oldest := func(x *trial, when string, want time.Duration) {
		x.Helper()
		equal(x, "OldestDue of "+when, x.backlog().OldestDue, want)
	}
	return []testCase{
		{
			name:    "pending",
			promise: "Pending counts the deliveries that have not ended: due ones, later ones, those of disabled webhooks and leased ones.",
			run: func(x *trial) {
				pending(x, "an empty store", 0)
				w, gone := x.webhook("a"), x.webhook("a")
				e := x.newEvent("a")
				x.publishAll(e, e, x.newEvent("a"))
				e.Fingerprint = "another"
				x.publishAll(e, x.testEvent(w))
				x.enqueue(w, e.ID, "n")
				x.enqueue(w, e.ID, "n")
				pending(x, "two events for two webhooks, a test and a repetition", 6)
				ls := x.claim(6)
				x.finishAll(retry(ls[0], time.Hour), release(ls[1], 0))
				pending(x, "leases, a retry and a release", 6)
				x.finishAll(succeed(ls[2]), fail(ls[3]))
				x.finishAll(succeed(ls[2]), fail(ls[3]))
				pending(x, "what two results have left", 4)
				mine := x.stats(w).Pending
				x.remove(gone)
				x.prune(store.PruneRequest{})
				pending(x, "what a deleted webhook has left", mine)
				x.disable(w)
				x.advance(2 * time.Hour)
				x.prune(store.PruneRequest{PausedAge: time.Minute, PausedCode: "p"})
				pending(x, "what Prune has left", x.stats(w).Pending)
				x.merchant = x.id("merchant")
				x.webhook("a")
				x.publish("a", 2)
				pending(x, "another merchant", 2+x.stats(w).Pending)
			},
		},
		{
			name:    "due longest",
			promise: "OldestDue is for how long Claim has had something to take, 0 if it has nothing. It goes by the delivery that is due longest and by the lease that ended first without a result.",
			run: func(x *trial) {
				oldest(x, "an empty store", 0)
				x.webhook("a")
				x.publish("a", 1)
				x.advance(time.Minute)
				mine := x.merchant
				x.merchant = x.id("merchant")
				x.webhook("a")
				x.publish("a", 1)
				x.advance(time.Second)
				oldest(x, "one of a minute and one of a second ago", time.Minute+time.Second)
				x.merchant = mine
				ls := x.claim(2)
				oldest(x, "leases", 0)
				x.finish(retry(ls[0], 30*time.Second), store.FinishAccepted)
				x.advance(29 * time.Second)
				oldest(x, "a retry that is due in a second", 0)
				x.advance(3 * time.Second)
				oldest(x, "a retry that was due two seconds ago", 2*time.Second)
				x.take()
				x.advance(x.lease + 5*time.Second)
				if got := x.backlog().OldestDue; got < 5*time.Second || got > 40*time.Second {
					x.Errorf("OldestDue is %s, want the time since a lease ended without a result", got)
				}
			},
		},
		{
			name:    "kept waiting by its webhook",
			promise: "What its webhook keeps waiting, because it is disabled, or has no token or no room for another lease, does not count.",
			run: func(x *trial) {
				x.per = 1
				w := x.webhook("a")
				x.publish("a", 2)
				l := x.take()
				x.advance(time.Second)
				oldest(x, "a webhook at its cap", 0)
				x.finish(succeed(l), store.FinishAccepted)
				oldest(x, "a webhook with room", time.Second)
				x.disable(w)
				oldest(x, "a disabled webhook", 0)
				x.enable(w)
				x.update(w, store.WebhookUpdate{RateLimit: new(1)})
				l = x.take()
				x.finish(succeed(l), store.FinishAccepted)
				x.publish("a", 1)
				x.advance(time.Second - time.Millisecond)
				oldest(x, "a webhook without a token", 0)
				x.advance(6 * time.Millisecond)
				if got := x.backlog().OldestDue; got < 5*time.Millisecond {
					x.Errorf("OldestDue is %s, want at least the time since there is a token", got)
				}
			},
		},
	}
}

// watcher is one Watch at work.
type watcher struct {
	x     *trial
	wakes chan struct{}
	stop  context.CancelFunc
	done  chan error
}

// watch begins to watch and waits until it is told so.
func (x *trial) watch() *watcher {
	x.Helper()
	ctx, cancel := context.WithCancel(x.Context())
	w := &watcher{x: x, wakes: make(chan struct{}, 1), stop: cancel, done: make(chan error, 1)}
	go func() {
		w.done <- x.st.Watch(ctx, func() {
			select {
			case w.wakes <- struct{}{}:
			default:
			}
		})
	}()
	w.woken("when watching has begun")
	return w
}

// deafen asks for all that is due, as a caller does before it waits, and forgets
// earlier wakes.
func (w *watcher) deafen() {
	w.x.claim(endless)
	select {
	case <-w.wakes:
	default:
	}
}

// woken waits for a wake.
func (w *watcher) woken(when string) {
	w.x.Helper()
	select {
	case <-w.wakes:
	case err := <-w.done:
		w.x.fatalf("Watch returned %v before its context ended", err)
	case <-time.After(w.x.timeout):
		w.x.fatalf("Watch did not wake %s within %s", when, w.x.timeout)
	}
}

// ends stops the Watch and waits for it.
func (w *watcher) ends() {
	w.x.Helper()
	w.stop()
	select {
	case err := <-w.done:
		if err != nil {
			w.x.Errorf("Watch returned %v after its context ended, want nil", err)
		}
	case <-time.After(w.x.timeout):
		w.x.fatalf("Watch did not return within %s after its context ended", w.x.timeout)
	}
}

func watchCases() []testCase {
	return []testCase{
		{
			name:    "woken",
			promise: "Watch calls wake when a delivery may have become claimable sooner than the last Claim announced, and once when watching has begun.",
			run: func(x *trial) {
				w := x.webhook("a")
				e := x.publish("a", 3)[0]
				one, two := x.watch(), x.watch()
				for _, c := range []struct {
					by    string
					ready func() // before somebody waits
					do    func()
				}{
					{"Publish", func() {}, func() { x.publish("a", 1) }},
					{"Enqueue", func() {}, func() { x.enqueue(w, e, "n") }},
					{"Publish of a test", func() { x.disable(w) }, func() { x.publishAll(x.testEvent(w)) }},
					{"an update that enables", func() { x.enable(w); x.publish("a", 1); x.disable(w) }, func() { x.enable(w) }},
					{"a release", func() {}, func() {
						x.publish("a", 1)
						l := x.take()
						one.deafen()
						two.deafen()
						x.finish(release(l, 0), store.FinishAccepted)
					}},
					{"another rate", func() { x.update(w, store.WebhookUpdate{RateLimit: new(1)}); x.publish("a", 9) }, func() { x.update(w, store.WebhookUpdate{RateLimit: new(2)}) }},
				} {
					x.per = endless
					c.ready()
					one.deafen()
					two.deafen()
					c.do()
					one.woken("by " + c.by)
					two.woken("by " + c.by + " as another one did")
				}
				one.ends()
				two.ends()
			},
		},
	}
}
