package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const atomicPromise = "What a method says of one event, one delivery or one webhook happens whole or not at all, seen from every process that shares the store."

// crowd is how many goroutines a concurrent case uses.
const crowd = 6

// together runs f in a crowd of goroutines and waits for them. Only Errorf may be
// called in f.
func together(f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range crowd {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// counter counts by name, from any goroutine.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *counter) add(name string, n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	t.n[name] += n
	return t.n[name]
}

// everybody calls f in a crowd, reports its errors and returns what it has counted.
func (x *trial) everybody(f func(i int, got *counter) error) *counter {
	x.Helper()
	var got counter
	together(func(i int) {
		if err := f(i, &got); err != nil {
			x.Errorf("one of %d calls at once: %v", crowd, err)
		}
	})
	return &got
}

func concurrencyCases() []testCase {
	return []testCase{
		{"publish, claim, finish", "Claim hides due deliveries from every other caller until their lease ends … " + atomicPromise, traffic},
		{"one event from everybody", "An event id is published once per merchant", sameEvents},
		{"one result from everybody", "A result is accepted once.", sameResults},
		{
			"webhooks up to the limit", "It fails with [ErrLimit] if the merchant has limit webhooks already",
			crowded(map[string]int{"no error": 4, sentinel(store.ErrLimit): crowd - 4}, func(x *trial) (func(i int) string, func()) {
				var given [crowd]store.Webhook
				for i := range given {
					given[i] = x.newWebhook("a")
				}
				return func(i int) string {
					_, err := x.st.CreateWebhook(x.Context(), x.merchant, given[i], 4)
					return sentinel(err)
				}, nil
			}),
		},
		{
			"update if unchanged", "with [ErrVersion] if u.IfVersion is set and differs",
			crowded(map[string]int{"no error": 1, sentinel(store.ErrVersion): crowd - 1}, func(x *trial) (func(i int) string, func()) {
				w := x.webhook("a")
				return func(int) string {
					_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{IfVersion: w.Version, URL: new("https://example.com/other")})
					return sentinel(err)
				}, func() { equal(x, "Version", x.read(w).Version, w.Version+1) }
			}),
		},
		{
			"one notice from everybody",
			"So of callers that saw the same Mark, one adds a notice, over all processes, whether or not it was acknowledged meanwhile.",
			crowded(map[string]int{"true no error": 1, "false no error": crowd - 1}, func(x *trial) (func(i int) string, func()) {
				w := x.webhook("a")
				return func(int) string {
					added, err := x.st.AddNotice(x.Context(), x.merchant, store.Notice{WebhookID: w.ID}, "", "told")
					return fmt.Sprint(added, " ", sentinel(err))
				}, func() { equal(x, "number of notices", len(x.notices(9)), 1) }
			}),
		},
		{
			"one job of a scope from everybody", "Otherwise, if a job of the same scope has not ended, it changes nothing and returns that one.",
			crowded(map[string]int{"added": 1, "not added": crowd - 1}, func(x *trial) (func(i int) string, func()) {
				return func(i int) string {
					id := nth("job", i)
					j, err := x.st.AddJob(x.Context(), x.merchant, store.Job{ID: id, Scope: "scope"})
					if err == nil && j.ID == id {
						return "added"
					}
					return "not " + map[bool]string{true: "added", false: fmt.Sprint(err)}[err == nil]
				}, func() { equal(x, "number of jobs", len(x.jobs(x.merchant, store.JobQuery{Limit: endless})), 1) }
			}),
		},
		{
			"a rate", "So a rate holds over all callers",
			crowded(map[string]int{"1 no error": 3, "0 no error": crowd - 3}, func(x *trial) (func(i int) string, func()) {
				x.update(x.webhook("a"), store.WebhookUpdate{RateLimit: new(3)})
				x.publish("a", 60)
				return func(int) string {
					for range endless { // An empty answer with a Next of 0: somebody else is at it.
						c, err := x.st.Claim(x.Context(), store.ClaimRequest{Limit: 1, Lease: x.lease, PerWebhook: endless})
						if err != nil || c.Next != 0 || len(c.Leases) > 0 {
							return fmt.Sprint(len(c.Leases), " ", sentinel(err))
						}
					}
					return "a Next of 0 without end"
				}, nil
			}),
		},
		{
			"one id to process", "An id is held by one holder at a time",
			crowded(map[string]int{string(store.SeenNew) + " no error": 1, string(store.SeenInProgress) + " no error": crowd - 1}, func(x *trial) (func(i int) string, func()) {
				id := x.id("evt")
				return func(i int) string {
					a, err := x.st.BeginSeen(x.Context(), x.tag, id, store.SeenBegin{Holder: nth("holder", i), Lease: time.Minute})
					return string(a.State) + " " + sentinel(err)
				}, nil
			}),
		},
	}
}

