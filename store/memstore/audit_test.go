package memstore

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

// crowded returns a store in which something is everywhere, and its webhook.
func crowded(t *testing.T) (*Store, *webhook) {
	t.Helper()
	ctx := t.Context()
	now := time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC)
	s := New(&Options{Now: func() time.Time { return now }})
	for _, id := range []string{"whk_1", "whk_2"} {
		_, err := s.CreateWebhook(ctx, "m", store.Webhook{ID: id, Events: []string{"a", id}, Status: store.Active}, 0)
		require.NoError(t, err)
	}
	_, err := s.Publish(ctx, "m", []store.NewEvent{
		{ID: "1", Type: "whk_1"},
		{ID: "2", Type: "whk_1"},
		{ID: "3", Type: "whk_1"},
		{ID: "4", Type: "whk_1"},
		{ID: "5", Type: "whk_1"},
		{ID: "6", Type: "whk_1"},
		{ID: "7", Type: "nobody"},
		{ID: "8", Type: "test", Test: "whk_1"},
		{ID: "9", Type: "whk_2"},
	})
	require.NoError(t, err)
	finish := func(ls []store.Lease, as store.Outcome) {
		for _, l := range ls {
			r := store.Result{
				MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token,
				Outcome: as, Delay: time.Minute, DisableAfter: 1,
			}
			if l.WebhookID == "whk_2" {
				r.Streak = store.StreakExtend
			}
			_, err := s.Finish(ctx, []store.Result{r})
			require.NoError(t, err)
		}
	}
	claim := func(n int) []store.Lease {
		c, err := s.Claim(ctx, store.ClaimRequest{Limit: n, Lease: time.Minute, PerWebhook: 4})
		require.NoError(t, err)
		return c.Leases
	}
	finish(claim(4), store.Retry)
	all := claim(5) // 2 of whk_1, and 1 of whk_2
	finish(all[:1], store.Succeeded)
	finish(all[2:], store.Failed)
	_, err = s.Publish(ctx, "m", []store.NewEvent{{ID: "10", Type: "test", Test: "whk_1"}, {ID: "11", Type: "a"}})
	require.NoError(t, err)
	_, err = s.Enqueue(ctx, "m", "whk_2", []string{"1"}, "again")
	require.NoError(t, err)
	_, err = s.BeginSeen(ctx, "r", "1", store.SeenBegin{Holder: "h", Lease: time.Minute})
	require.NoError(t, err)
	require.NoError(t, s.Audit())
	return s, s.webhook("m", "whk_1")
}

