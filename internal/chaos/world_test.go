//go:build chaos || chaoslong

package chaos_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// world is a store, a receiver, and webhooks that lead to it.
type world struct {
	t         *testing.T
	store     judged
	redis     *redisstore.Store // the same, if it is one in Redis
	svc       *webhook.Service
	receiver  *receiver
	merchants []string
	hooks     map[string][]string // merchant to webhooks

	mu    sync.Mutex
	acked []published
	next  int          // number of the next event
	tries atomic.Int64 // publishes that failed and were repeated

	// forgotten are events that a failover is allowed to have lost.
	forgotten map[string]bool
}

// judged is a store that knows whether its own records fit together.
type judged interface {
	store.Store
	Audit(ctx context.Context) error
}

// published is an event whose publication was acknowledged.
type published struct {
	merchant, event string
	deliveries      map[string]string // ids by webhook
	began, acked    time.Time         // when it was first tried, when it was acknowledged
}

// newWorld makes a world in a Redis, with as many merchants, and webhooks for
// each of them.
func newWorld(t *testing.T, redis address, opts *redisstore.Options, receiver *receiver, merchants, hooks int) *world {
	t.Helper()
	client := redis.connect()
	t.Cleanup(func() { _ = client.Close() })
	st, err := redisstore.Open(t.Context(), client, opts)
	require.NoError(t, err)
	w := newWorldIn(t, st, receiver, merchants, hooks)
	w.redis = st
	return w
}

// newWorldIn makes a world in a store that is open already.
func newWorldIn(t *testing.T, st judged, receiver *receiver, merchants, hooks int) *world {
	t.Helper()
	w := &world{t: t, store: st, receiver: receiver, hooks: map[string][]string{}}
	var err error
	w.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Egress: onThisMachine(), SecretKeys: keys()})
	require.NoError(t, err)
	for m := range merchants {
		merchant := fmt.Sprintf("merchant_%d", m)
		w.merchants = append(w.merchants, merchant)
		for h := range hooks {
			reg, err := w.svc.Register(t.Context(), merchant, webhook.Registration{
				URL: fmt.Sprintf("%s/%d", w.receiver.URL, h), Events: []string{"document.created"},
			})
			require.NoError(t, err)
			w.hooks[merchant] = append(w.hooks[merchant], reg.Webhook.ID)
		}
	}
	return w
}

// publish publishes events at a steady pace while more returns true. It repeats each
// until it is acknowledged.
func (w *world) publish(ctx context.Context, every time.Duration, more func() bool) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	limit := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for more() {
		<-tick.C
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			w.publishOne(ctx)
		})
	}
	wg.Wait()
}

// times returns a function for publish that asks for n events.
func times(n int) func() bool {
	return func() bool {
		n--
		return n >= 0
	}
}

func (w *world) publishOne(ctx context.Context) {
	w.mu.Lock()
	i := w.next
	w.next++
	w.mu.Unlock()
	p := published{merchant: w.merchants[i%len(w.merchants)], event: fmt.Sprintf("evt_%d", i), began: time.Now()}
	e := event.New(event.DocumentCreated{DocumentID: fmt.Sprintf("doc_%d", i), Title: "Chaos"})
	e.ID = p.event
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 3*time.Second)
		out, err := w.svc.Publish(try, p.merchant, e)
		cancel()
		if err == nil {
			p.deliveries, p.acked = map[string]string{}, time.Now()
			for _, d := range out.Deliveries {
				p.deliveries[d.WebhookID] = d.ID
			}
			w.mu.Lock()
			w.acked = append(w.acked, p)
			w.mu.Unlock()
			return
		}
		w.tries.Add(1)
		<-time.After(20 * time.Millisecond)
	}
}

// acknowledged returns how many publishes were acknowledged.
func (w *world) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// stats adds up the stats of all webhooks.
func (w *world) stats() webhook.Stats {
	w.t.Helper()
	var total webhook.Stats
	for merchant, ids := range w.hooks {
		for _, id := range ids {
			stats, err := w.svc.Stats(w.t.Context(), merchant, id)
			require.NoError(w.t, err)
			total.Total += stats.Total
			total.Pending += stats.Pending
			total.Succeeded += stats.Succeeded
			total.Failed += stats.Failed
			total.Attempts += stats.Attempts
		}
	}
	return total
}