func sameEvents(x *trial) {
	w := x.webhook("a")
	events := []store.NewEvent{x.newEvent("a"), x.newEvent("a"), x.newEvent("a")}
	var answers counter
	fresh := x.everybody(func(_ int, fresh *counter) error {
		ps, err := x.st.Publish(x.Context(), x.merchant, events)
		for i, p := range ps {
			answers.add(show(p.Deliveries), 1)
			if !p.Duplicate {
				fresh.add(events[i].ID, 1)
			}
		}
		return err
	})
	for _, e := range events {
		equal(x, "how often an event was published for the first time", fresh.add(e.ID, 0), 1)
	}
	equal(x, "number of different answers", len(answers.n), len(events))
	same(x, "Stats", x.stats(w), store.Stats{Total: 3, Pending: 3})
}

func sameResults(x *trial) {
	w := x.webhook("a")
	x.publish("a", 5)
	results := pick(x.claim(5), func(l store.Lease) store.Result { return failAt(l, 3) })
	got := x.everybody(func(_ int, got *counter) error {
		fs, err := x.st.Finish(x.Context(), results)
		for _, f := range fs {
			got.add(string(f.State), 1)
			if f.Disabled {
				got.add("disabled "+string(f.State), 1)
			}
		}
		return err
	})
	equal(x, "number of accepted results", got.add(string(store.FinishAccepted), 0), 5)
	equal(x, "number of repeated results", got.add(string(store.FinishRepeated), 0), 5*crowd-5)
	equal(x, "number of accepted results that disabled", got.add("disabled accepted", 0), 1)
	equal(x, "number of its repetitions", got.add("disabled repeated", 0), crowd-1)
	equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 5)
	equal(x, "number of notices", len(x.notices(9)), 1)
	same(x, "Stats", x.stats(w), store.Stats{Total: 5, Failed: 5, Attempts: 5})
}

// crowded makes a case in which everybody makes one call, and counts their answers. If
// look is not nil, it looks at the store afterwards.
func crowded(want map[string]int, prepare func(x *trial) (call func(i int) string, look func())) func(x *trial) {
	return func(x *trial) {
		var got counter
		call, look := prepare(x)
		together(func(i int) { got.add(call(i), 1) })
		equal(x, "the answers", show(got.n), show(want))
		if look != nil {
			look()
		}
	}
}

// traffic publishes, claims and settles from many goroutines at once, and then counts.
func traffic(x *trial) {
	const each = 15
	x.per = 4
	ws := []store.Webhook{x.webhook("a"), x.webhook("a"), x.webhook(store.EveryType)}
	events := make([]store.NewEvent, crowd*each)
	for i := range events {
		events[i] = x.newEvent("a")
	}
	var n counter
	giveUp := time.Now().Add(x.timeout)
	together(func(i int) {
		for j, e := range events[i*each : (i+1)*each] {
			if _, err := x.st.Publish(x.Context(), x.merchant, []store.NewEvent{e}); err != nil {
				x.Errorf("Publish: %v", err)
				return
			}
			if j%3 == 0 {
				x.deliver(i, &n)
			}
		}
		for n.add("ended", 0) < len(events)*len(ws) && time.Now().Before(giveUp) && x.deliver(i, &n) {
			continue
		}
	})
	for _, w := range ws {
		all := int64(len(events))
		same(x, "Stats", x.stats(w), store.Stats{Total: all, Succeeded: all, Attempts: int64(n.add("tries of "+w.ID, 0))})
		for _, d := range x.deliveries(w, store.DeliveryQuery{Limit: endless}) {
			equal(x, "Attempts of "+d.ID, d.Attempts, n.add("tries of "+d.ID, 0))
		}
	}
	x.claims("when all has ended")
}

// deliver claims a few deliveries and settles them: some go through at once, some are
// released or tried again first. It says whether the store still answers.
func (x *trial) deliver(i int, n *counter) bool {
	c, err := x.st.Claim(x.Context(), store.ClaimRequest{Limit: 1 + i, Lease: x.lease, PerWebhook: x.per})
	if err != nil {
		x.Errorf("Claim: %v", err)
		return false
	}
	results := pick(c.Leases, func(l store.Lease) store.Result {
		if held := n.add("held "+l.DeliveryID, 1); held != 1 {
			x.Errorf("delivery %s is held by %d at once", l.DeliveryID, held)
		}
		if leased := n.add("leased of "+l.WebhookID, 1); leased > x.per {
			x.Errorf("webhook %s has %d leases, at most %d may be", l.WebhookID, leased, x.per)
		}
		switch {
		case l.Attempts < 2 && i%2 == 0:
			return retry(l, 0)
		case l.Reclaims < 2 && i%2 == 1:
			r := release(l, 0)
			r.Fault = true
			return r
		}
		return succeed(l)
	})
	for _, r := range results {
		n.add("held "+r.DeliveryID, -1)
		n.add("leased of "+r.WebhookID, -1)
		if r.Outcome != store.Released {
			n.add("tries of "+r.DeliveryID, 1)
			n.add("tries of "+r.WebhookID, 1)
		}
	}
	fs, err := x.st.Finish(x.Context(), results)
	if err != nil {
		x.Errorf("Finish: %v", err)
		return false
	}
	for j, f := range fs {
		if f.State != store.FinishAccepted {
			x.Errorf("Finish answers %s for a lease that is held", f.State)
		}
		if results[j].Outcome == store.Succeeded {
			n.add("ended", 1)
		}
	}
	return true
}
