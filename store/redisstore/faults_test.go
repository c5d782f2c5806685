package redisstore_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// prefixOf finds the prefix of the one store on a private server.
func prefixOf(tb testing.TB, client *redis.Client) string {
	tb.Helper()
	keys, err := client.Keys(context.Background(), "*:meta").Result()
	require.NoError(tb, err)
	require.Len(tb, keys, 1)
	return strings.TrimSuffix(keys[0], ":meta")
}

// losing makes a client that loses the reply of every k-th script and sends it
// again, as go-redis does when a connection breaks.
func losing(k int64, lost *atomic.Int64) hook {
	var n atomic.Int64
	return hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if name := cmd.Name(); (name == "evalsha" || name == "eval") && n.Add(1)%k == 0 {
			if err := next(ctx, redis.NewCmd(ctx, cmd.Args()...)); err == nil {
				lost.Add(1)
			}
		}
		return next(ctx, cmd)
	}}
}

// story does the same with any store, and tells all that can be seen in the end.
func story(t *testing.T, st *redisstore.Store, claims *redisstore.Store, c *clock) string {
	t.Helper()
	ctx := t.Context()
	for i := range 4 {
		w, err := st.CreateWebhook(ctx, merchant, store.Webhook{ID: fmt.Sprint("whk_", i), URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 4)
		require.NoError(t, err)
		_, err = st.UpdateWebhook(ctx, merchant, w.ID, store.WebhookUpdate{IfVersion: w.Version, Rotate: new("secret"), KeepPrevious: time.Hour})
		require.NoError(t, err)
	}
	var out strings.Builder
	for i := range 30 {
		added, err := st.AddNotice(ctx, merchant, store.Notice{Kind: store.NoticeWarning, WebhookID: "whk_1"}, strings.Repeat("m", i/2), strings.Repeat("m", i/2+1))
		require.NoError(t, err)
		fmt.Fprintln(&out, added)
		id := fmt.Sprint("evt_", i)
		_, err = st.Publish(ctx, merchant, []store.NewEvent{{ID: id, Type: eventType, Body: []byte("{}"), Fingerprint: id}})
		require.NoError(t, err)
		_, err = st.Enqueue(ctx, merchant, "whk_1", []string{id}, "again", 0)
		require.NoError(t, err)
		c.advance(time.Second)
		got, err := claims.Claim(ctx, store.ClaimRequest{Limit: 4, Lease: time.Minute, PerWebhook: 100})
		require.NoError(t, err)
		rs := results(got.Leases)
		for j := range rs {
			rs[j].Streak = store.StreakSame
			if j%2 == 1 {
				rs[j].Outcome, rs[j].Streak, rs[j].DisableAfter, rs[j].DisableReason = store.Failed, store.StreakExtend, 8, "failures"
			}
		}
		_, err = st.Finish(ctx, rs)
		require.NoError(t, err)
		if i == 20 {
			require.NoError(t, st.DeleteWebhook(ctx, merchant, "whk_3", 0))
			_, err = st.Prune(ctx, store.PruneRequest{DeliveryAge: 10 * time.Second, Limit: 1000})
			require.NoError(t, err)
		}
		require.NoError(t, st.Audit(ctx), "broken promise of the layout")
	}
	page, err := st.ListWebhooks(ctx, merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	for _, w := range page.Webhooks {
		stats, err := st.Stats(ctx, merchant, w.ID)
		require.NoError(t, err)
		changes, err := st.Changes(ctx, merchant, w.ID)
		require.NoError(t, err)
		fmt.Fprintf(&out, "%+v\n%+v\n%+v\n", w, stats, changes)
		list, err := st.Deliveries(ctx, merchant, w.ID, store.DeliveryQuery{Limit: 1000})
		require.NoError(t, err)
		for _, d := range list.Deliveries {
			d, err := st.Delivery(ctx, merchant, w.ID, d.ID)
			require.NoError(t, err)
			fmt.Fprintf(&out, "%+v\n", d)
		}
	}
	events, err := st.Events(ctx, merchant, store.EventQuery{Limit: 1000, WebhookID: "whk_1"})
	require.NoError(t, err)
	ns, err := claims.ClaimNotices(ctx, 100, time.Minute)
	require.NoError(t, err)
	troubled, err := st.Troubled(ctx, store.TroubledQuery{Limit: 100})
	require.NoError(t, err)
	fate, err := st.EventDeliveries(ctx, merchant, "evt_29")
	require.NoError(t, err)
	fmt.Fprintf(&out, "%+v\n%+v\n%+v\n%+v\n", events, ns, troubled, fate)
	return regexp.MustCompile(`whdel_[0-9a-z]{6}`).ReplaceAllString(out.String(), "whdel_") // what differs by store
}

// TestLostReplies sends scripts twice and compares what becomes of it.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tell := func(hooks ...redis.Hook) string {
		client := server.Client(t)
		for _, h := range hooks {
			client.AddHook(h)
		}
		c := newClock()
		opts := redisstore.Options{Prefix: redistest.Prefix(), Now: c.now}
		return story(t, newStore(t, client, &opts, 0), newStore(t, server.Client(t), &opts, 0), c)
	}
	want := tell()
	require.Contains(t, want, "failures", "the story disables a webhook")
	require.Contains(t, want, "true\nfalse\n", "it adds a notice, and not another one for the same mark")
	for _, k := range []int64{1, 2, 3, 5} {
		var lost atomic.Int64
		require.Equal(t, want, tell(losing(k, &lost)))
		require.Positive(t, lost.Load())
	}
}

