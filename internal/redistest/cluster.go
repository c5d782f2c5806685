package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	clusterNodes = 3
	clusterSlots = 16384
)

// Cluster starts a cluster of three nodes without replicas and returns a client
// of it.
func Cluster(tb testing.TB) *redis.ClusterClient {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), serverTimeout)
	defer cancel()
	addrs := make([]string, clusterNodes)
	nodes := make([]*redis.Client, clusterNodes)
	for i := range nodes {
		s := Start(tb, "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 5000", busPort(tb))
		addrs[i], nodes[i] = s.Addr, s.Client(tb)
		first, last := i*clusterSlots/clusterNodes, (i+1)*clusterSlots/clusterNodes-1
		must(tb, nodes[i].ClusterAddSlotsRange(ctx, first, last).Err())
		must(tb, nodes[i].Do(ctx, "cluster", "set-config-epoch", i+1).Err())
	}
	for i := range nodes {
		host, port, err := net.SplitHostPort(addrs[(i+1)%clusterNodes])
		must(tb, err)
		bus, err := nodes[(i+1)%clusterNodes].ConfigGet(ctx, "cluster-port").Result()
		must(tb, err)
		must(tb, nodes[i].Do(ctx, "cluster", "meet", host, port, bus["cluster-port"]).Err())
	}
	for i := range nodes {
		awaitCluster(ctx, tb, nodes[i])
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true})
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("redistest: %v", err)
		}
	})
	return c
}

// busPort chooses the port on which nodes talk; the usual one, 10,000 above, may
// not exist.
func busPort(tb testing.TB) string {
	tb.Helper()
	_, port, err := net.SplitHostPort(freeAddr(tb))
	must(tb, err)
	return "cluster-port " + port
}

func awaitCluster(ctx context.Context, tb testing.TB, node *redis.Client) {
	tb.Helper()
	for {
		info, err := node.ClusterInfo(ctx).Result()
		if err == nil && field(info, "cluster_state") == "ok" && field(info, "cluster_known_nodes") == strconv.Itoa(clusterNodes) {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("redistest: the cluster does not come up: %v %s", err, info)
		case <-time.After(pollInterval):
		}
	}
}

func field(info, name string) string {
	var value string
	for line := range strings.Lines(info) {
		if n, err := fmt.Sscanf(line, name+":%s", &value); n == 1 && err == nil {
			return value
		}
	}
	return ""
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
}
