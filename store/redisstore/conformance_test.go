package redisstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener(redistest.Client(t), 1))
}

func TestConformanceOfSentinel(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener(redistest.Sentinel(t, redistest.Start(t)), 1))
}

func TestConformanceOfCluster(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener(redistest.Cluster(t), 4))
}

// clock is a time that only the test moves.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// opener makes stores with a prefix and a clock of their own.
func opener(client redis.UniversalClient, shards int) func(t *testing.T) storetest.Harness {
	return func(t *testing.T) storetest.Harness {
		t.Helper()
		c := newClock()
		prefix := redistest.Prefix()
		t.Cleanup(func() { redistest.Forget(t, client, prefix) })
		st, err := redisstore.Open(t.Context(), client, &redisstore.Options{Prefix: prefix, Shards: shards, Now: c.now})
		require.NoError(t, err)
		return storetest.Harness{Store: st, Advance: c.advance, Audit: st.Audit}
	}
}
