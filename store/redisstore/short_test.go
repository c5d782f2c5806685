package redisstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// short is for how long a script may keep Redis from everybody else.
const short = 50 * time.Millisecond

// meter notes how long the server works for each script. It asks for the time of its
// processor, so a busy machine makes no difference.
type meter struct {
	mu   sync.Mutex
	most map[string]time.Duration // by what is going on
	now  string
}

// watch returns a client of a server whose scripts are measured. Nobody else may use
// the server, and nothing may call two scripts at once.
func (m *meter) watch(t *testing.T, server *redistest.Server) *redis.Client {
	t.Helper()
	other, client := server.Client(t), server.Client(t)
	m.most = map[string]time.Duration{}
	client.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if name := cmd.Name(); name != "evalsha" && name != "eval" {
			return next(ctx, cmd)
		}
		before := used(t, other) //nolint:contextcheck // it asks apart from the call
		err := next(ctx, cmd)
		took := used(t, other) - before //nolint:contextcheck // as above
		m.mu.Lock()
		defer m.mu.Unlock()
		m.most[m.now] = max(m.most[m.now], took)
		return err
	}})
	return client
}

// during names what follows.
func (m *meter) during(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = what
}

// mass is a store with the most of everything, and what the cases need of it.
type mass struct {
	*redisstore.Store

	clock *clock
	hooks []string
	ids   []string // of events
}

// claimAll claims what is due, and settles all but every tenth in a row.
func (c *mass) claimAll(t *testing.T, per int) {
	t.Helper()
	for done := false; !done; c.clock.advance(time.Millisecond) {
		got, err := c.Claim(t.Context(), store.ClaimRequest{Limit: 1000, Lease: time.Minute, PerWebhook: per})
		require.NoError(t, err)
		done = len(got.Leases) == 0
		rs := results(got.Leases)
		for i := range rs {
			if i%2 == 0 {
				rs[i].Outcome, rs[i].Streak, rs[i].Delay = store.Retry, store.StreakExtend, time.Minute
			}
			rs[i].Attempt.ResponseBody = string(make([]byte, 1000))
		}
		rs = rs[:len(rs)*9/10]
		_, err = c.Finish(t.Context(), rs)
		require.NoError(t, err)
		if len(rs) > 0 {
			_, err = c.Finish(t.Context(), rs) // They come late.
			require.NoError(t, err)
		}
	}
}