// An audit that finds nothing proves nothing, unless it finds what is broken.
func TestAuditNamesTheBrokenPromise(t *testing.T) {
	t.Parallel()
	tests := []struct {
		promise string
		sever   func(s *Store, w *webhook)
	}{
		{"a merchant has something", func(s *Store, _ *webhook) { s.merchants["x"] = newMerchant("x") }},
		{"the list holds each webhook", func(_ *Store, w *webhook) { w.owner.list = w.owner.list[1:] }},
		{"a webhook belongs to its merchant", func(_ *Store, w *webhook) { w.MerchantID = "x" }},
		{"a webhook is found under a type", func(_ *Store, w *webhook) { w.Events = w.Events[:1] }},
		{"a webhook is found under a type", func(_ *Store, w *webhook) { w.Status = store.Disabled }},
		{"in ready, expiring", func(s *Store, w *webhook) { s.ready.remove(w) }},
		{"in ready, expiring", func(s *Store, w *webhook) { s.ready.set(w, key{at: 1}) }},
		{"in ready, expiring", func(s *Store, w *webhook) { s.expiring.remove(w) }},
		{"in ready, expiring", func(s *Store, w *webhook) { s.oldest.set(w, key{at: 1}) }},
		{"in ready, expiring", func(s *Store, w *webhook) { s.fullest.remove(w) }},
		{"in ready, expiring", func(s *Store, _ *webhook) { s.cap = 1 }},
		{"in ready, expiring", func(_ *Store, w *webhook) { w.RateLimit, w.bucket = 1, bucket{taken: 1 << 60} }},
		{"a bucket holds no more", func(_ *Store, w *webhook) { w.RateLimit, w.bucket.level = 1, 1001 }},
		{"a bucket holds no more", func(_ *Store, w *webhook) { w.RateLimit, w.bucket.level = 1, -1 }},
		{"a bucket holds no more", func(_ *Store, w *webhook) { w.bucket.level = 1 }},
		{"an active webhook is not looked through", func(s *Store, w *webhook) { s.paused.set(w, key{}) }},
		{"a disabled webhook is looked through", func(s *Store, w *webhook) { s.paused.remove(w.owner.webhooks["whk_2"]) }},
		{"a heap holds no webhook that is gone", func(s *Store, _ *webhook) { s.ready.set(&webhook{}, key{at: 1 << 60}) }},
		{"a heap is in order", func(s *Store, _ *webhook) { s.oldest.nodes[0].at = 1 << 60 }},
		{"a member knows its place", func(s *Store, _ *webhook) { s.idle.nodes[0].v.inIdle++ }},
		{"a delivery is where its phase says", func(_ *Store, w *webhook) { w.leased.head.phase = waiting }},
		{"a delivery is where its phase says", func(_ *Store, w *webhook) { w.pending.rest.first().at++ }},
		{"the chain of a queue is linked", func(_ *Store, w *webhook) { w.tests.tail = nil }},
		{"a chain counts its deliveries", func(_ *Store, w *webhook) { w.ended.n++ }},
		{"a calendar counts its deliveries", func(_ *Store, w *webhook) { w.pending.rest.n++ }},
		{"a calendar holds ticks that have deliveries", func(_ *Store, w *webhook) { w.pending.rest.ticks[0] = &tick{} }},
		{"exactly one of tests, pending, leased and ended", func(_ *Store, w *webhook) { w.pending.remove(w.pending.first()) }},
		{"exactly one of tests, pending, leased and ended", func(_ *Store, w *webhook) { w.pending.push(w.leased.first(), false) }},
		{"a webhook queues its own", func(_ *Store, w *webhook) { w.pending.push(&delivery{event: &event{}}, false) }},
		{"a delivery is found by its id", func(_ *Store, w *webhook) { delete(w.deliveries, w.ended.head.id) }},
		{"Prune passes no paused delivery", func(_ *Store, w *webhook) { w.walked = 1 << 60 }},
		{"stats are what a count gives", func(_ *Store, w *webhook) { w.stats.Attempts++ }},
		{"a ledger holds each delivery", func(_ *Store, w *webhook) { w.log.remove(w.ended.head) }},
		{"an event leads to its deliveries", func(_ *Store, w *webhook) { w.ended.head.event.last = nil }},
		{"an event outlives its pending deliveries", func(_ *Store, w *webhook) { w.owner.events.remove(w.leased.first().event) }},
		{"an event belongs to its merchant", func(_ *Store, w *webhook) { w.owner.events.find("7").owner = nil }},
		{"an event counts its pending deliveries", func(_ *Store, w *webhook) { w.owner.events.find("1").pending-- }},
		{"an event without pending deliveries can age", func(s *Store, w *webhook) { s.idle.remove(w.owner.events.find("7")) }},
		{"an event is found by its id", func(_ *Store, w *webhook) { w.owner.events.find("7").id = "x" }},
		{"a merchant counts its events", func(_ *Store, w *webhook) { w.owner.events.n-- }},
		{"only stored events age", func(s *Store, _ *webhook) { s.idle.set(&event{}, key{at: 1 << 60}) }},
		{"a ledger holds each event but tests", func(_ *Store, w *webhook) { w.owner.log.remove(w.owner.events.find("7")) }},
		{"a notice is of a webhook that is there", func(_ *Store, w *webhook) { w.owner.notices["whk_2.1"].WebhookID = "x" }},
		{"an alarm is of the past", func(_ *Store, w *webhook) { w.alarm.epoch = w.Epoch + 1 }},
		{"a notice is visible or hidden", func(s *Store, w *webhook) { s.notices.visible.remove(w.owner.notices["whk_2.1"]) }},
		{"each notice is kept once", func(_ *Store, w *webhook) { clear(w.owner.notices) }},
		{"each id is held or done", func(s *Store, _ *webhook) { clear(s.seen.ids) }},
		{"what is done is bounded", func(s *Store, _ *webhook) { s.seen.max = 0; s.seen.done, s.seen.held = s.seen.held, s.seen.done }},
		{"no page is empty", func(_ *Store, w *webhook) { w.log.pages = append(w.log.pages, &page[*delivery]{}) }},
		{"a ledger is in order", func(_ *Store, w *webhook) { w.log.pages[0].records[0].seq = 1 << 50 }},
		{"a page knows its span", func(_ *Store, w *webhook) { w.log.pages[0].until-- }},
		{"a ledger counts its records", func(_ *Store, w *webhook) { w.log.n++ }},
	}
	for _, tt := range tests {
		t.Run(tt.promise, func(t *testing.T) {
			t.Parallel()
			s, w := crowded(t)
			tt.sever(s, w)
			require.ErrorContains(t, s.Audit(), tt.promise)
		})
	}
}

// A long DeleteWebhook lets others in, and nobody sees it half done.
func TestDeleteInSteps(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := New(nil)
	events := make([]store.NewEvent, 10*pageSize)
	for i := range events {
		events[i] = store.NewEvent{ID: stampID(i), Type: "a"}
	}
	for _, id := range []string{"whk_1", "whk_2"} {
		_, err := s.CreateWebhook(ctx, "m", store.Webhook{ID: id, Events: []string{"a"}, Status: store.Active}, 0)
		require.NoError(t, err)
	}
	_, err := s.Publish(ctx, "m", events)
	require.NoError(t, err)

	done := make(chan error)
	go func() { done <- s.DeleteWebhook(ctx, "m", "whk_1", 0) }()
	for deleting := true; deleting; {
		require.NoError(t, s.Audit())
		select {
		case err := <-done:
			require.NoError(t, err)
			deleting = false
		default:
		}
	}
	require.NoError(t, s.DeleteWebhook(ctx, "m", "whk_2", 0))
	require.Len(t, s.idle.nodes, len(events), "every event can be pruned now")
	require.Zero(t, s.sweeping)
}

// A merchant may be made anew while the last call about the old one ends.
func TestOnlyTheOldMerchantLeaves(t *testing.T) {
	t.Parallel()
	s := New(nil)
	old := s.merchant("m")
	s.leave(old)
	_, err := s.CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk"}, 0)
	require.NoError(t, err)
	s.leave(old)
	_, err = s.Webhook(t.Context(), "m", "whk")
	require.NoError(t, err)
}

func stampID(i int) string { return time.Unix(int64(i), 0).UTC().Format("evt_150405") }
