package storetest

import (
	"errors"
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

func concurrencyCases() []testCase {
	return []testCase{
		{
			name:    "publish, claim, finish",
			promise: "Claim hides due deliveries from every other caller until their lease ends … " + atomicPromise,
			run:     traffic,
		},
		{
			name:    "one event from everybody",
			promise: "An event id is published once per merchant",
			run: func(x *trial) {
				w := x.webhook("a")
				var fresh, ids counter
				events := []store.NewEvent{x.newEvent("a"), x.newEvent("a"), x.newEvent("a")}
				together(func(int) {
					ps, err := x.st.Publish(x.Context(), x.merchant, events)
					if err != nil {
						x.Errorf("Publish: %v", err)
						return
					}
					for i, p := range ps {
						if !p.Duplicate {
							fresh.add(events[i].ID, 1)
						}
						ids.add(show(p.Deliveries), 1)
					}
				})
				for _, e := range events {
					equal(x, "how often an event was published for the first time", fresh.add(e.ID, 0), 1)
				}
				equal(x, "number of different answers", len(ids.n), len(events))
				same(x, "Stats", x.stats(w), store.Stats{Total: 3, Pending: 3})
			},
		},
		{
			name:    "one result from everybody",
			promise: "A result is accepted once.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 5)
				ls := x.claim(5)
				results := pick(ls, func(l store.Lease) store.Result { return failAt(l, 3) })
				var got counter
				together(func(int) {
					fs, err := x.st.Finish(x.Context(), results)
					if err != nil {
						x.Errorf("Finish: %v", err)
					}
					for _, f := range fs {
						got.add(string(f.State), 1)
						if f.Disabled {
							got.add("disabled", 1)
						}
					}
				})
				equal(x, "number of accepted results", got.add(string(store.FinishAccepted), 0), 5)
				equal(x, "number of repeated results", got.add(string(store.FinishRepeated), 0), 5*crowd-5)
				equal(x, "number of results that disabled", got.add("disabled", 0), 1)
				equal(x, "ConsecutiveFailures", x.read(w).ConsecutiveFailures, 5)
				equal(x, "number of notices", len(x.notices(9)), 1)
				same(x, "Stats", x.stats(w), store.Stats{Total: 5, Failed: 5, Attempts: 5})
			},
		},
		{
			name:    "webhooks up to the limit",
			promise: "It fails with [ErrLimit] if the merchant has limit webhooks already",
			run: func(x *trial) {
				var given [crowd][2]store.Webhook
				for i := range given {
					given[i] = [2]store.Webhook{x.newWebhook("a"), x.newWebhook("a")}
				}
				var got counter
				together(func(i int) {
					for _, w := range given[i] {
						_, err := x.st.CreateWebhook(x.Context(), x.merchant, w, 5)
						got.add(sentinel(err), 1)
					}
				})
				equal(x, "number of webhooks created", got.add("no error", 0), 5)
				equal(x, "number of webhooks refused", got.add(sentinel(store.ErrLimit), 0), 2*crowd-5)
			},
		},
		{
			name:    "update if unchanged",
			promise: "with [ErrVersion] if u.IfVersion is set and differs",
			run: func(x *trial) {
				w := x.webhook("a")
				var won counter
				together(func(i int) {
					_, err := x.st.UpdateWebhook(x.Context(), x.merchant, w.ID, store.WebhookUpdate{IfVersion: w.Version, URL: new(fmt.Sprint("https://example.com/", i))})
					if err == nil {
						won.add("", 1)
					} else if !errors.Is(err, store.ErrVersion) {
						x.Errorf("UpdateWebhook: %v", err)
					}
				})
				equal(x, "number of updates that found the version of before", won.add("", 0), 1)
				equal(x, "Version", x.read(w).Version, w.Version+1)
			},
		},
		{
			name:    "one notice from everybody",
			promise: "So of callers that saw the same Mark, one adds a notice, over all processes, whether or not it was acknowledged meanwhile.",
			run: func(x *trial) {
				w := x.webhook("a")
				var got counter
				together(func(int) {
					added, err := x.st.AddNotice(x.Context(), x.merchant, store.Notice{WebhookID: w.ID}, "", "told")
					if err != nil {
						x.Errorf("AddNotice: %v", err)
					}
					got.add(nth("added", map[bool]int{true: 1}[added]), 1)
				})
				equal(x, "number of notices added", got.add("added 1", 0), 1)
				equal(x, "number of notices", len(x.notices(9)), 1)
			},
		},
		{
			name:    "a rate",
			promise: "So a rate holds over all callers",
			run: func(x *trial) {
				w := x.webhook("a")
				x.update(w, store.WebhookUpdate{RateLimit: new(5)})
				x.publish("a", 60)
				var got counter
				together(func(int) {
					for range 5 {
						c, err := x.st.Claim(x.Context(), store.ClaimRequest{Limit: 2, Lease: x.lease, PerWebhook: endless})
						if err != nil {
							x.Errorf("Claim: %v", err)
						}
						got.add("", len(c.Leases))
					}
				})
				if n := got.add("", 0); n > 5 {
					x.Errorf("%d deliveries were claimed of a bucket of 5", n)
				}
			},
		},
		{
			name:    "one id to process",
			promise: "An id is held by one holder at a time",
			run: func(x *trial) {
				var got counter
				id := x.id("evt")
				together(func(i int) {
					a, err := x.st.BeginSeen(x.Context(), x.tag, id, store.SeenBegin{Holder: nth("holder", i), Lease: time.Minute})
					if err != nil {
						x.Errorf("BeginSeen: %v", err)
					}
					got.add(string(a.State), 1)
				})
				equal(x, "number of holders", got.add(string(store.SeenNew), 0), 1)
				equal(x, "number of those who have to wait", got.add(string(store.SeenInProgress), 0), crowd-1)
			},
		},
	}
}