// TestLostClaim loses the reply of a claim: its deliveries come back when the
// lease ends.
func TestLostClaim(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := newClock()
	opts := redisstore.Options{Prefix: redistest.Prefix(), Now: c.now}
	st := newStore(t, server.Client(t), &opts, 1)
	client := server.Client(t)
	var lost atomic.Int64
	client.AddHook(losing(1, &lost))
	_, err := st.Publish(t.Context(), merchant, newEvents(10, 10))
	require.NoError(t, err)
	ask := everything
	ask.Limit = 5
	got, err := newStore(t, client, &opts, 0).Claim(t.Context(), ask)
	require.NoError(t, err)
	require.Len(t, got.Leases, 5)
	_, err = st.Finish(t.Context(), results(got.Leases))
	require.NoError(t, err)
	got, err = st.Claim(t.Context(), everything)
	require.NoError(t, err)
	require.Empty(t, got.Leases)
	require.Equal(t, ask.Lease, got.Next)
	c.advance(ask.Lease)
	got, err = st.Claim(t.Context(), everything)
	require.NoError(t, err)
	require.Len(t, got.Leases, 5)
	require.Equal(t, 1, got.Leases[0].Reclaims)
	require.NoError(t, st.Audit(t.Context()))
}

// TestScriptFlush empties the script cache between calls.
func TestScriptFlush(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	client.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if cmd.Name() == "evalsha" {
			if err := next(ctx, redis.NewStatusCmd(ctx, "script", "flush")); err != nil {
				return err
			}
		}
		return next(ctx, cmd)
	}})
	work(t, newStore(t, client, nil, 3), 20)
	work(t, newStore(t, client, &redisstore.Options{WaitReplicas: 0}, 3), 2)
}

// pages counts what a list shows, page by page, and holds a page to a thousand records.
func pages(t *testing.T, read func(cursor string) (found int, next string, err error)) int {
	t.Helper()
	all := 0
	for cursor := ""; ; {
		n, next, err := read(cursor)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 1000)
		all += n
		if cursor = next; cursor == "" {
			return all
		}
	}
}

