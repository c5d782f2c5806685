package redistest

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Move is a slot that is being moved from one node of a cluster to another, as an
// administrator would move it.
type Move struct {
	slot     int
	from, to *redis.Client
	toID     string
	others   []*redis.Client
}

// StartMove begins to move the slot of a key to another node.
func StartMove(tb testing.TB, c *redis.ClusterClient, key string) *Move {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	slot, err := c.ClusterKeySlot(ctx, key).Result()
	must(tb, err)
	m := &Move{slot: int(slot)}
	owner := ownerOf(ctx, tb, c, m.slot)
	var mu sync.Mutex
	must(tb, c.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case node.Options().Addr == owner:
			m.from = node
		case m.to == nil:
			m.to = node
		default:
			m.others = append(m.others, node)
		}
		return nil
	}))
	fromID, err := m.from.ClusterMyID(ctx).Result()
	must(tb, err)
	m.toID, err = m.to.ClusterMyID(ctx).Result()
	must(tb, err)
	must(tb, m.to.Do(ctx, "cluster", "setslot", m.slot, "importing", fromID).Err())
	must(tb, m.from.Do(ctx, "cluster", "setslot", m.slot, "migrating", m.toID).Err())
	return m
}

// ownerOf returns the address of the node that has a slot.
func ownerOf(ctx context.Context, tb testing.TB, c *redis.ClusterClient, slot int) string {
	tb.Helper()
	shards, err := c.ClusterShards(ctx).Result()
	must(tb, err)
	for _, shard := range shards {
		for _, r := range shard.Slots {
			if r.Start <= int64(slot) && int64(slot) <= r.End {
				return net.JoinHostPort(shard.Nodes[0].IP, strconv.FormatInt(shard.Nodes[0].Port, 10))
			}
		}
	}
	tb.Fatalf("redistest: nobody has slot %d", slot)
	return ""
}

// Keys moves up to n keys, and returns how many it has moved.
func (m *Move) Keys(tb testing.TB, n int) int {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	keys, err := m.from.ClusterGetKeysInSlot(ctx, m.slot, n).Result()
	must(tb, err)
	if len(keys) == 0 {
		return 0
	}
	host, port, err := net.SplitHostPort(m.to.Options().Addr)
	must(tb, err)
	args := []any{"migrate", host, port, "", 0, serverTimeout.Milliseconds(), "keys"}
	for _, k := range keys {
		args = append(args, k)
	}
	must(tb, m.from.Do(ctx, args...).Err())
	return len(keys)
}

// End moves the rest and gives the slot to the other node.
func (m *Move) End(tb testing.TB) {
	tb.Helper()
	for m.Keys(tb, 100) > 0 {
		continue
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	for _, node := range append([]*redis.Client{m.to, m.from}, m.others...) {
		must(tb, node.Do(ctx, "cluster", "setslot", m.slot, "node", m.toID).Err())
	}
}
