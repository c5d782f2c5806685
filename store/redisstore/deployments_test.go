package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

func TestSentinel(t *testing.T) {
	t.Parallel()
	client := redistest.Sentinel(t, redistest.Start(t))
	st := newStore(t, client, nil, 3)
	work(t, st, 10)
	require.NoError(t, st.Audit(t.Context()))
}

func TestCluster(t *testing.T) {
	t.Parallel()
	client := redistest.Cluster(t)
	opts := redisstore.Options{Prefix: redistest.Prefix()}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	st := newStore(t, client, &opts, 3)
	info, err := st.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, 16, info.Shards)
	require.Contains(t, info.Durability, "no append-only file")
	work(t, st, 10)

	// Merchants are on every node, and a claim finds all of them.
	for i := range 40 {
		m := string(rune('a'+i%26)) + string(rune('a'+i/26))
		_, err := st.CreateWebhook(t.Context(), m, store.Webhook{ID: "whk", URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 0)
		require.NoError(t, err)
		_, err = st.Publish(t.Context(), m, newEvents(1, 10))
		require.NoError(t, err)
	}
	found := map[string]bool{}
	for {
		c, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 7, Lease: time.Minute, PerWebhook: 50})
		require.NoError(t, err)
		for _, l := range c.Leases {
			found[l.MerchantID] = true
		}
		if len(c.Leases) == 0 && c.Next != 0 {
			break
		}
	}
	delete(found, merchant)
	require.Len(t, found, 40)
	require.NoError(t, st.Audit(t.Context()))

	waits := opts
	waits.WaitReplicas, waits.WaitTimeout = 1, 20*time.Millisecond
	_, err = newStore(t, client, &waits, 0).Publish(t.Context(), merchant, newEvents(1, 10))
	require.ErrorIs(t, err, redisstore.ErrNotReplicated)

	node, err := client.MasterForKey(t.Context(), "any")
	require.NoError(t, err)
	require.NoError(t, node.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-random").Err())
	_, err = redisstore.Open(t.Context(), client, &opts)
	require.ErrorContains(t, err, "node "+node.Options().Addr)
	require.ErrorContains(t, err, "maxmemory-policy is allkeys-random")
}