// traffic publishes, claims and settles from many goroutines at once, and then
// counts.
func traffic(x *trial) {
	const each = 15
	x.per = 4
	ws := []store.Webhook{x.webhook("a"), x.webhook("a"), x.webhook(store.EveryType)}
	batches := make([][]store.NewEvent, crowd)
	for i := range batches {
		for range each {
			batches[i] = append(batches[i], x.newEvent("a"))
		}
	}
	var holders, leased, tries, ended counter
	all := crowd * each * len(ws)
	giveUp := time.Now().Add(x.timeout)
	together(func(i int) {
		for j, e := range batches[i] {
			if _, err := x.st.Publish(x.Context(), x.merchant, []store.NewEvent{e}); err != nil {
				x.Errorf("Publish: %v", err)
				return
			}
			if j%3 == 0 {
				x.deliver(i, &holders, &leased, &tries, &ended)
			}
		}
		for ended.add("", 0) < all && time.Now().Before(giveUp) {
			if !x.deliver(i, &holders, &leased, &tries, &ended) {
				return
			}
		}
	})
	equal(x, "number of deliveries that ended", ended.add("", 0), all)
	var total store.Stats
	for _, w := range ws {
		s := x.stats(w)
		total.Total += s.Total
		total.Succeeded += s.Succeeded
		total.Failed += s.Failed
		total.Pending += s.Pending
		total.Attempts += s.Attempts
		for _, d := range x.deliveries(w, store.DeliveryQuery{Limit: endless}) {
			equal(x, "Attempts of "+d.ID, d.Attempts, tries.add(d.ID, 0))
		}
	}
	same(x, "Stats of all webhooks", total, store.Stats{Total: int64(all), Succeeded: int64(all), Attempts: int64(tries.add("", 0))})
	x.claims("when all has ended")
}

// deliver claims a few deliveries and settles them: some go through at once, some
// are released or tried again first. It says whether the store still answers.
func (x *trial) deliver(i int, holders, leased, tries, ended *counter) bool {
	c, err := x.st.Claim(x.Context(), store.ClaimRequest{Limit: 1 + i, Lease: x.lease, PerWebhook: x.per})
	if err != nil {
		x.Errorf("Claim: %v", err)
		return false
	}
	var results []store.Result
	for _, l := range c.Leases {
		if n := holders.add(l.DeliveryID, 1); n != 1 {
			x.Errorf("delivery %s is held by %d at once", l.DeliveryID, n)
		}
		if n := leased.add(l.WebhookID, 1); n > x.per {
			x.Errorf("webhook %s has %d leases, at most %d may be", l.WebhookID, n, x.per)
		}
		r := succeed(l)
		switch {
		case l.Attempts < 2 && i%2 == 0:
			r = retry(l, 0)
		case l.Reclaims < 2 && i%2 == 1:
			r = release(l, 0)
			r.Fault = true
		}
		results = append(results, r)
	}
	for _, r := range results {
		holders.add(r.DeliveryID, -1)
		leased.add(r.WebhookID, -1)
		if r.Outcome != store.Released {
			tries.add(r.DeliveryID, 1)
			tries.add("", 1)
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
			ended.add("", 1)
		}
	}
	return true
}