// strains are the worst that each script can be asked for, in order.
func strains() []struct {
	name string
	do   func(t *testing.T, c *mass)
} {
	publish := func(merchantID string, n, size int) func(t *testing.T, c *mass) {
		return func(t *testing.T, c *mass) {
			t.Helper()
			events := newEvents(n, size)
			for range 2 { // The second time, all of them are known.
				_, err := c.Publish(t.Context(), merchantID, events)
				require.NoError(t, err)
			}
			for _, e := range events {
				c.ids = append(c.ids, e.ID)
			}
		}
	}
	return []struct {
		name string
		do   func(t *testing.T, c *mass)
	}{
		{"publish to 200 webhooks", publish(merchant, 100, 1000)},
		{"publish large events", publish("nobody", 20, 200_000)},
		{"publish for nobody", publish("nobody", 2000, 1000)},
		{"enqueue", func(t *testing.T, c *mass) {
			t.Helper()
			for i := range store.MaxEnqueued + 1 { // 20,000 in all
				for _, hook := range c.hooks[:10] {
					out, err := c.Enqueue(t.Context(), merchant, hook, c.ids[:100], fmt.Sprint(i), 0)
					require.NoError(t, err)
					require.Equal(t, i == store.MaxEnqueued, out[0].Full)
				}
			}
		}},
		{"claim and finish by many", func(t *testing.T, c *mass) { t.Helper(); c.claimAll(t, 1000) }},
		{"claim and finish by few", func(t *testing.T, c *mass) {
			t.Helper()
			c.clock.advance(time.Hour)
			c.claimAll(t, 1)
		}},
		{"a clock that goes back", func(t *testing.T, c *mass) {
			t.Helper()
			_, err := c.Claim(t.Context(), store.ClaimRequest{Limit: 1000, Lease: time.Minute, PerWebhook: 1000})
			require.NoError(t, err)
			c.clock.advance(-time.Minute)
			c.claimAll(t, 10)
			c.clock.advance(time.Hour)
		}},
		{"claim again", func(t *testing.T, c *mass) {
			t.Helper()
			_, err := c.Publish(t.Context(), merchant, newEvents(50, 10_000))
			require.NoError(t, err)
			for range 2 {
				_, err := c.Claim(t.Context(), store.ClaimRequest{Limit: 1000, Lease: time.Minute, PerWebhook: 1000, Key: "again"})
				require.NoError(t, err)
			}
		}},
		{"lists", func(t *testing.T, c *mass) {
			t.Helper()
			for _, q := range []store.DeliveryQuery{{Limit: 1000}, {Limit: 1000, EventType: "none"}, {Limit: 1, Status: store.DeliveryFailed}} {
				_, err := c.Deliveries(t.Context(), merchant, c.hooks[0], q)
				require.NoError(t, err)
			}
			for _, q := range []store.EventQuery{{Limit: 1000}, {Limit: 1000, WebhookID: c.hooks[0]}} {
				_, err := c.Events(t.Context(), merchant, q)
				require.NoError(t, err)
			}
		}},
		{"disable, prune what is paused, and delete", func(t *testing.T, c *mass) {
			t.Helper()
			_, err := c.UpdateWebhook(t.Context(), merchant, c.hooks[0], store.WebhookUpdate{Status: new(store.Disabled)})
			require.NoError(t, err)
			_, err = c.Publish(t.Context(), merchant, newEvents(20, 10))
			require.NoError(t, err)
			_, err = c.Enqueue(t.Context(), merchant, c.hooks[0], c.ids[:100], "more", 0)
			require.NoError(t, err)
			c.clock.advance(time.Hour)
			_, err = c.Prune(t.Context(), store.PruneRequest{PausedAge: time.Minute, PausedCode: "paused", Limit: 1 << 20})
			require.NoError(t, err)
			for i := range 1200 {
				_, err := c.AddNotice(t.Context(), merchant, store.Notice{Kind: store.NoticeWarning, WebhookID: c.hooks[0]}, mark(i), mark(i+1))
				require.NoError(t, err)
			}
			require.NoError(t, c.DeleteWebhook(t.Context(), merchant, c.hooks[0], 0))
		}},
		{"prune", func(t *testing.T, c *mass) {
			t.Helper()
			for range 2 {
				c.clock.advance(time.Minute)
				_, err := c.Prune(t.Context(), store.PruneRequest{DeliveriesPerWebhook: 10, EventAge: time.Second, Limit: 1 << 20})
				require.NoError(t, err)
			}
			_, err := c.Prune(t.Context(), store.PruneRequest{DeliveryAge: time.Second, EventAge: time.Second, Limit: 1 << 20})
			require.NoError(t, err)
		}},
	}
}

// mark is what a webhook's mark is after so many notices.
func mark(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint("mark_", n)
}

// TestScriptsAreShort asks for the worst of each script.
func TestScriptsAreShort(t *testing.T) {
	t.Parallel()
	m, clock := &meter{}, newClock()
	st := newStore(t, m.watch(t, redistest.Start(t)), &redisstore.Options{Now: clock.now}, 200)
	page, err := st.ListWebhooks(t.Context(), merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	c := &mass{Store: st, clock: clock}
	for _, w := range page.Webhooks {
		c.hooks = append(c.hooks, w.ID)
	}
	for _, s := range strains() {
		m.during(s.name)
		s.do(t, c)
		t.Logf("%s: %s", s.name, m.most[s.name])
		assert.Less(t, m.most[s.name], short, s.name)
	}
	require.NoError(t, st.Audit(t.Context()))
	notices, err := st.ClaimNotices(t.Context(), 1000, time.Minute)
	require.NoError(t, err)
	require.Empty(t, notices, "of a webhook that was deleted")
}
