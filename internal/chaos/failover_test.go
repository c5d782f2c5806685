//go:build chaoslong

package chaos_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

const (
	// stall is how far the replica is behind when its master dies.
	stall = 1500 * time.Millisecond
	// lag is how far it is behind in normal operation.
	lag = time.Second
)

// runFailover lets a replica take over three times: once by a sentinel, and twice by
// hand, after the replica was cut off from its master. In one of these, publishes wait
// for a replica.
func runFailover(t *testing.T, rng *rand.Rand, length time.Duration) []phase {
	t.Helper()
	part := max(length/10, 12*time.Second)
	return []phase{
		failoverBySentinel(t, rng, part),
		failoverByHand(t, rng, part, 1),
		failoverByHand(t, rng, part, 0),
	}
}

// replicaOf starts a replica of what is at an address and waits until it follows.
func replicaOf(t *testing.T, addr string) *redistest.Server {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	s := redistest.Start(t, "replicaof "+host+" "+port, "repl-diskless-sync-delay 0")
	c := s.Client(t)
	require.Eventually(t, func() bool {
		info, err := c.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	}, 20*time.Second, 20*time.Millisecond)
	return s
}

func startMaster(t *testing.T) *redistest.Server {
	t.Helper()
	return redistest.Start(t, "appendonly yes", "repl-diskless-sync-delay 0")
}

// failoverBySentinel kills a master with two replicas; a sentinel promotes one,
// and the other follows it.
func failoverBySentinel(t *testing.T, rng *rand.Rand, length time.Duration) phase {
	t.Helper()
	master := startMaster(t)
	replicaOf(t, master.Addr)
	replicaOf(t, master.Addr)
	// A busy machine must not pass for a dead master.
	sentinel := redistest.StartSentinel(t, master, "down-after-milliseconds 5000", "failover-timeout 20000")
	receiver := newReceiver(t, rand.New(rand.NewPCG(rng.Uint64(), 1)), longTimeout)
	at := address{Addrs: []string{sentinel}, Sentinel: redistest.SentinelGroup}
	w := newWorld(t, at, &redisstore.Options{Shards: longShards, WaitReplicas: 1}, receiver, longMerchants, longHooks)
	st := w.open(longSetup(at, receiver))
	pass(t, length/3)
	end := st.note("master killed", inAll)
	master.Kill(t)
	before := st.acknowledged()
	require.Eventually(t, func() bool { return st.acknowledged() > before+64 }, 30*time.Second, 20*time.Millisecond,
		"publishes that wait for a replica are acknowledged again")
	end()
	pass(t, length*2/3)
	watcher := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	defer watcher.Close()
	known, err := watcher.Master(t.Context(), redistest.SentinelGroup).Result()
	require.NoError(t, err)
	require.Equal(t, "1", known["config-epoch"], "there was one failover; a second one has a cost of its own")
	return st.close("failover by a sentinel, publishes wait for a replica")
}

// failoverByHand cuts a replica off, kills its master, promotes it and leads
// everybody to it.
func failoverByHand(t *testing.T, rng *rand.Rand, length time.Duration, waitReplicas int) phase {
	t.Helper()
	master := startMaster(t)
	front, link := redistest.StartProxy(t, master.Addr), redistest.StartProxy(t, master.Addr)
	replica := replicaOf(t, link.Addr)
	replicaOf(t, replica.Addr) // publishes wait for this one after the failover
	receiver := newReceiver(t, rand.New(rand.NewPCG(rng.Uint64(), 1)), longTimeout)
	at := address{Addrs: []string{front.Addr}}
	w := newWorld(t, at, &redisstore.Options{Shards: longShards, WaitReplicas: waitReplicas}, receiver, longMerchants, longHooks)
	st := w.open(longSetup(at, receiver))
	pass(t, length/3)

	end := st.note("replica cut off, master killed", inAll)
	link.Set(redistest.Link{LoseReplies: true})
	from, received := time.Now(), receiver.received()
	late := w.hooks[w.merchants[0]][0] // whose deliveries are still to be made when the master dies
	receiver.feel(late, down)
	pass(t, stall)
	master.Kill(t)
	to := time.Now().Add(lag) // A publisher may note its acknowledgement late.
	// The replica does not know what was delivered since it was cut off.
	st.faults[0].inFlight += receiver.received() - received
	require.NoError(t, replica.Client(t).Do(t.Context(), "replicaof", "no", "one").Err())
	front.Lead(replica.Addr)
	receiver.feel(late, well)
	end()
	pass(t, length*2/3)

	if waitReplicas > 0 {
		require.Positive(t, st.tries.Load(), "nothing is acknowledged that only the master has")
		return st.close("failover by hand, publishes wait for a replica")
	}
	atRisk := st.forgive(from.Add(-lag), to)
	require.NotEmpty(t, st.forgotten, "the replica was behind")
	p := st.close("failover by hand, publishes do not wait")
	p.notes = append(p.notes, fmt.Sprintf("When publishes do not wait for a replica, and it is %s behind: of %d events that were acknowledged "+
		"in that time or up to %s before or after it, the new master did not know %d, and %d deliveries of these never arrived",
		stall, atRisk, lag, len(st.forgotten), p.lost))
	return p
}

// forgive allows the store to have lost the events that were acknowledged in a time.
// It returns how many these are.
func (st *stage) forgive(from, to time.Time) (atRisk int) {
	st.mu.Lock()
	acked := st.acked
	st.mu.Unlock()
	st.forgotten = map[string]bool{}
	for _, p := range acked {
		if p.acked.Before(from) || p.acked.After(to) {
			continue
		}
		atRisk++
		_, err := st.store.Event(st.t.Context(), p.merchant, p.event)
		if errors.Is(err, store.ErrNotFound) {
			st.forgotten[p.event] = true
			continue
		}
		require.NoError(st.t, err)
	}
	return atRisk
}
