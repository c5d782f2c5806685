package redisstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// crowd is a store whose lanes are taken by two calls of Publish that are held up
// until release is closed, so that others gather.
type crowd struct {
	st      *redisstore.Store
	client  *redis.Client
	release chan struct{}
	scripts atomic.Int64 // that have begun since
	wg      sync.WaitGroup
}

func newCrowd(t *testing.T, webhooks int) *crowd {
	t.Helper()
	const lanes = 2
	server := redistest.Start(t)
	c := &crowd{client: server.Client(t), release: make(chan struct{})}
	held := server.Client(t)
	t.Cleanup(c.wg.Wait)
	c.st = newStore(t, held, &redisstore.Options{Prefix: "wh"}, webhooks)
	stored := newEvents(1, 10) // which a call has again, so that its script succeeds whatever becomes of the server
	_, err := c.st.Publish(t.Context(), "merchant_lane", stored)
	require.NoError(t, err)
	var first atomic.Int64
	entered := make(chan struct{}, lanes)
	held.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if name := cmd.Name(); name != "evalsha" && name != "eval" {
			return next(ctx, cmd)
		}
		if first.Add(1) <= lanes {
			entered <- struct{}{}
			<-c.release
		} else {
			c.scripts.Add(1)
		}
		return next(ctx, cmd)
	}})
	for i := range lanes {
		c.wg.Go(func() {
			_, err := c.st.Publish(context.WithoutCancel(t.Context()), "merchant_lane", stored)
			assert.NoError(t, err, i)
		})
		<-entered
	}
	return c
}

// queue starts a call that has to wait, and returns once it does. The function that
// it returns waits for the call.
func (c *crowd) queue(t *testing.T, ctx context.Context, merchantID string, events ...store.NewEvent) func() ([]store.Published, error) { //nolint:revive // as a test helper
	t.Helper()
	before := redisstore.Waiting(c.st)
	var out []store.Published
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err = c.st.Publish(ctx, merchantID, events)
	}()
	require.Eventually(t, func() bool { return redisstore.Waiting(c.st) > before }, 10*time.Second, time.Millisecond)
	return func() ([]store.Published, error) {
		<-done
		return out, err
	}
}

// TestPublishShares has calls of several merchants go as one script, each with its
// own result.
func TestPublishShares(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 2)
	same := newEvents(1, 10)[0]
	other := same
	other.Fingerprint = "another"
	var wait []func() ([]store.Published, error)
	for i := range 20 {
		wait = append(wait, c.queue(t, t.Context(), fmt.Sprint("merchant_", i), newEvents(3, 100)...))
	}
	first := c.queue(t, t.Context(), merchant, same)
	again := c.queue(t, t.Context(), merchant, same)
	conflict := c.queue(t, t.Context(), merchant, other)
	close(c.release)
	for _, w := range wait {
		got, err := w()
		require.NoError(t, err)
		require.Len(t, got, 3)
		for _, p := range got {
			require.Equal(t, store.Published{}, p, "nobody subscribes")
		}
	}
	got, err := first()
	require.NoError(t, err)
	require.Len(t, got[0].Deliveries, 2)
	repeated, err := again()
	require.NoError(t, err)
	require.Equal(t, []store.Published{{Deliveries: got[0].Deliveries, Duplicate: true}}, repeated)
	refused, err := conflict()
	require.NoError(t, err)
	require.Equal(t, []store.Published{{Conflict: true}}, refused)
	c.wg.Wait()
	require.LessOrEqual(t, c.scripts.Load(), int64(2), "23 calls with 63 events go as one script, or as two if another lane is free first")
	require.NoError(t, c.st.Audit(t.Context()))
}

