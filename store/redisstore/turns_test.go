package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestShardsTakeTurns has a claimer that can only take one delivery at a time, and
// one shard with far more than the others.
func TestShardsTakeTurns(t *testing.T) {
	t.Parallel()
	const shards = 4
	client := redistest.Client(t)
	prefix := redistest.Prefix()
	t.Cleanup(func() { redistest.Forget(t, client, prefix) })
	st := newStore(t, client, &redisstore.Options{Prefix: prefix, Shards: shards}, 0)
	for i := range 40 {
		m := fmt.Sprintf("merchant_%d", i)
		_, err := st.CreateWebhook(t.Context(), m, store.Webhook{ID: "whk", URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 0)
		require.NoError(t, err)
		n := 5
		if i == 0 {
			n = 500
		}
		_, err = st.Publish(t.Context(), m, newEvents(n, 10))
		require.NoError(t, err)
	}
	keys, err := client.Keys(t.Context(), prefix+":*:m:*").Result()
	require.NoError(t, err)
	shardOf := map[string]string{}
	for _, k := range keys {
		parts := strings.Split(k, ":")
		shardOf[parts[3]] = parts[1]
	}
	served := map[string]int{}
	for range 5 * shards {
		c, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 1000})
		require.NoError(t, err)
		require.Len(t, c.Leases, 1)
		served[shardOf[c.Leases[0].MerchantID]]++
	}
	require.Len(t, served, shards)
	for shard, n := range served {
		require.Equal(t, 5, n, shard)
	}
}

// TestFullWebhookIsLeftAlone looks at the index of webhooks that have something to
// claim: one that has no room is not in it, whatever is published, until it has.
func TestFullWebhookIsLeftAlone(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	st := newStore(t, client, &redisstore.Options{Prefix: "wh"}, 1)
	publish := func() {
		_, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
		require.NoError(t, err)
	}
	offered := func() int64 { return client.ZCard(t.Context(), "wh:{00}:ready").Val() }
	ask := store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 2}
	for range 3 {
		publish()
	}
	require.Equal(t, int64(1), offered())
	got, err := st.Claim(t.Context(), ask)
	require.NoError(t, err)
	require.Len(t, got.Leases, 2)
	require.Zero(t, offered(), "after the claim")
	publish()
	require.Zero(t, offered(), "after another event")
	_, err = st.Finish(t.Context(), results(got.Leases[:1]))
	require.NoError(t, err)
	require.Equal(t, int64(1), offered())
}