// settled waits until nothing is pending. It gives up when nothing has become less for
// as long as patience, so that a busy machine is not taken for a queue that stands.
func (w *world) settled(patience time.Duration) {
	w.t.Helper()
	least, since := int64(math.MaxInt64), time.Now()
	for {
		pending := w.stats().Pending
		if pending == 0 {
			return
		}
		if pending < least {
			least, since = pending, time.Now()
		}
		require.Less(w.t, time.Since(since), patience, "%d deliveries are still pending", pending)
		<-time.After(50 * time.Millisecond)
	}
}

// check requires that everything acknowledged has arrived, and nothing else, and that
// the store's stats are right. Webhooks in down were disabled for a time: they lack
// what was published meanwhile, and what failed. check returns how many deliveries of
// forgotten events never arrived.
func (w *world) check(down ...string) (lost int) {
	w.t.Helper()
	off := map[string]int{} // deliveries to webhooks that were down
	for _, id := range down {
		off[id] = 0
	}
	promised, stored := map[string]bool{}, map[string]bool{}
	for _, p := range w.acked {
		for _, id := range p.deliveries {
			promised[id] = true
			if !w.forgotten[p.event] {
				stored[id] = true
			}
		}
		for _, hook := range w.hooks[p.merchant] {
			_, made := p.deliveries[hook]
			if _, ok := off[hook]; ok && made {
				off[hook]++
			} else if !ok {
				require.True(w.t, made, "%s of %s has no delivery to %s", p.event, p.merchant, hook)
			}
		}
	}
	failed := w.books(stored, off)
	for id := range promised {
		switch {
		case w.receiver.processed(id) || failed[id]:
		case stored[id]:
			w.t.Errorf("lost: %s", id)
		default:
			lost++
		}
	}
	for _, id := range w.receiver.ids() {
		require.True(w.t, promised[id], "%s was never published", id)
	}
	require.NoError(w.t, w.store.Audit(w.t.Context()), "an invariant of the store is broken")
	return lost
}

// books requires that the stats agree with the stored deliveries, and that only
// webhooks that were off have failed deliveries. It returns these deliveries.
func (w *world) books(stored map[string]bool, off map[string]int) map[string]bool {
	w.t.Helper()
	failed := map[string]bool{}
	for merchant, ids := range w.hooks {
		for _, hook := range ids {
			n, ok := off[hook]
			if !ok {
				continue
			}
			stats, err := w.svc.Stats(w.t.Context(), merchant, hook)
			require.NoError(w.t, err)
			require.Equal(w.t, int64(n), stats.Total)
			for _, d := range w.failures(merchant, hook) {
				failed[d.ID] = true
			}
		}
	}
	total := w.stats()
	require.Equal(w.t, int64(len(stored)), total.Total)
	require.Equal(w.t, int64(len(failed)), total.Failed)
	require.Equal(w.t, total.Total, total.Succeeded+total.Failed)
	return failed
}

// failures are the deliveries to a webhook that have failed.
func (w *world) failures(merchant, hook string) []webhook.Delivery {
	w.t.Helper()
	page, err := w.svc.Deliveries(w.t.Context(), merchant, hook, webhook.DeliveryQuery{Status: webhook.DeliveryFailed, Limit: 1000})
	require.NoError(w.t, err)
	require.Empty(w.t, page.Next)
	return page.Deliveries
}

// seed returns the seed of all random choices of a run.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("WEBHOOK_CHAOS_SEED"); s != "" {
		var err error
		n, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("WEBHOOK_CHAOS_SEED=%d", n)
	return n
}

// span reads a length of time from the environment.
func span(t *testing.T, variable string, otherwise time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	d, err := time.ParseDuration(s)
	require.NoError(t, err)
	return d
}

// pass waits on the test's goroutine.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}