// TestPublishSharesNoFault has one merchant whose data is damaged among others, of
// whom nobody may take a part of the same script for published.
func TestPublishSharesNoFault(t *testing.T) {
	t.Parallel()
	const prefix = "wh:{00}:"
	for name, damage := range map[string]func(ctx context.Context, c *redis.Client) error{
		"subscribers": func(ctx context.Context, c *redis.Client) error {
			return c.HSet(ctx, prefix+"s", "merchant_bad|"+eventType, "\xc1").Err()
		},
		"log": func(ctx context.Context, c *redis.Client) error {
			return c.Set(ctx, prefix+"v:merchant_bad", "no list", 0).Err()
		},
		"queue": func(ctx context.Context, c *redis.Client) error { return c.Set(ctx, prefix+"q:2", "no list", 0).Err() },
		"state": func(ctx context.Context, c *redis.Client) error {
			return c.HSet(ctx, prefix+"t", "2", "no state").Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, 0)
			merchants := []string{"merchant_good", "merchant_bad", "merchant_better"}
			for _, m := range merchants {
				_, err := c.st.CreateWebhook(t.Context(), m, store.Webhook{
					ID: "whk_" + m, URL: "https://example.com", Events: []string{eventType}, Status: store.Active,
				}, 0)
				require.NoError(t, err)
			}
			require.NoError(t, damage(t.Context(), c.client))
			wait := map[string]func() ([]store.Published, error){}
			for _, m := range merchants {
				wait[m] = c.queue(t, t.Context(), m, newEvents(1, 10)...)
			}
			close(c.release)
			for m, w := range wait {
				got, err := w()
				if m == "merchant_bad" {
					require.Equal(t, name == "subscribers", err != nil, "nobody knows who should have the event")
					continue
				}
				require.NoError(t, err)
				require.Len(t, got, 1)
				require.False(t, got[0].Duplicate, "%s is told that it has published before", m)
				require.Len(t, got[0].Deliveries, 1)
			}
			c.wg.Wait()
			got, err := c.st.Claim(t.Context(), everything)
			require.NoError(t, err)
			delivered := map[string]bool{}
			for _, l := range got.Leases {
				delivered[l.MerchantID] = true
			}
			require.True(t, delivered["merchant_good"] && delivered["merchant_better"], "what was acknowledged can be claimed")
		})
	}
}

// TestPublishSharesNoFullMemory has a call that repeats what is stored beside one of
// which Redis has no room for the event.
func TestPublishSharesNoFullMemory(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 1)
	stored := newEvents(1, 10)
	before, err := newStore(t, c.client, &redisstore.Options{Prefix: "wh"}, 0).Publish(t.Context(), merchant, stored)
	require.NoError(t, err)
	fresh := c.queue(t, t.Context(), merchant, newEvents(1, 10)...)
	again := c.queue(t, t.Context(), merchant, stored...)
	require.NoError(t, c.client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	close(c.release)
	_, err = fresh()
	require.ErrorIs(t, err, store.ErrUnavailable)
	repeated, err := again()
	require.NoError(t, err, "nothing has to be stored for it")
	require.Equal(t, []store.Published{{Deliveries: before[0].Deliveries, Duplicate: true}}, repeated)
}

// TestPublishGoneCaller has a caller that does not wait until its turn comes.
func TestPublishGoneCaller(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	left := newEvents(1, 10)
	gone := c.queue(t, ctx, merchant, left...)
	stays := c.queue(t, t.Context(), merchant, newEvents(1, 10)...)
	cancel()
	_, err := gone()
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, redisstore.Waiting(c.st), "it is not kept")
	close(c.release)
	got, err := stays()
	require.NoError(t, err)
	require.Len(t, got, 1)
	c.wg.Wait()
	_, err = c.st.Event(t.Context(), merchant, left[0].ID)
	require.ErrorIs(t, err, store.ErrNotFound, "nothing is published for who has gone")
}

// TestPublishSharesLargeFanOut has calls of which each fills a script.
func TestPublishSharesLargeFanOut(t *testing.T) {
	t.Parallel()
	const webhooks, calls, events = 200, 4, 5
	c := newCrowd(t, webhooks)
	var wait []func() ([]store.Published, error)
	for range calls {
		wait = append(wait, c.queue(t, t.Context(), merchant, newEvents(events, 10)...))
	}
	close(c.release)
	for _, w := range wait {
		got, err := w()
		require.NoError(t, err)
		require.Len(t, got, events)
		for _, p := range got {
			require.Len(t, p.Deliveries, webhooks)
		}
	}
	c.wg.Wait()
	require.Greater(t, c.scripts.Load(), int64(calls), "a script stops after some hundred deliveries")
}
