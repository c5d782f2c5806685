package memstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

// These tests hold what is particular to this store. The contract is held by
// TestConformance.

// bench is a store with a clock and a webhook "whk" that subscribes to "a".
type bench struct {
	*testing.T
	*memstore.Store

	now time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC)}
	b.Store = memstore.New(&memstore.Options{Now: func() time.Time { return b.now }, MaxSeen: 3})
	b.create("whk")
	t.Cleanup(func() { require.NoError(t, b.Audit()) })
	return b
}

func (b *bench) create(id string) {
	b.Helper()
	_, err := b.CreateWebhook(b.Context(), "m", store.Webhook{ID: id, Events: []string{"a"}, Status: store.Active}, 0)
	require.NoError(b, err)
}

func (b *bench) publish(ids ...string) {
	b.Helper()
	for _, id := range ids {
		_, err := b.Publish(b.Context(), "m", []store.NewEvent{{ID: id, Type: "a"}})
		require.NoError(b, err)
	}
}

func (b *bench) claim(limit, perWebhook int) store.Claimed {
	b.Helper()
	c, err := b.Claim(b.Context(), store.ClaimRequest{Limit: limit, Lease: time.Minute, PerWebhook: perWebhook})
	require.NoError(b, err)
	return c
}

func (b *bench) finish(l store.Lease, as store.Outcome) store.FinishState {
	b.Helper()
	f, err := b.Finish(b.Context(), results([]store.Lease{l}, as, 0))
	require.NoError(b, err)
	return f[0].State
}

func (b *bench) prune(p store.PruneRequest) store.Pruned {
	b.Helper()
	p.Limit = 100
	done, err := b.Prune(b.Context(), p)
	require.NoError(b, err)
	return done
}

func (b *bench) turn(status store.Status) {
	b.Helper()
	_, err := b.UpdateWebhook(b.Context(), "m", "whk", store.WebhookUpdate{Status: &status})
	require.NoError(b, err)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	before := time.Now().Truncate(time.Millisecond)
	w, err := memstore.New(nil).CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk"}, 0)
	require.NoError(t, err)
	require.WithinRange(t, w.CreatedAt, before, time.Now())
	require.Equal(t, w.CreatedAt.Truncate(time.Millisecond), w.CreatedAt)
	require.Equal(t, time.UTC, w.CreatedAt.Location())
}

// Each method refuses to begin once its context has ended.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(st.CreateWebhook(ctx, "m", store.Webhook{}, 0))
	add(st.Webhook(ctx, "m", "w"))
	add(st.ListWebhooks(ctx, "m", store.WebhookQuery{}))
	add(st.UpdateWebhook(ctx, "m", "w", store.WebhookUpdate{}))
	add(nil, st.DeleteWebhook(ctx, "m", "w", 0))
	add(st.Publish(ctx, "m", nil))
	add(st.Enqueue(ctx, "m", "w", nil, "", 0))
	add(st.Merchants(ctx, store.MerchantQuery{}))
	add(st.Backlog(ctx))
	add(st.AddNotice(ctx, "m", store.Notice{}, "", ""))
	add(st.Claim(ctx, store.ClaimRequest{Limit: 1}))
	add(st.Finish(ctx, nil))
	add(st.Event(ctx, "m", "e"))
	add(st.Events(ctx, "m", store.EventQuery{}))
	add(st.Delivery(ctx, "m", "w", "d"))
	add(st.Deliveries(ctx, "m", "w", store.DeliveryQuery{}))
	add(st.Stats(ctx, "m", "w"))
	add(st.Prune(ctx, store.PruneRequest{}))
	add(st.ClaimNotices(ctx, 1, 0))
	add(nil, st.DeferNotice(ctx, "m", "n", 0, 0))
	add(nil, st.AckNotice(ctx, "m", "n"))
	add(st.BeginSeen(ctx, "s", "i", store.SeenBegin{}))
	add(nil, st.CommitSeen(ctx, "s", "i", "h", nil, 0))
	add(nil, st.ForgetSeen(ctx, "s", "i", "h"))
	for i, err := range errs {
		require.ErrorIs(t, err, context.Canceled, "call %d", i)
	}
	require.NoError(t, st.Watch(ctx, func() {}))
}

// A clock within a millisecond must not make Next too long.
func TestNextWithinAMillisecond(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.publish("1")
	b.now = b.now.Add(700 * time.Microsecond)
	b.claim(1, 1)
	b.now = b.now.Add(250 * time.Microsecond)
	next := b.claim(1, 1).Next
	require.Equal(t, time.Minute-950*time.Microsecond, next)
	b.now = b.now.Add(next)
	require.Len(t, b.claim(1, 1).Leases, 1)
}

