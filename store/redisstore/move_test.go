package redisstore_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestSlotMoves moves the slot of a shard to another node, key by key, while the
// store is used: calls may fail meanwhile, and then have changed nothing.
func TestSlotMoves(t *testing.T) {
	t.Parallel()
	client := redistest.Cluster(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 1}
	st := newStore(t, client, &opts, 2)
	ctx := t.Context()
	ask := store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 5}
	pending := map[string]bool{}
	publish := func(events []store.NewEvent) error {
		out, err := st.Publish(ctx, merchant, events)
		for _, p := range out {
			for _, d := range p.Deliveries {
				pending[d.ID] = true
			}
		}
		return err
	}
	// What was settled, and what was claimed and may not be known to us.
	settle := func() error {
		got, err := st.Claim(ctx, ask)
		if err != nil {
			return err
		}
		for _, l := range got.Leases {
			require.True(t, pending[l.DeliveryID], "%s is delivered once", l.DeliveryID)
		}
		if _, err = st.Finish(ctx, results(got.Leases)); err == nil {
			for _, l := range got.Leases {
				delete(pending, l.DeliveryID)
			}
		}
		return err
	}
	require.NoError(t, publish(newEvents(10, 10)))
	require.NoError(t, settle())
	require.NoError(t, st.Audit(ctx))

	m := redistest.StartMove(t, client, opts.Prefix+":{00}:id")
	refused := 0
	for moved := true; moved; moved = m.Keys(t, 1) > 0 {
		events := newEvents(1, 10)
		for _, err := range []error{publish(events), settle()} {
			if err != nil {
				refused++
			}
		}
	}
	m.End(t)
	require.Positive(t, refused)
	t.Logf("%d calls refused", refused)
	require.NoError(t, st.Audit(ctx))
	require.NoError(t, publish(newEvents(1, 10)))
	left := len(pending)
	later := opts
	later.Now = inAnHour
	require.Equal(t, left, drain(t, newStore(t, client, &later, 0)))
}

// TestOneShardAway uses the rest of a store while the slot of one shard moves.
func TestOneShardAway(t *testing.T) {
	t.Parallel()
	client := redistest.Cluster(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 2}
	st := newStore(t, client, &opts, 0)
	ctx := t.Context()
	var merchants [2]string // of each shard
	for i := 0; merchants[0] == "" || merchants[1] == ""; i++ {
		m := fmt.Sprint("merchant_", i)
		_, err := st.CreateWebhook(ctx, m, store.Webhook{ID: "whk", URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 0)
		require.NoError(t, err)
		shard := client.Exists(ctx, opts.Prefix+":{01}:m:"+m).Val()
		merchants[shard] = m
	}
	publish := func(shard int) {
		_, err := st.Publish(ctx, merchants[shard], newEvents(5, 10))
		require.NoError(t, err)
	}
	ask := store.ClaimRequest{Limit: 100, Lease: time.Minute, PerWebhook: 100}
	publish(0)
	publish(1)
	before, err := st.Claim(ctx, ask)
	require.NoError(t, err)
	require.Len(t, before.Leases, 10)

	m := redistest.StartMove(t, client, opts.Prefix+":{00}:id")
	for range 2 { // Each begins at another shard.
		publish(1)
		got, err := st.Claim(ctx, ask)
		require.NoError(t, err)
		require.Len(t, got.Leases, 5)
		require.Positive(t, got.Next)
		require.LessOrEqual(t, got.Next, time.Second, "there may be more in the shard that is away")
	}
	awayOrRested := func(err error) {
		t.Helper()
		if err != nil { // It is asked once a second, and left alone meanwhile.
			require.ErrorContains(t, err, "TRYAGAIN")
		}
	}
	none, err := st.Claim(ctx, ask)
	awayOrRested(err)
	require.Empty(t, none.Leases)
	rs := results(before.Leases)
	for i := range rs {
		rs[i].Outcome, rs[i].Streak, rs[i].DisableAfter = store.Failed, store.StreakExtend, 5
	}
	settled, err := st.Finish(ctx, rs)
	require.NoError(t, err)
	var again []store.Result
	for i, f := range settled {
		want := store.FinishAccepted
		if rs[i].MerchantID == merchants[0] {
			want = store.FinishUnavailable
			again = append(again, rs[i])
		}
		require.Equal(t, want, f.State)
	}
	require.Len(t, again, 5)
	_, err = st.Finish(ctx, again)
	require.Error(t, err, "all of it is away")

	notices, err := st.ClaimNotices(ctx, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, notices, 1, "the first shard has none to tell, and is away")
	notices, err = st.ClaimNotices(ctx, 10, time.Minute)
	awayOrRested(err)
	require.Empty(t, notices)
	_, err = st.Prune(ctx, store.PruneRequest{DeliveryAge: time.Millisecond, Limit: 100})
	awayOrRested(err)
	stats, err := st.Stats(ctx, merchants[1], "whk")
	require.NoError(t, err)
	require.Equal(t, int64(10), stats.Total, "the rest is pruned: ten are leased")

	m.End(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		settled, err := st.Finish(ctx, again)
		require.NoError(c, err)
		for _, f := range settled {
			require.Equal(c, store.FinishAccepted, f.State)
		}
	}, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, st.Audit(ctx))
}

// TestReplicasAfterMove publishes to where a shard's slot has gone.
func TestReplicasAfterMove(t *testing.T) {
	t.Parallel()
	client := redistest.Cluster(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 1, WaitReplicas: 1, WaitTimeout: 10 * time.Millisecond}
	st := newStore(t, client, &opts, 1)
	_, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
	require.ErrorIs(t, err, redisstore.ErrNotReplicated, "there are none, but it is stored")
	redistest.StartMove(t, client, opts.Prefix+":{00}:id").End(t)
	_, err = st.Publish(t.Context(), merchant, newEvents(1, 10))
	require.ErrorIs(t, err, redisstore.ErrNotReplicated)
	require.Equal(t, 2, drain(t, st))
}

// TestReplicasOfDuplicates publishes again what no replica has: that it is there
// already does not mean that it is replicated.
func TestReplicasOfDuplicates(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "repl-diskless-sync-delay 0")
	host, port, err := net.SplitHostPort(server.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, "replicaof "+host+" "+port)
	opts := redisstore.Options{Prefix: redistest.Prefix(), WaitReplicas: 1, WaitTimeout: 50 * time.Millisecond}
	st := newStore(t, server.Client(t), &opts, 1)
	require.Eventually(t, func() bool {
		_, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
		return err == nil
	}, 20*time.Second, time.Millisecond, "the replica follows")
	events := newEvents(1, 10)
	replica.Signal(t, syscall.SIGSTOP)
	for range 3 {
		fresh := newStore(t, server.Client(t), &opts, 0) // with connections that have written nothing
		_, err = fresh.Publish(t.Context(), merchant, events)
		require.ErrorIs(t, err, redisstore.ErrNotReplicated)
	}
	replica.Signal(t, syscall.SIGCONT)
	require.Eventually(t, func() bool {
		out, err := st.Publish(t.Context(), merchant, events)
		return err == nil && out[0].Duplicate
	}, 20*time.Second, time.Millisecond)
}
