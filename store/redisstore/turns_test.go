package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
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
	offered := func() int64 { return client.ZCard(t.Context(), "wh:{00}:r").Val() }
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

// TestClaimAgain asks a store of several shards again for claims whose answers were
// lost.
func TestClaimAgain(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 4}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	st := newStore(t, client, &opts, 0)
	for i := range 40 {
		m := fmt.Sprintf("merchant_%d", i)
		_, err := st.CreateWebhook(t.Context(), m, store.Webhook{ID: "whk", URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 0)
		require.NoError(t, err)
		_, err = st.Publish(t.Context(), m, newEvents(20, 10))
		require.NoError(t, err)
	}
	noted := func() []string {
		keys, err := client.Keys(t.Context(), opts.Prefix+":*:key:*").Result()
		require.NoError(t, err)
		return keys
	}
	claim := func(key string) []store.Lease {
		c, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 250, Lease: time.Minute, PerWebhook: 10, Key: key})
		require.NoError(t, err)
		slices.SortFunc(c.Leases, func(a, b store.Lease) int { return strings.Compare(a.DeliveryID, b.DeliveryID) })
		return c.Leases
	}
	_, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 10})
	require.NoError(t, err)
	require.Empty(t, noted(), "a claim without a key is not noted")

	first := claim("one")
	require.Len(t, first, 250)
	for _, k := range noted() {
		require.InDelta(t, time.Minute, client.PTTL(t.Context(), k).Val(), float64(time.Second))
	}
	require.Equal(t, first, claim("one"))
	_, err = st.Finish(t.Context(), results(first[:100]))
	require.NoError(t, err)
	require.Equal(t, first[100:], claim("one"))
	_, err = st.Finish(t.Context(), results(first[100:]))
	require.NoError(t, err)

	second := claim("one")
	require.Len(t, second, 250, "nothing of it lasts")
	require.Equal(t, second, claim("one"))
	for _, l := range claim("two") {
		require.NotContains(t, second, l)
	}
	require.NoError(t, st.Audit(t.Context()))
}

// TestClaimAgainOfADeletedWebhook asks for a claim again whose webhook was deleted, and
// whose records are still to be removed.
func TestClaimAgainOfADeletedWebhook(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix()}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	st := newStore(t, client, &opts, 0)
	_, err := st.CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk", URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 0)
	require.NoError(t, err)
	_, err = st.Publish(t.Context(), "m", newEvents(1, 10))
	require.NoError(t, err)
	ask := store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 1, Key: "one"}
	got, err := st.Claim(t.Context(), ask)
	require.NoError(t, err)
	require.Len(t, got.Leases, 1)

	require.NoError(t, some(client.HDel(t.Context(), opts.Prefix+":{00}:w", "1").Result()))
	got, err = st.Claim(t.Context(), ask)
	require.NoError(t, err)
	require.Empty(t, got.Leases)
}

// TestJobsOfOtherKindsAreReadInParts has more of them before the one that is claimed than
// one script reads, so that no other client waits for all of them.
func TestJobsOfOtherKindsAreReadInParts(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	prefix := redistest.Prefix()
	t.Cleanup(func() { redistest.Forget(t, client, prefix) })
	st := newStore(t, client, &redisstore.Options{Prefix: prefix}, 0)
	add := func(id, kind string) {
		_, err := st.AddJob(t.Context(), "m", store.Job{ID: id, Scope: id, Kind: kind})
		require.NoError(t, err)
	}
	for i := range 450 {
		add(strconv.Itoa(i), "other")
	}
	add("last", "own")
	scripts := 0
	client.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if strings.HasPrefix(cmd.Name(), "eval") || cmd.Name() == "fcall" {
			scripts++
		}
		return next(ctx, cmd)
	}})
	for _, claimed := range []int{1, 0} {
		scripts = 0
		got, err := st.ClaimJobs(t.Context(), []string{"own"}, 1, time.Minute)
		require.NoError(t, err)
		require.Len(t, got, claimed)
		require.Equal(t, 3, scripts)
	}
	got, err := st.ClaimJobs(t.Context(), []string{"other"}, 500, time.Minute)
	require.NoError(t, err)
	require.Len(t, got, 100, "they are where they were, and a batch at once")
}
