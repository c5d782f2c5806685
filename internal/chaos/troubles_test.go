//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// TestSlowLinkAndClock lets workers reach Redis over a slow link for a while, and then
// lets the clock of Redis jump forward an hour, and back again. Only the
// jump forward may cause second deliveries: it ends the leases of then. What the clock
// that went back leaves in the future does not wait for it.
//
//nolint:paralleltest // each has the machine to itself
func TestSlowLinkAndClock(t *testing.T) {
	const events = 2000
	server, set := clockedRedis(t)
	proxy := redistest.StartProxy(t, server.Addr)
	s := setup{
		Redis: address{Addrs: []string{proxy.Addr}}, Workers: workers,
		Concurrency: concurrency, PerWebhook: concurrency, AttemptTimeout: attemptTimeout, Lease: lease,
		Delays: []time.Duration{50 * time.Millisecond, time.Second}, MaxAttempts: 50,
	}
	receiver := newReceiver(t, rand.New(rand.NewPCG(seed(t), 1)), attemptTimeout)
	w := newWorld(t, address{Addrs: []string{server.Addr}}, nil, receiver, merchants, hooks)
	crew := startWorkers(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.publish(t.Context(), 5*time.Millisecond, times(events))
	}()
	for _, trouble := range []func(){
		func() { proxy.Set(redistest.Link{Rate: 256 << 10}) },
		func() { proxy.Set(redistest.Link{}) },
		func() { set(time.Hour) },
		func() { set(0) },
	} {
		<-time.After(2 * time.Second)
		trouble()
	}
	<-done
	w.settled(lease + 10*time.Second)
	for _, c := range crew {
		c.stop(t)
	}
	w.check()
	require.Len(t, w.acked, events)
	second, _ := w.receiver.repeats()
	t.Logf("second deliveries: %d of at most %d", second, workers*concurrency)
	require.LessOrEqual(t, second, workers*concurrency)
}

// clockedRedis starts a Redis whose clock can be set wrong.
func clockedRedis(t *testing.T) (server *redistest.Server, set func(offset time.Duration)) {
	t.Helper()
	library, clock := filepath.Join(t.TempDir(), "clock.so"), filepath.Join(t.TempDir(), "offset")
	out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-O2", "-o", library, "testdata/clock.c").CombinedOutput()
	require.NoError(t, err, string(out))
	set = func(offset time.Duration) {
		next := clock + ".next"
		require.NoError(t, os.WriteFile(next, fmt.Append(nil, int(offset.Seconds())), 0o600))
		require.NoError(t, os.Rename(next, clock))
	}
	set(0)
	t.Setenv("CLOCK_OFFSET", clock)
	t.Setenv("LD_PRELOAD", library)
	server = redistest.Start(t, "appendonly yes", "appendfsync no")
	require.NoError(t, os.Unsetenv("LD_PRELOAD"))
	client := server.Client(t)
	for _, offset := range []time.Duration{time.Hour, 0} {
		set(offset)
		now, err := client.Time(t.Context()).Result()
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(offset), now, time.Minute)
	}
	return server, set
}

