package redisstore_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestWakesOthers measures how long a claimer in another process sleeps on after
// a publish.
func TestWakesOthers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opts := redisstore.Options{Prefix: redistest.Prefix(), Shards: 4}
	one, other := newStore(t, server.Client(t), &opts, 1), newStore(t, server.Client(t), &opts, 0)
	ctx, cancel := context.WithCancel(t.Context())
	wakes, ended := make(chan time.Time, 100), make(chan error, 1)
	go func() { ended <- other.Watch(ctx, func() { wakes <- time.Now() }) }()
	<-wakes
	var took []time.Duration
	for range 30 {
		drain(t, one)
		start := time.Now()
		_, err := one.Publish(t.Context(), merchant, newEvents(1, 100))
		require.NoError(t, err)
		took = append(took, (<-wakes).Sub(start))
	}
	slices.Sort(took)
	t.Logf("woken %s after the call of Publish began in the middle of %d, %s in the worst", took[len(took)/2], len(took), took[len(took)-1])
	require.Less(t, took[0], 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}

// TestIdle counts what claimers that have nothing to do ask for, and how often
// those that have are woken.
func TestIdle(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	st := newStore(t, client, &redisstore.Options{Shards: 4}, 1)
	ctx := t.Context()
	before := calls(t, client)
	for range 10 {
		c, err := st.Claim(ctx, everything)
		require.NoError(t, err)
		require.Negative(t, c.Next)
	}
	require.LessOrEqual(t, calls(t, client)-before, 10*4, "a claim is one command a shard")

	sub := client.Subscribe(ctx, prefixOf(t, client)+":wake")
	t.Cleanup(func() { require.NoError(t, sub.Close()) })
	_, err := sub.Receive(ctx)
	require.NoError(t, err)
	for range 20 {
		_, err := st.Publish(ctx, merchant, newEvents(1, 10))
		require.NoError(t, err)
	}
	_, err = sub.ReceiveMessage(ctx)
	require.NoError(t, err)
	_, err = sub.ReceiveTimeout(ctx, 100*time.Millisecond)
	require.Error(t, err, "only what is claimable sooner than the rest wakes")
}

// TestCommands counts commands for a batch of a hundred: one each.
func TestCommands(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	st := newStore(t, client, nil, 1)
	warm := newEvents(1, 10)
	_, err := st.Publish(t.Context(), merchant, warm)
	require.NoError(t, err)
	drain(t, st)
	before := calls(t, client)
	_, err = st.Publish(t.Context(), merchant, newEvents(100, 10))
	require.NoError(t, err)
	c, err := st.Claim(t.Context(), everything)
	require.NoError(t, err)
	require.Len(t, c.Leases, 100)
	_, err = st.Finish(t.Context(), results(c.Leases))
	require.NoError(t, err)
	require.Equal(t, 3, calls(t, client)-before)
	_, err = st.BeginSeen(t.Context(), "scope", "id", store.SeenBegin{Holder: "h", Lease: time.Minute})
	require.NoError(t, err)
	before = calls(t, client)
	_, err = st.BeginSeen(t.Context(), "scope", "id", store.SeenBegin{Holder: "h", Lease: time.Minute})
	require.NoError(t, err)
	require.Equal(t, 1, calls(t, client)-before)
}

// TestUnknownOutcome refuses a batch before it changes anything.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	st := newStore(t, redistest.Client(t), nil, 1)
	_, err := st.Publish(t.Context(), merchant, newEvents(2, 10))
	require.NoError(t, err)
	c, err := st.Claim(t.Context(), everything)
	require.NoError(t, err)
	rs := results(c.Leases)
	rs[1].Outcome = "perhaps"
	_, err = st.Finish(t.Context(), rs)
	require.ErrorContains(t, err, "perhaps")
	fs, err := st.Finish(t.Context(), results(c.Leases))
	require.NoError(t, err)
	require.Equal(t, []store.Finished{{State: store.FinishAccepted}, {State: store.FinishAccepted}}, fs)
}

// TestSeenExpires lets the server forget what a receiver has seen.
func TestSeenExpires(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	st := newStore(t, client, nil, 0)
	_, err := st.BeginSeen(t.Context(), "scope", "a:b", store.SeenBegin{Holder: "h", Lease: time.Minute})
	require.NoError(t, err)
	require.NoError(t, st.CommitSeen(t.Context(), "scope", "a:b", "h", []byte("value"), time.Hour))
	keys, err := client.Keys(t.Context(), "*:seen:scope:a%3Ab").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	left, err := client.PTTL(t.Context(), keys[0]).Result()
	require.NoError(t, err)
	require.InDelta(t, time.Hour, left, float64(time.Minute))
}
