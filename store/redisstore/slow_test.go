package redisstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestSlowLink claims large events over a link of 2 MiB a second, as a dispatcher
// does. All of them arrive, each once.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	st := newStore(t, server.Client(t), &redisstore.Options{Prefix: "wh"}, 2)
	const many = 30
	for range many {
		_, err := st.Publish(t.Context(), merchant, newEvents(1, 200_000))
		require.NoError(t, err)
	}
	proxy := redistest.StartProxy(t, server.Addr)
	proxy.Set(redistest.Link{Rate: 2 << 20})
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	slow := newStore(t, client, &redisstore.Options{Prefix: "wh"}, 0)
	got := map[string]bool{}
	for i := 0; len(got) < 2*many; i++ {
		c, err := slow.Claim(t.Context(), store.ClaimRequest{Limit: 100, Lease: time.Minute, PerWebhook: 100, MaxBytes: 1 << 20, Key: fmt.Sprint("claim_", i)})
		require.NoError(t, err)
		require.NotEmpty(t, c.Leases)
		require.False(t, c.Again, "no answer took too long")
		for _, l := range c.Leases {
			require.Len(t, l.Body, 200_000)
			require.False(t, got[l.DeliveryID])
			require.Zero(t, l.Reclaims)
			got[l.DeliveryID] = true
		}
		_, err = slow.Finish(t.Context(), results(c.Leases))
		require.NoError(t, err)
	}
	require.NoError(t, st.Audit(t.Context()))
}

// TestLostClaimIsAskedForAgain loses replies: asked for again by its key, a claim
// answers the same leases, and none of them was tried in vain.
func TestLostClaimIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for shards, k := range map[int]int64{1: 1, 3: 5} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			t.Parallel()
			loseClaims(t, shards, k)
		})
	}
}

// loseClaims loses the reply of every k-th script.
func loseClaims(t *testing.T, shards int, k int64) {
	t.Helper()
	server, c := redistest.Start(t), newClock()
	opts := redisstore.Options{Prefix: redistest.Prefix(), Now: c.now, Shards: shards}
	st := newStore(t, server.Client(t), &opts, 1)
	client := server.Client(t)
	var lost atomic.Int64
	client.AddHook(losing(k, &lost))
	losesAll := newStore(t, client, &opts, 0)
	_, err := st.Publish(t.Context(), merchant, newEvents(20, 10))
	require.NoError(t, err)
	for i := range 4 {
		got, err := losesAll.Claim(t.Context(), store.ClaimRequest{Limit: 5, Lease: time.Minute, PerWebhook: 100, Key: fmt.Sprint("claim_", i)})
		require.NoError(t, err)
		require.Len(t, got.Leases, 5)
		require.Zero(t, got.Leases[0].Reclaims)
		_, err = losesAll.Finish(t.Context(), results(got.Leases))
		require.NoError(t, err)
	}
	require.Positive(t, lost.Load())
	b, err := st.Backlog(t.Context())
	require.NoError(t, err)
	require.Zero(t, b.Pending, "nothing is hidden")
	require.NoError(t, st.Audit(t.Context()))
}
