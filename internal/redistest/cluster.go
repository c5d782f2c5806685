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
func Cluster(t testing.TB) *redis.ClusterClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	addrs := make([]string, clusterNodes)
	nodes := make([]*redis.Client, clusterNodes)
	for i := range nodes {
		s := Start(t, "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 5000", busPort(t))
		addrs[i], nodes[i] = s.Addr, s.Client(t)
		first, last := i*clusterSlots/clusterNodes, (i+1)*clusterSlots/clusterNodes-1
		must(t, nodes[i].ClusterAddSlotsRange(ctx, first, last).Err())
		must(t, nodes[i].Do(ctx, "cluster", "set-config-epoch", i+1).Err())
	}
	for i := range nodes {
		host, port, err := net.SplitHostPort(addrs[(i+1)%clusterNodes])
		must(t, err)
		bus, err := nodes[(i+1)%clusterNodes].ConfigGet(ctx, "cluster-port").Result()
		must(t, err)
		must(t, nodes[i].Do(ctx, "cluster", "meet", host, port, bus["cluster-port"]).Err())
	}
	for i := range nodes {
		awaitCluster(ctx, t, nodes[i])
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	return c
}

// busPort chooses the port on which nodes talk; the usual one, 10,000 above, may
// not exist.
func busPort(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddr(t))
	must(t, err)
	return "cluster-port " + port
}

func awaitCluster(ctx context.Context, t testing.TB, node *redis.Client) {
	t.Helper()
	for {
		info, err := node.ClusterInfo(ctx).Result()
		if err == nil && field(info, "cluster_state") == "ok" && field(info, "cluster_known_nodes") == strconv.Itoa(clusterNodes) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("redistest: the cluster does not come up: %v %s", err, info)
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
}