// TestMany holds every call to Lua's limits with more records than a Lua function
// takes arguments.
func TestMany(t *testing.T) {
	t.Parallel()
	const many = 20_000
	client := redistest.Start(t).Client(t)
	c := newClock()
	st := newStore(t, client, &redisstore.Options{Now: c.now}, 2)
	ctx := t.Context()
	out, err := st.Publish(ctx, merchant, newEvents(many/2, 10))
	require.NoError(t, err)
	require.Len(t, out, many/2)
	page, err := st.ListWebhooks(ctx, merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	w := page.Webhooks[0].ID
	for _, q := range []struct {
		store.DeliveryQuery

		found int
	}{
		{store.DeliveryQuery{}, many / 2},
		{store.DeliveryQuery{EventType: eventType}, many / 2},
		{store.DeliveryQuery{Status: store.DeliveryFailed}, 0},
	} {
		found := pages(t, func(cursor string) (int, string, error) {
			q.Limit, q.Cursor = many, cursor
			p, err := st.Deliveries(ctx, merchant, w, q.DeliveryQuery)
			return len(p.Deliveries), p.Next, err
		})
		require.Equal(t, q.found, found)
	}
	for _, q := range []struct {
		store.EventQuery

		found int
	}{
		{store.EventQuery{}, many / 2},
		{store.EventQuery{Newest: true}, many / 2},
		{store.EventQuery{Newest: true, Type: "none"}, 0},
	} {
		require.Equal(t, q.found, pages(t, func(cursor string) (int, string, error) {
			q.Limit, q.WebhookID, q.Cursor = many, w, cursor
			p, err := st.Events(ctx, merchant, q.EventQuery)
			return len(p.Events), p.Next, err
		}))
	}

	got, err := st.Claim(ctx, store.ClaimRequest{Limit: many, Lease: time.Minute, PerWebhook: many})
	require.NoError(t, err)
	require.Len(t, got.Leases, many)
	c.advance(2 * time.Minute)
	taken := map[string]bool{}
	for len(taken) < many {
		got, err = st.Claim(ctx, store.ClaimRequest{Limit: many, Lease: time.Hour, PerWebhook: many})
		require.NoError(t, err)
		require.True(t, len(got.Leases) > 0 || got.Next == 0)
		for _, l := range got.Leases {
			require.Equal(t, 1, l.Reclaims)
			taken[l.DeliveryID] = true
		}
		fs, err := st.Finish(ctx, results(got.Leases))
		require.NoError(t, err)
		require.Len(t, fs, len(got.Leases))
	}
	require.NoError(t, st.Audit(ctx))
	require.NoError(t, st.DeleteWebhook(ctx, merchant, w, 0))
	c.advance(time.Hour)
	done, err := st.Prune(ctx, store.PruneRequest{DeliveriesPerWebhook: 100, EventAge: time.Minute, Limit: 10 * many})
	require.NoError(t, err)
	require.Equal(t, many/2, done.Events)
	require.InDelta(t, many/2-100-store.PruneSlack/2, done.Deliveries, store.PruneSlack/2)
	require.NoError(t, st.Audit(ctx))
}

// TestDeletedWebhookHasNoNotices deletes a webhook, and then everything fails that would
// take away what it left.
func TestDeletedWebhookHasNoNotices(t *testing.T) {
	t.Parallel()
	client, armed, ran := redistest.Start(t).Client(t), false, 0
	st := newStore(t, client, &redisstore.Options{Prefix: "wh"}, 2)
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{Limit: 2})
	require.NoError(t, err)
	for _, w := range page.Webhooks {
		_, err := st.AddNotice(t.Context(), merchant, store.Notice{Kind: store.NoticeWarning, WebhookID: w.ID}, "", "mark")
		require.NoError(t, err)
	}
	client.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if ran > 0 {
			return redis.ErrClosed
		}
		err := next(ctx, cmd)
		if armed && err == nil {
			ran++
		}
		return err
	}})
	armed = true
	require.NoError(t, st.DeleteWebhook(t.Context(), merchant, page.Webhooks[0].ID, 0))
	armed, ran = false, 0
	notices, err := st.ClaimNotices(t.Context(), 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, notices, 1)
	require.Equal(t, page.Webhooks[1].ID, notices[0].WebhookID)
}
