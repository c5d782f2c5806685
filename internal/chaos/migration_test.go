//go:build chaoslong

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// runMigration moves the slot of each shard of a Cluster to another node, in
// small steps, under load.
func runMigration(t *testing.T, rng *rand.Rand, length time.Duration) []phase {
	t.Helper()
	part := max(length/15, 5*time.Second)
	client := redistest.Cluster(t)
	receiver := newReceiver(t, rand.New(rand.NewPCG(rng.Uint64(), 1)), longTimeout)
	redis := address{Addrs: client.Options().Addrs, Cluster: true}
	w := newWorld(t, redis, &redisstore.Options{Shards: longShards}, receiver, longMerchants, longHooks)
	st := w.open(longSetup(redis, receiver))
	pass(t, part)
	for shard := range longShards {
		// What is claimed when the move begins cannot be settled before its end.
		end := st.note("slot moved", inAll)
		m := redistest.StartMove(t, client, fmt.Sprintf("wh:{%02x}:ready", shard))
		for m.Keys(t, 1+rng.IntN(20)) > 0 {
			pass(t, time.Duration(rng.IntN(100))*time.Millisecond)
		}
		m.End(t)
		end()
		pass(t, part)
	}
	return []phase{st.close("slots of a Cluster moved")}
}
