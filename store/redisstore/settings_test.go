package redisstore_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestSettingsLeaveNothing shows that a webhook without settings is stored as if
// there were none.
func TestSettingsLeaveNothing(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	opts := redisstore.Options{Prefix: redistest.Prefix()}
	t.Cleanup(func() { redistest.Forget(t, client, opts.Prefix) })
	st := newStore(t, client, &opts, 1)
	id := "whk_000000000000000000000000"
	stored := func() []string {
		h, err := client.HGetAll(t.Context(), opts.Prefix+":{00}:w:1").Result()
		require.NoError(t, err)
		maps.DeleteFunc(h, func(name, _ string) bool { return !slices.Contains([]string{"ds", "md", "hd", "rl"}, name) })
		return slices.Sorted(maps.Keys(h))
	}
	update := func(u store.WebhookUpdate) store.Webhook {
		w, err := st.UpdateWebhook(t.Context(), merchant, id, u)
		require.NoError(t, err)
		return w
	}
	require.Empty(t, stored())
	update(store.WebhookUpdate{
		Description: new("a"), Metadata: map[string]string{"a": "b"}, Headers: new("sealed"), RateLimit: new(5),
	})
	require.Equal(t, []string{"ds", "hd", "md", "rl"}, stored())
	_, err := st.Publish(t.Context(), merchant, newEvents(10, 10))
	require.NoError(t, err)
	c, err := st.Claim(t.Context(), everything)
	require.NoError(t, err)
	require.Len(t, c.Leases, 5)
	w := update(store.WebhookUpdate{
		Description: new(""), Metadata: map[string]string{}, Headers: new(""), RateLimit: new(0),
	})
	require.Empty(t, stored())
	require.Empty(t, w.Description+w.Headers)
	require.Empty(t, w.Metadata)
	require.Zero(t, w.RateLimit)
	require.NoError(t, st.Audit(t.Context()))
}

// A clock that is set back adds no token, and delays the next one by no more than
// it was set back.
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
	require.Equal(t, time.Minute+250*time.Millisecond, next)
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