// TestDamagedRecords damages records while deliveries are on their way. No more are
// missing than were damaged, and the store names or has ended each of these.
//
//nolint:paralleltest // each has the machine to itself
func TestDamagedRecords(t *testing.T) {
	const events, damages = 2000, 30
	rng := rand.New(rand.NewPCG(seed(t), 2))
	w, server, s := scene(t, rand.New(rand.NewPCG(rng.Uint64(), 1)))
	client := server.Client(t)
	crew := startWorkers(t, s)
	hung := w.hooks[w.merchants[0]][0] // Its deliveries wait, so that there are some to damage.
	w.receiver.feel(hung, silent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.publish(t.Context(), 4*time.Millisecond, times(events))
	}()
	for range damages {
		<-time.After(200 * time.Millisecond)
		require.NoError(t, damage(t.Context(), client, "wh:{00}:", rng))
	}
	w.receiver.feel(hung, well)
	<-done
	// What a damaged record leaves behind is found by pruning, which workers do once a minute.
	var told []store.Damage
	var pruning sync.WaitGroup
	settled := make(chan struct{})
	pruning.Go(func() {
		for {
			p, _ := w.store.Prune(t.Context(), store.PruneRequest{Limit: 100})
			told = append(told, p.Damaged...)
			select {
			case <-settled:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	w.settled(lease + 10*time.Second)
	close(settled)
	pruning.Wait()
	for _, c := range crew {
		c.stop(t)
	}
	info, err := w.redis.Info(t.Context())
	require.NoError(t, err)
	named := map[string]bool{}
	for _, d := range info.Damaged {
		t.Log(d)
		named[strings.Fields(d.What)[1]] = true
	}
	missing := 0
	for _, p := range w.acked {
		require.Len(t, p.deliveries, hooks)
		for hook, id := range p.deliveries {
			if w.receiver.processed(id) {
				continue
			}
			missing++
			d, err := w.svc.Delivery(t.Context(), p.merchant, hook, id)
			if err == nil && d.Status == webhook.DeliveryFailed {
				require.Equal(t, webhook.CodeDamaged, d.Code)
			} else {
				require.True(t, named[id], "%s of %s is neither delivered, nor ended, nor named: %v", id, hook, err)
			}
		}
	}
	t.Logf("%d of %d deliveries are missing", missing, events*hooks)
	require.Len(t, w.acked, events)
	require.Positive(t, missing, "deliveries were damaged before they arrived")
	require.LessOrEqual(t, missing, damages*hooks)
	require.Subset(t, told, info.Damaged, "each is told once")
	b, err := w.redis.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(len(info.Damaged)), b.Damaged)
	require.Positive(t, b.Damaged)
}

// damage breaks a random record: of a delivery that was claimed, that waits or has
// ended, or an event, or takes the event away.
func damage(ctx context.Context, c *redis.Client, p string, rng *rand.Rand) error {
	some := func(pattern string) string {
		keys, _ := c.Keys(ctx, p+pattern).Result()
		if len(keys) == 0 {
			return p + "none"
		}
		return keys[rng.IntN(len(keys))]
	}
	garbage := "\xff\xff\xffgarbage"
	switch rng.IntN(5) {
	case 0:
		if fields, err := c.HRandField(ctx, p+"a", 1).Result(); err == nil && len(fields) > 0 {
			return c.HSet(ctx, p+"a", fields[0], garbage).Err()
		}
	case 1:
		_ = c.LSet(ctx, some("q:*"), 0, garbage).Err() // Mostly it is empty.
	case 2:
		_ = c.LSet(ctx, some("l:*"), -1, garbage).Err()
	case 3:
		_ = c.SetArgs(ctx, some("e:*"), garbage, redis.SetArgs{Mode: "XX"}).Err() // There may be none.
	case 4:
		return c.Del(ctx, some("e:*")).Err()
	}
	return nil
}

// TestEmptied empties Redis under load. From then on nothing is acknowledged, until
// the store is opened again, and then all is as with a new one.
//
//nolint:paralleltest // each has the machine to itself
func TestEmptied(t *testing.T) {
	w, server, s := scene(t, nil)
	crew := startWorkers(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.publish(ctx, 4*time.Millisecond, func() bool { return ctx.Err() == nil })
	}()
	require.Eventually(t, func() bool { return w.acknowledged() > 200 }, 10*time.Second, time.Millisecond)
	require.NoError(t, server.Client(t).FlushAll(t.Context()).Err())
	flushed := time.Now()
	_, err := w.store.Claim(t.Context(), store.ClaimRequest{Limit: 1, PerWebhook: 1, Lease: lease})
	require.ErrorIs(t, err, store.ErrUnavailable)
	for range 100 {
		_, err := w.svc.Publish(t.Context(), "merchant_0", event.New(event.DocumentCreated{DocumentID: "doc", Title: "Chaos"}))
		require.ErrorIs(t, err, store.ErrUnavailable)
	}
	require.False(t, w.svc.Health(t.Context()).Ready)
	cancel()
	<-done
	require.Positive(t, w.tries.Load(), "publishers were at work")
	for _, p := range w.acked {
		require.True(t, p.began.Before(flushed), "%s was acknowledged of an emptied store", p.event)
	}
	for _, c := range crew {
		c.stop(t)
	}

	again := newWorld(t, s.Redis, nil, newReceiver(t, nil, attemptTimeout), merchants, hooks)
	crew = startWorkers(t, s)
	again.publish(t.Context(), 4*time.Millisecond, times(200))
	again.settled(10 * time.Second)
	for _, c := range crew {
		c.stop(t)
	}
	again.check()
	_, err = w.svc.Publish(t.Context(), "merchant_0", event.New(event.DocumentCreated{DocumentID: "doc", Title: "Chaos"}))
	require.ErrorIs(t, err, store.ErrUnavailable, "who has not opened it again knows the old one")
}
