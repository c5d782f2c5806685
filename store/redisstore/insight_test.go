package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestExchange keeps the longest exchange, with every byte, and lets no later claim and no
// list answer it.
func TestExchange(t *testing.T) {
	t.Parallel()
	client, largest := redistest.Client(t), 0
	client.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		err := next(ctx, cmd)
		if c, ok := cmd.(*redis.Cmd); ok && err == nil {
			largest = max(largest, len(fmt.Sprint(c.Val())))
		}
		return err
	}})
	st := newStore(t, client, nil, 1)
	exchange := make([]byte, store.MaxExchange)
	for i := range exchange {
		exchange[i] = byte(i)
	}
	out, err := st.Publish(t.Context(), merchant, newEvents(1, 10))
	require.NoError(t, err)
	for range 2 {
		c, err := st.Claim(t.Context(), everything)
		require.NoError(t, err)
		rs := results(c.Leases)
		require.Len(t, rs, 1)
		rs[0].Outcome, rs[0].Streak, rs[0].Attempt.Exchange = store.Retry, store.StreakTry, string(exchange)
		_, err = st.Finish(t.Context(), rs)
		require.NoError(t, err)
	}
	require.Less(t, largest, store.MaxExchange, "a claim answers what was exchanged before")
	d, err := st.Delivery(t.Context(), merchant, out[0].Deliveries[0].WebhookID, out[0].Deliveries[0].ID)
	require.NoError(t, err)
	require.Len(t, d.Log, 2)
	for _, a := range d.Log {
		require.Equal(t, string(exchange), a.Exchange)
	}
	largest = 0
	for _, ends := range []bool{false, true} {
		if ends {
			_, err := st.Cancel(t.Context(), merchant, d.WebhookID, store.CancelRequest{DeliveryID: d.ID, Code: "cancelled", Limit: 1})
			require.NoError(t, err)
		}
		page, err := st.Deliveries(t.Context(), merchant, d.WebhookID, store.DeliveryQuery{Limit: 1})
		require.NoError(t, err)
		fate, err := st.EventDeliveries(t.Context(), merchant, d.EventID)
		require.NoError(t, err)
		require.Less(t, largest, store.MaxExchange, "a list answers what was exchanged")
		d, err := st.Delivery(t.Context(), merchant, d.WebhookID, d.ID)
		require.NoError(t, err)
		largest, d.Log = 0, nil
		require.Equal(t, []store.Delivery{d}, page.Deliveries)
		require.Equal(t, []store.Delivery{d}, fate.Deliveries)
	}
}

// TestFateOfMany sends an event to hundreds of webhooks, and again to others until
// there are more deliveries than are shown.
func TestFateOfMany(t *testing.T) {
	t.Parallel()
	const webhooks = 520
	ctx, st := t.Context(), newStore(t, redistest.Client(t), nil, webhooks)
	events := newEvents(1, 10)
	out, err := st.Publish(ctx, merchant, events)
	require.NoError(t, err)
	other := make([]string, webhooks)
	for i := range other {
		other[i] = fmt.Sprint("other_", i)
		_, err := st.CreateWebhook(ctx, merchant, store.Webhook{ID: other[i], URL: "https://example.com", Status: store.Active}, 0)
		require.NoError(t, err)
	}
	again := func(round int) {
		for _, id := range other {
			_, err := st.Enqueue(ctx, merchant, id, []string{events[0].ID}, fmt.Sprint(round), 0)
			require.NoError(t, err)
		}
	}
	again(0)
	for round := range 2 {
		got, err := st.EventDeliveries(ctx, merchant, events[0].ID)
		require.NoError(t, err)
		require.ElementsMatch(t, out[0].Deliveries, got.Published)
		require.Empty(t, got.Damaged)
		ids, of := map[string]bool{}, map[string]bool{}
		for _, d := range got.Deliveries {
			ids[d.ID], of[d.WebhookID] = true, true
		}
		require.Len(t, of, 2*webhooks)
		require.Len(t, ids, min((1+1+round*(store.MaxEnqueued-1))*webhooks, store.MaxEventDeliveries))
		for i := 1; round == 0 && i < store.MaxEnqueued; i++ {
			again(i)
		}
	}
}

