//go:build chaoslong

package chaos_test

import (
	"fmt"
	"hash/fnv"
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
	at := address{Addrs: client.Options().Addrs, Cluster: true}
	w := newWorld(t, at, &redisstore.Options{Shards: longShards}, receiver, longMerchants, longHooks)
	st := w.open(longSetup(at, receiver))
	pass(t, part)
	var moves []disturbance
	for shard := range longShards {
		// A delivery that is claimed when the move begins is settled after its end.
		end, from := st.note("slot moved", inAll), time.Now()
		m := redistest.StartMove(t, client, fmt.Sprintf("wh:{%02x}:id", shard))
		for m.Keys(t, 1+rng.IntN(20)) > 0 {
			pass(t, time.Duration(rng.IntN(100))*time.Millisecond)
		}
		m.End(t)
		end()
		moves = append(moves, disturbance{from: from, to: time.Now()})
		pass(t, part)
	}
	p := st.close("slots of a Cluster moved")
	merchantOf := map[string]string{}
	for merchant, hooks := range st.hooks {
		for _, hook := range hooks {
			merchantOf[hook] = merchant
		}
	}
	spared := st.waits(func(hook string, from, to time.Time) bool {
		for shard, m := range moves {
			if from.After(m.from) && to.Before(m.to) && shardOf(merchantOf[hook]) != shard {
				return true
			}
		}
		return false
	})
	p.notes = append(p.notes, fmt.Sprintf("While the slot of one shard moved, deliveries of the others waited %s (p50 / p99 of %d)", spared.text(), len(spared)))
	return []phase{p}
}

// shardOf is the shard that the store puts a merchant into.
func shardOf(merchant string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(merchant))
	return int(h.Sum32() % longShards)
}
