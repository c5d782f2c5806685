package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// A clock that is set back adds no token, and the next one comes as if the last had been
// taken just now.
func TestRateWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	st := newStore(t, redistest.Client(t), &redisstore.Options{Now: clock.now}, 1)
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	_, err = st.UpdateWebhook(t.Context(), merchant, page.Webhooks[0].ID, store.WebhookUpdate{RateLimit: new(4)})
	require.NoError(t, err)
	clock.advance(-time.Hour)
	_, err = st.Publish(t.Context(), merchant, newEvents(20, 10))
	require.NoError(t, err)
	claim := func() (int, time.Duration) {
		c, err := st.Claim(t.Context(), everything)
		require.NoError(t, err)
		require.NoError(t, st.Audit(t.Context()))
		return len(c.Leases), c.Next
	}
	n, next := claim()
	require.Equal(t, 4, n, "the bucket was full before")
	require.Equal(t, 250*time.Millisecond, next)
	clock.advance(-time.Minute)
	n, next = claim()
	require.Zero(t, n)
	require.Equal(t, 250*time.Millisecond, next)
	clock.advance(next)
	n, _ = claim()
	require.Equal(t, 1, n)
}

// TestRateWhenMemoryIsFull claims by a rate from a server that stores nothing more.
func TestRateWhenMemoryIsFull(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t, "maxmemory 5mb").Client(t)
	clock := newClock()
	st := newStore(t, client, &redisstore.Options{Now: clock.now}, 1)
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	id := page.Webhooks[0].ID
	_, err = st.UpdateWebhook(t.Context(), merchant, id, store.WebhookUpdate{RateLimit: new(3)})
	require.NoError(t, err)
	for err == nil {
		_, err = st.Publish(t.Context(), merchant, newEvents(50, 500))
	}
	require.ErrorContains(t, err, "OOM")
	for range 20 {
		c, err := st.Claim(t.Context(), everything)
		require.NoError(t, err)
		require.Len(t, c.Leases, 3)
		_, err = st.Finish(t.Context(), results(c.Leases))
		require.NoError(t, err)
		require.NoError(t, st.Audit(t.Context()))
		clock.advance(time.Second)
	}
}

// TestClockGoesBack sets the clock back by an hour while a lease is held and a retry
// waits. Both end as if they had begun just then.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	st := newStore(t, redistest.Client(t), &redisstore.Options{Now: clock.now}, 1)
	_, err := st.Publish(t.Context(), merchant, newEvents(2, 10))
	require.NoError(t, err)
	c, err := st.Claim(t.Context(), everything)
	require.NoError(t, err)
	require.Len(t, c.Leases, 2)
	rs := results(c.Leases[:1])
	rs[0].Outcome, rs[0].Delay = store.Retry, 30*time.Second
	_, err = st.Finish(t.Context(), rs)
	require.NoError(t, err)
	clock.advance(-time.Hour)
	wait := func() time.Duration {
		c, err = st.Claim(t.Context(), everything)
		require.NoError(t, err)
		require.NoError(t, st.Audit(t.Context()))
		return c.Next
	}
	require.Equal(t, 30*time.Second, wait())
	clock.advance(30 * time.Second)
	wait()
	require.Len(t, c.Leases, 1, "the retry")
	clock.advance(30 * time.Second)
	wait()
	require.Len(t, c.Leases, 1, "what nobody has finished")
	require.Equal(t, 1, c.Leases[0].Reclaims)
}

// TestPausedBehindATest prunes a backlog in steps, one of which ends where a test was.
func TestPausedBehindATest(t *testing.T) {
	t.Parallel()
	clock := newClock()
	st := newStore(t, redistest.Client(t), &redisstore.Options{Now: clock.now}, 1)
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{Limit: 1})
	require.NoError(t, err)
	id := page.Webhooks[0].ID
	for i, e := range newEvents(4, 10) {
		if i == 2 {
			e.Test = id
		}
		_, err := st.Publish(t.Context(), merchant, []store.NewEvent{e})
		require.NoError(t, err)
	}
	_, err = st.UpdateWebhook(t.Context(), merchant, id, store.WebhookUpdate{Status: new(store.Disabled)})
	require.NoError(t, err)
	clock.advance(time.Hour)
	ended := 0
	for more := true; more; {
		done, err := st.Prune(t.Context(), store.PruneRequest{PausedAge: time.Minute, PausedCode: "paused", Limit: 2})
		require.NoError(t, err)
		require.NoError(t, st.Audit(t.Context()))
		ended, more = ended+done.Paused, done.More
	}
	require.Equal(t, 3, ended)
}

// A clock that is set back lets a hold last no longer than it was said to.
func TestHoldWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	st := newStore(t, redistest.Client(t), &redisstore.Options{Now: clock.now}, 1)
	_, err := st.Publish(t.Context(), merchant, newEvents(2, 10))
	require.NoError(t, err)
	ask := everything
	ask.Limit = 1
	got, err := st.Claim(t.Context(), ask)
	require.NoError(t, err)
	held := results(got.Leases)
	held[0].Hold = time.Minute
	_, err = st.Finish(t.Context(), held)
	require.NoError(t, err)
	clock.advance(-time.Hour)
	for n, wait := range []time.Duration{0, time.Minute - time.Millisecond, time.Millisecond} {
		clock.advance(wait)
		got, err = st.Claim(t.Context(), everything)
		require.NoError(t, err)
		require.NoError(t, st.Audit(t.Context()))
		require.Len(t, got.Leases, n/2)
	}
}