// TestNewestOfTheKept lists events backwards, some of which are older than is kept and wait
// still.
func TestNewestOfTheKept(t *testing.T) {
	t.Parallel()
	ctx, clock := t.Context(), newClock()
	st := newStore(t, redistest.Client(t), &redisstore.Options{Now: clock.now}, 1)
	events := newEvents(6, 10)
	for i := range events {
		_, err := st.Publish(ctx, merchant, events[i:i+1])
		require.NoError(t, err)
		clock.advance(time.Minute)
	}
	_, err := st.Prune(ctx, store.PruneRequest{EventAge: 3 * time.Minute, Limit: 100})
	require.NoError(t, err)
	since := clock.now().Add(-5 * time.Minute)
	for limit := 1; limit <= 6; limit++ {
		var got []string
		for q := (store.EventQuery{Newest: true, Since: since, Limit: limit}); ; {
			page, err := st.Events(ctx, merchant, q)
			require.NoError(t, err)
			for _, e := range page.Events {
				got = append(got, e.ID)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		require.Equal(t, []string{events[5].ID, events[4].ID, events[3].ID, events[2].ID, events[1].ID}, got)
	}
}

// TestTroubleOfManyShards lists the webhooks in trouble of several shards, with pages that
// end where a shard does.
func TestTroubleOfManyShards(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), newStore(t, redistest.Client(t), &redisstore.Options{Shards: 4}, 0)
	var want []string
	for i := range 30 {
		w := store.Webhook{ID: fmt.Sprint("whk_", i), URL: "https://example.com", Status: store.Active}
		if i%3 > 0 {
			w.Status = store.Disabled
			want = append(want, w.ID)
		}
		_, err := st.CreateWebhook(ctx, fmt.Sprint("merchant_", i%6), w, 0)
		require.NoError(t, err)
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		for cursor := ""; ; {
			page, err := st.Troubled(ctx, store.TroubledQuery{Limit: limit, Cursor: cursor})
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Webhooks), limit)
			for _, w := range page.Webhooks {
				got = append(got, w.ID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		require.ElementsMatch(t, want, got)
	}
	_, err := st.Troubled(ctx, store.TroubledQuery{Limit: 1, Cursor: "t" + strconv.FormatInt(4<<32|1, 36)}) // of a store with more shards
	require.ErrorIs(t, err, store.ErrCursor)
}

// TestDamagedInsight damages what tells a person why, and something of its webhooks. What is
// damaged costs itself.
func TestDamagedInsight(t *testing.T) {
	t.Parallel()
	const first, second = "whk_000000000000000000000000", "whk_000000000000000000000001"
	for name, c := range map[string]struct {
		do       func(ctx context.Context, c redis.Cmdable, p string) error
		changes  int // of the first webhook, which has had two
		troubled []string
		damaged  []string // webhooks that are listed as such
	}{
		"nothing": {func(context.Context, redis.Cmdable, string) error { return nil }, 2, []string{first, second}, nil},
		"a change": {func(ctx context.Context, c redis.Cmdable, p string) error {
			return c.LSet(ctx, p+"ch:1", 0, "garbage").Err()
		}, 1, []string{first, second}, nil},
		"all changes": {func(ctx context.Context, c redis.Cmdable, p string) error { return c.Set(ctx, p+"ch:1", "x", 0).Err() }, -1, []string{first, second}, nil},
		"the list of trouble": {func(ctx context.Context, c redis.Cmdable, p string) error {
			return c.ZAdd(ctx, p+"tr", redis.Z{Score: 0, Member: "garbage"}, redis.Z{Score: 1.5, Member: "1.5"}, redis.Z{Score: 7, Member: "7"}).Err()
		}, 2, []string{first, second}, nil},
		"a state":   {func(ctx context.Context, c redis.Cmdable, p string) error { return c.HSet(ctx, p+"t", "1", "x").Err() }, 2, []string{second}, []string{first}},
		"no state":  {func(ctx context.Context, c redis.Cmdable, p string) error { return c.HDel(ctx, p+"t", "1").Err() }, 2, []string{second}, []string{first}},
		"settings":  {func(ctx context.Context, c redis.Cmdable, p string) error { return c.Del(ctx, p+"x:1").Err() }, 2, []string{second}, []string{first}},
		"no claims": {func(ctx context.Context, c redis.Cmdable, p string) error { return c.HDel(ctx, p+"w", "1").Err() }, 2, []string{second}, []string{first}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, client, prefix := t.Context(), redistest.Client(t), redistest.Prefix()
			t.Cleanup(func() { redistest.Forget(t, client, prefix) })
			st := newStore(t, client, &redisstore.Options{Prefix: prefix}, 2)
			for _, id := range []string{first, second} {
				_, err := st.UpdateWebhook(ctx, merchant, id, store.WebhookUpdate{Status: new(store.Disabled), By: "somebody"})
				require.NoError(t, err)
			}
			require.NoError(t, c.do(ctx, client, prefix+":{00}:"))

			changes, err := st.Changes(ctx, merchant, first)
			if c.changes < 0 {
				require.ErrorIs(t, err, store.ErrDamaged)
			} else {
				require.NoError(t, err)
				require.Len(t, changes, c.changes)
			}
			var troubled, damaged []string
			for cursor := ""; ; {
				page, err := st.Troubled(ctx, store.TroubledQuery{Limit: 1, Cursor: cursor})
				require.NoError(t, err)
				for _, w := range page.Webhooks {
					troubled = append(troubled, w.ID)
				}
				damaged = append(damaged, page.Damaged...)
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			require.Equal(t, c.troubled, troubled)
			require.Equal(t, c.damaged, damaged)
			w, err := st.UpdateWebhook(ctx, merchant, second, store.WebhookUpdate{Status: new(store.Active)})
			require.NoError(t, err)
			require.Equal(t, store.Active, w.Status)
		})
	}
}

// TestLostTrouble replaces the list of webhooks in trouble. Results are accepted as
// before, and what changes is listed again.
func TestLostTrouble(t *testing.T) {
	t.Parallel()
	ctx, client, prefix := t.Context(), redistest.Client(t), redistest.Prefix()
	t.Cleanup(func() { redistest.Forget(t, client, prefix) })
	st := newStore(t, client, &redisstore.Options{Prefix: prefix}, 3)
	require.NoError(t, client.Set(ctx, prefix+":{00}:tr", "x", 0).Err())
	_, err := st.Publish(ctx, merchant, newEvents(1, 10))
	require.NoError(t, err)
	c, err := st.Claim(ctx, everything)
	require.NoError(t, err)
	rs := results(c.Leases)
	for i := range rs {
		rs[i].Outcome, rs[i].Streak, rs[i].Delay = store.Retry, store.StreakTry, time.Second
	}
	fs, err := st.Finish(ctx, rs)
	require.NoError(t, err)
	require.False(t, slices.ContainsFunc(fs, func(f store.Finished) bool { return f.State != store.FinishAccepted }))
	page, err := st.Troubled(ctx, store.TroubledQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Webhooks, 3)
	info, err := st.Info(ctx)
	require.NoError(t, err)
	require.Len(t, info.Damaged, 1)
	require.Contains(t, info.Damaged[0].What, "key tr")
}