// What was made in the millisecond of a bound was made when that began.
func TestBoundsWithinAMillisecond(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.publish("1")
	bound := b.now.Add(300 * time.Microsecond)
	for _, tt := range []struct {
		since, until time.Time
		want         int
	}{
		{since: b.now, want: 1},
		{since: bound, want: 0},
		{until: b.now, want: 0},
		{until: bound, want: 1},
	} {
		ds, err := b.Deliveries(b.Context(), "m", "whk", store.DeliveryQuery{Since: tt.since, Until: tt.until, Limit: 1})
		require.NoError(t, err)
		require.Len(t, ds.Deliveries, tt.want)
		es, err := b.Events(b.Context(), "m", store.EventQuery{Since: tt.since, Until: tt.until, Limit: 1})
		require.NoError(t, err)
		require.Len(t, es.Events, tt.want)
	}
}

// Callers that differ in PerWebhook get what theirs allows.
func TestClaimsThatDiffer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.publish("1", "2", "3", "4", "5", "6")
	require.Len(t, b.claim(10, 2).Leases, 2)
	require.Equal(t, time.Minute, b.claim(10, 2).Next)
	require.Len(t, b.claim(10, 3).Leases, 1)
	require.Empty(t, b.claim(10, 1).Leases)
	c := b.claim(10, 5)
	require.Len(t, c.Leases, 2)
	require.Equal(t, store.FinishAccepted, b.finish(c.Leases[0], store.Succeeded))
	require.Empty(t, b.claim(10, 2).Leases)
	require.Len(t, b.claim(10, 10).Leases, 1)
	require.Equal(t, time.Minute, b.claim(10, 10).Next)
}

// A lease that ended without a result, on a delivery that retention then ended,
// settles nothing.
func TestGivenUpIsFinal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.publish("1", "2", "3")
	ls := b.claim(2, 10).Leases
	b.turn(store.Disabled)
	b.now = b.now.Add(time.Minute - time.Millisecond)
	give := store.PruneRequest{PausedAge: time.Millisecond, PausedCode: "paused"}
	require.Equal(t, 1, b.prune(give).Paused, "only the one that nobody leased")
	require.Equal(t, store.FinishAccepted, b.finish(ls[1], store.Retry))
	require.Equal(t, 1, b.prune(give).Paused, "the one that was given back within the same millisecond")
	b.now = b.now.Add(time.Millisecond)
	require.Equal(t, 1, b.prune(give).Paused, "the one whose lease ended, without a claim")
	require.Equal(t, store.FinishStale, b.finish(ls[0], store.Succeeded))
	d, err := b.Delivery(b.Context(), "m", "whk", ls[0].DeliveryID)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryFailed, d.Status)
	require.Equal(t, "paused", d.Code)
}

// What one scope has to remember is no reason to forget another's.
func TestMaxSeenOfEachScope(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	begin := func(scope, id string) store.SeenState {
		a, err := b.BeginSeen(b.Context(), scope, id, store.SeenBegin{Holder: "h" + id, Lease: time.Minute})
		require.NoError(t, err)
		return a.State
	}
	require.Equal(t, store.SeenNew, begin("one", "id"))
	require.NoError(t, b.CommitSeen(b.Context(), "one", "id", "hid", nil, time.Hour))
	for i := range 10 {
		id := strconv.Itoa(i)
		require.Equal(t, store.SeenNew, begin("two", id))
		require.NoError(t, b.CommitSeen(b.Context(), "two", id, "h"+id, nil, 2*time.Hour))
		require.NoError(t, b.Audit())
	}
	require.Equal(t, store.SeenDone, begin("one", "id"))
	require.Equal(t, store.SeenNew, begin("two", "0"), "of its own scope, it is the first to go")
	b.now = b.now.Add(3 * time.Hour)
	require.Equal(t, store.SeenNew, begin("one", "id"))
}

func TestMaxSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := b.Context()
	begin := func(id string) store.SeenState {
		a, err := b.BeginSeen(ctx, "r", id, store.SeenBegin{Holder: "h" + id, Lease: time.Minute})
		require.NoError(t, err)
		require.NoError(t, b.Audit())
		return a.State
	}
	commit := func(id string) error { return b.CommitSeen(ctx, "r", id, "h"+id, nil, time.Hour) }
	for _, id := range []string{"1", "2", "3"} {
		require.Equal(t, store.SeenNew, begin(id))
	}
	require.NoError(t, commit("2"))
	require.NoError(t, commit("1"))
	require.Equal(t, store.SeenNew, begin("4"), "2 is forgotten: it was committed first")
	require.Equal(t, store.SeenDone, begin("1"))
	require.Equal(t, store.SeenNew, begin("5"), "1 is forgotten: 3 and 4 are being processed")
	require.Equal(t, store.SeenNew, begin("6"), "one more than MaxSeen, all being processed")
	for _, id := range []string{"3", "4", "5", "6"} {
		require.NoError(t, commit(id))
	}
	require.Equal(t, store.SeenNew, begin("7"))
	require.Equal(t, store.SeenDone, begin("5"))
	require.Equal(t, store.SeenDone, begin("6"))
	require.ErrorIs(t, commit("3"), store.ErrStale)
	b.now = b.now.Add(2 * time.Minute)
	require.Equal(t, store.SeenNew, begin("8"), "7 is forgotten: its lease has ended")
	require.Equal(t, store.SeenDone, begin("5"))
	require.Equal(t, store.SeenDone, begin("6"))
}

// A merchant of which nothing is left takes no memory.
func TestMerchantsLeave(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.publish("1", "2")
	page, err := b.Events(b.Context(), "m", store.EventQuery{Limit: 1})
	require.NoError(t, err)
	require.NoError(t, b.DeleteWebhook(b.Context(), "m", "whk", 0))
	b.now = b.now.Add(time.Hour)
	require.Equal(t, store.Pruned{Events: 2}, b.prune(store.PruneRequest{EventAge: time.Minute}))
	require.NoError(t, b.Audit(), "the audit finds a merchant that has nothing")
	b.create("whk")
	b.publish("3")
	page, err = b.Events(b.Context(), "m", store.EventQuery{Limit: 1, Cursor: page.Next})
	require.NoError(t, err, "a cursor outlives the merchant that it was made for")
	require.Len(t, page.Events, 1)
}

// A page looks at a thousand records, whatever it finds.
func TestShortPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.publish("wanted")
	events := make([]store.NewEvent, 2500)
	for i := range events {
		events[i] = store.NewEvent{ID: fmt.Sprint(i), Type: "a"}
	}
	b.now = b.now.Add(time.Hour)
	_, err := b.Publish(b.Context(), "m", events)
	require.NoError(t, err)
	for i := range events {
		b.now = b.now.Add(-time.Millisecond)
		_, err = b.CreateWebhook(b.Context(), "m", store.Webhook{ID: fmt.Sprint(i), Status: store.Disabled}, 0)
		require.NoError(t, err)
	}
	pages := func(get func(cursor string) (found int, next string, err error)) (out []int) {
		for next := "-"; next != ""; {
			var n int
			n, next, err = get(strings.TrimPrefix(next, "-"))
			require.NoError(t, err)
			out = append(out, n)
		}
		return out
	}
	require.Equal(t, []int{0, 0, 1}, pages(func(cursor string) (int, string, error) {
		p, err := b.Deliveries(b.Context(), "m", "whk", store.DeliveryQuery{Until: b.now, Limit: 10, Cursor: cursor})
		return len(p.Deliveries), p.Next, err
	}))
	require.Equal(t, []int{1, 0, 0}, pages(func(cursor string) (int, string, error) {
		p, err := b.Events(b.Context(), "m", store.EventQuery{Until: b.now, Limit: 10, Cursor: cursor})
		return len(p.Events), p.Next, err
	}))
	require.Equal(t, []int{1, 0, 0}, pages(func(cursor string) (int, string, error) {
		p, err := b.ListWebhooks(b.Context(), "m", store.WebhookQuery{ActiveOnly: true, Limit: 10, Cursor: cursor})
		return len(p.Webhooks), p.Next, err
	}))
}

// What is published after the clock was set back does not wait until it is there again.
func TestPublishWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.publish("1")
	b.now = b.now.Add(-time.Hour)
	b.publish("2")
	require.Equal(t, "2", b.claim(2, 2).Leases[0].EventID)
	b.now = b.now.Add(2 * time.Hour)
	b.publish("3")
	c := b.claim(3, 3)
	require.Equal(t, []string{"2", "1", "3"}, []string{c.Leases[0].EventID, c.Leases[1].EventID, c.Leases[2].EventID})
}
