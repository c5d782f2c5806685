package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// fleet is a store on a Cluster with a merchant on every shard, one of whose nodes
// can hang.
type fleet struct {
	*redisstore.Store

	merchants []string
	onVictim  map[string]bool // the merchants on the node that can hang
	victim    int             // its process
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	client := redistest.Cluster(t)
	f := &fleet{
		Store:    newStore(t, client, &redisstore.Options{Prefix: redistest.Prefix()}, 0),
		onVictim: map[string]bool{},
	}
	for i := range 60 {
		m := fmt.Sprintf("merchant_%d", i)
		f.merchants = append(f.merchants, m)
		_, err := f.CreateWebhook(t.Context(), m, store.Webhook{ID: "whk", URL: "https://example.com", Events: []string{eventType}, Status: store.Active}, 0)
		require.NoError(t, err)
	}
	node, err := client.MasterForKey(t.Context(), "any")
	require.NoError(t, err)
	keys, err := node.Keys(t.Context(), "*:m:*").Result()
	require.NoError(t, err)
	for _, k := range keys {
		f.onVictim[k[strings.LastIndex(k, ":")+1:]] = true
	}
	require.NotEmpty(t, f.onVictim)
	require.Less(t, len(f.onVictim), len(f.merchants))
	f.victim = process(t, node)
	return f
}

// process is the id of a server's process.
func process(t *testing.T, node *redis.Client) int {
	t.Helper()
	info, err := node.Info(t.Context(), "server").Result()
	require.NoError(t, err)
	_, rest, found := strings.Cut(info, "process_id:")
	require.True(t, found)
	digits, _, _ := strings.Cut(rest, "\r\n")
	pid, err := strconv.Atoi(digits)
	require.NoError(t, err)
	return pid
}

func (f *fleet) publish(t *testing.T) {
	t.Helper()
	for _, m := range f.merchants {
		_, err := f.Publish(t.Context(), m, newEvents(1, 10))
		require.NoError(t, err)
	}
}

// claim claims until it has a lease of each merchant that is wanted.
func (f *fleet) claim(t *testing.T, lease time.Duration, wanted func(merchant string) bool) []store.Lease {
	t.Helper()
	missing := map[string]bool{}
	for _, m := range f.merchants {
		if wanted(m) {
			missing[m] = true
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out []store.Lease
	for len(missing) > 0 {
		c, err := f.Claim(ctx, store.ClaimRequest{Limit: 10, Lease: lease, PerWebhook: 10})
		require.NoError(t, ctx.Err(), "no lease of %d merchants; %v", len(missing), err)
		for _, l := range c.Leases {
			delete(missing, l.MerchantID)
		}
		out = append(out, c.Leases...)
	}
	return out
}

// TestOneNodeHangs stops one node of a Cluster. What is on the others goes on,
// and what is on it goes on when it does.
func TestOneNodeHangs(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.publish(t)
	anyone := func(string) bool { return true }
	first := f.claim(t, time.Minute, anyone)
	require.Len(t, first, len(f.merchants))
	f.publish(t)

	require.NoError(t, syscall.Kill(f.victim, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(f.victim, syscall.SIGCONT) })
	hanging := func() {
		fs, err := f.Finish(t.Context(), results(first))
		require.NoError(t, err)
		for i, l := range first {
			if f.onVictim[l.MerchantID] {
				require.Equal(t, store.FinishUnavailable, fs[i].State)
			} else {
				require.Contains(t, []store.FinishState{store.FinishAccepted, store.FinishRepeated}, fs[i].State)
			}
		}
	}
	hanging()
	second := f.claim(t, time.Minute, func(m string) bool { return !f.onVictim[m] })
	require.Len(t, second, len(f.merchants)-len(f.onVictim), "nothing that hangs, nothing twice")
	hanging()

	require.NoError(t, syscall.Kill(f.victim, syscall.SIGCONT))
	f.claim(t, time.Minute, func(m string) bool { return f.onVictim[m] })
	fs, err := f.Finish(t.Context(), results(first))
	require.NoError(t, err)
	for i := range fs {
		require.Contains(t, []store.FinishState{store.FinishAccepted, store.FinishRepeated}, fs[i].State)
	}
	require.NoError(t, f.Audit(t.Context()))
}
