package redisstore_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// truncationsVariable asks for that many truncated files.
const truncationsVariable = "WEBHOOK_TEST_TRUNCATIONS"

// drain settles all that is claimable now and later, and looks inside of the
// store. It returns how many deliveries it settled.
func drain(tb testing.TB, st *redisstore.Store) int {
	tb.Helper()
	ctx := context.Background()
	n := 0
	for {
		c, err := st.Claim(ctx, everything)
		require.NoError(tb, err)
		if len(c.Leases) == 0 && c.Next != 0 {
			break
		}
		fs, err := st.Finish(ctx, results(c.Leases))
		require.NoError(tb, err)
		for _, f := range fs {
			require.Equal(tb, store.FinishAccepted, f.State)
		}
		n += len(fs)
	}
	require.NoError(tb, st.Audit(ctx))
	page, err := st.ListWebhooks(ctx, merchant, store.WebhookQuery{ActiveOnly: true, Limit: 100})
	require.NoError(tb, err)
	for _, w := range page.Webhooks {
		s, err := st.Stats(ctx, merchant, w.ID)
		require.NoError(tb, err)
		require.Zero(tb, s.Pending)
	}
	return n
}

// work makes some of everything: it publishes, claims, settles in every way,
// disables, prunes and deletes.
func work(tb testing.TB, st *redisstore.Store, rounds int) {
	tb.Helper()
	ctx := context.Background()
	for i := range rounds {
		events := newEvents(1+i%5, 100)
		_, err := st.Publish(ctx, merchant, events)
		require.NoError(tb, err)
		page, err := st.ListWebhooks(ctx, merchant, store.WebhookQuery{Limit: 100})
		require.NoError(tb, err)
		w := page.Webhooks[i%len(page.Webhooks)]
		_, err = st.Enqueue(ctx, merchant, w.ID, []string{events[0].ID}, strconv.Itoa(i), 0)
		require.NoError(tb, err)
		c, err := st.Claim(ctx, store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 20})
		require.NoError(tb, err)
		rs := results(c.Leases)
		for j := range rs {
			switch (i + j) % 5 {
			case 0:
				rs[j].Outcome, rs[j].Streak, rs[j].DisableAfter = store.Failed, store.StreakExtend, 4
			case 1:
				rs[j].Outcome, rs[j].Delay = store.Retry, time.Second
			case 2:
				rs[j].Outcome = store.Released
			}
		}
		_, err = st.Finish(ctx, rs[:len(rs)*2/3])
		require.NoError(tb, err)
		if w.Status == store.Disabled {
			_, err = st.UpdateWebhook(ctx, merchant, w.ID, store.WebhookUpdate{Status: new(store.Active)})
			require.NoError(tb, err)
		}
		if i%10 == 9 {
			_, err = st.Prune(ctx, store.PruneRequest{DeliveryAge: time.Millisecond, EventAge: time.Millisecond, Limit: 20})
			require.NoError(tb, err)
		}
		if i%40 == 39 {
			require.NoError(tb, st.DeleteWebhook(ctx, merchant, w.ID, 0))
		}
	}
	require.NoError(tb, st.Audit(ctx))
}

// TestTruncated cuts the append-only file where a loss of power might.
func TestTruncated(t *testing.T) {
	t.Parallel()
	n, err := strconv.Atoi(os.Getenv(truncationsVariable))
	if err != nil {
		n = 10
	}
	aof := []string{"appendonly yes", "auto-aof-rewrite-percentage 0"}
	server := redistest.Start(t, aof...)
	work(t, newStore(t, server.Client(t), &redisstore.Options{Prefix: "wh"}, 8), 100)
	server.Kill(t)
	files, err := filepath.Glob(filepath.Join(server.Dir, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)

	for range n {
		at := rand.IntN(len(whole))
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(server.Dir)))
			require.NoError(t, os.Truncate(filepath.Join(dir, "appendonlydir", filepath.Base(files[0])), int64(at)))
			cut := redistest.StartIn(t, dir, aof...)
			st := newStore(t, cut.Client(t), &redisstore.Options{Prefix: "wh", Now: inAnHour}, 0)
			require.NoError(t, st.Audit(t.Context()))
			drain(t, st)
		})
	}
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// TestKilled kills the server while it is used. With appendfsync always, what was
// acknowledged is there afterwards.
func TestKilled(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "appendonly yes", "appendfsync always")
	client := server.Client(t)
	st := newStore(t, client, &redisstore.Options{Prefix: "wh"}, 3)
	wakes := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- st.Watch(ctx, func() {
			select {
			case wakes <- struct{}{}:
			default:
			}
		})
	}()
	woken := func(by string) {
		select {
		case <-wakes:
		case <-time.After(20 * time.Second):
			require.Fail(t, "Watch does not wake", by)
		}
	}
	published := 0
	for range 3 {
		woken("when it begins")
		for range 20 {
			_, err := st.Publish(t.Context(), merchant, newEvents(1, 100))
			require.NoError(t, err)
			published += 3
		}
		_, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 5, Lease: time.Minute, PerWebhook: 10})
		require.NoError(t, err)
		server.Kill(t)
		_, err = st.Publish(t.Context(), merchant, newEvents(1, 100))
		require.Error(t, err)
		for len(wakes) > 0 {
			<-wakes
		}
		server.Restart(t)
		require.NoError(t, st.Audit(t.Context()))
	}
	woken("when it is connected again")
	cancel()
	require.NoError(t, <-ended)
	later := newStore(t, client, &redisstore.Options{Prefix: "wh", Now: inAnHour}, 0)
	require.Equal(t, published, drain(t, later))
}

// TestMemoryFull fills the server: events are refused whole, and what is queued
// is delivered.
func TestMemoryFull(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t, "maxmemory 6mb").Client(t)
	st := newStore(t, client, nil, 3)
	stored, refused := 0, 0
	for refused < 20 {
		events := newEvents(1+stored%7, 700)
		out, err := st.Publish(t.Context(), merchant, events)
		for _, e := range events {
			_, missing := st.Event(t.Context(), merchant, e.ID)
			if err == nil {
				require.NoError(t, missing)
			} else {
				require.ErrorIs(t, missing, store.ErrNotFound)
			}
		}
		if err != nil {
			require.ErrorContains(t, err, "OOM")
			refused++
			continue
		}
		stored += len(out)
	}
	require.NoError(t, st.Audit(t.Context()))
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	require.Equal(t, 3*stored, drain(t, st))
	require.NoError(t, st.DeleteWebhook(t.Context(), merchant, page.Webhooks[0].ID, 0))
	later := newStore(t, client, &redisstore.Options{Prefix: prefixOf(t, client), Now: inAnHour}, 0)
	done, err := later.Prune(t.Context(), store.PruneRequest{DeliveryAge: time.Minute, EventAge: time.Minute, Limit: 100_000})
	require.NoError(t, err)
	require.Equal(t, stored, done.Events)
	require.NoError(t, st.Audit(t.Context()))
	_, err = st.Publish(t.Context(), merchant, newEvents(1, 700))
	require.NoError(t, err, "there is room again")
}
