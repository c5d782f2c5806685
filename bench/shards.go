package main

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/receiver"
	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/bench/internal/servers"
	"github.com/rag-assistant/webhooks/bench/internal/worker"
)

const clusterNodes = 3

// shards spreads merchants over shards, and those over the nodes of a Cluster.
func (b *bench) shards(ctx context.Context) ([]report.Table, error) {
	t := report.Table{
		Key: "shards", Title: fmt.Sprintf("Shards on a Cluster of %d nodes", clusterNodes), Head: "shards",
		Note: "100 merchants; two processes deliver from a full queue, 32 at once each, and the receiver counts each delivery by its id. " +
			"The last columns are the coefficient of variation over the nodes, in percent: of deliveries, by the keys of their events; of " +
			"scripts run; and of time in them. 0 is an even spread; with fewer shards than nodes some nodes have nothing to do. " +
			"All nodes share this machine, so what a Cluster adds in speed does not show here.",
	}
	if _, err := b.fresh(ctx, driver.Floor, ""); err != nil { // the receiver
		return nil, err
	}
	cluster, err := servers.StartCluster(ctx, clusterNodes)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	counts := []int{1, 2, 4, 8, 16}
	if b.smoke {
		counts = []int{1, 16}
	}
	for range b.rounds {
		for _, n := range counts {
			if err := b.spread(ctx, cluster, n, &t); err != nil {
				return nil, fmt.Errorf("%d shards: %w", n, err)
			}
		}
	}
	return []report.Table{t}, nil
}

func (b *bench) spread(ctx context.Context, cluster *servers.Cluster, n int, t *report.Table) (err error) {
	count := 20_000
	if b.smoke {
		count = 1_000
	}
	before := make([]servers.Counters, len(cluster.Nodes))
	for i, node := range cluster.Nodes {
		if err := node.Client.FlushAll(ctx).Err(); err != nil {
			return err
		}
		if before[i], err = servers.Count(ctx, node.Client); err != nil {
			return err
		}
	}
	f, err := startFleet(ctx, 2, driver.Spec{Name: driver.Redis, Redis: cluster.Addrs(), Shards: n, Concurrency: 32})
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, f.close()) }()
	whom, where := b.endpoints(load{fanOut: 1})
	if err := f[0].Register(where); err != nil {
		return err
	}
	keys := make([]float64, len(cluster.Nodes))
	for i, node := range cluster.Nodes {
		c, err := servers.Count(ctx, node.Client)
		if err != nil {
			return err
		}
		keys[i] = -float64(c.Keys)
	}
	if err := f[0].Publish(worker.Stream{Merchants: whom, Count: count, Publishers: 8, Batch: 100}); err != nil {
		return err
	}
	if err := f[0].Wait(); err != nil {
		return err
	}
	window := receiver.Window{From: int64(count / 10), To: int64(count * 95 / 100), Track: true}
	if err := b.receiver.Reset(window); err != nil {
		return err
	}
	if err := f.deliver(); err != nil {
		return err
	}
	if err := b.receiver.Await(int64(count), caseTimeout); err != nil {
		return err
	}
	if err := pause(ctx, b.spans().warm); err != nil { // repeated deliveries may come now
		return err
	}
	s, err := b.receiver.Stats()
	if err != nil {
		return err
	}
	var scripts, inScript []float64
	for i, node := range cluster.Nodes {
		c, err := servers.Count(ctx, node.Client)
		if err != nil {
			return err
		}
		keys[i] += float64(c.Keys)
		c = c.Sub(before[i])
		scripts, inScript = append(scripts, float64(c.Scripts)), append(inScript, c.InScript.Seconds())
	}
	row := strconv.Itoa(n)
	t.Add(row, "deliveries/s", s.Rate(window))
	t.Add(row, report.Lost, float64(int64(count)-s.Distinct))
	t.Add(row, report.Repeated, float64(s.Repeats))
	t.Add(row, "deliveries: spread %", 100*variation(keys))
	t.Add(row, "scripts: spread %", 100*variation(scripts))
	t.Add(row, "time: spread %", 100*variation(inScript))
	b.logf("shards: %d: %.0f/s, %d of %d, %d again", n, s.Rate(window), s.Distinct, count, s.Repeats)
	return nil
}

// variation returns the coefficient of variation: the deviation, divided by the mean.
func variation(values []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum/float64(len(values))) / mean
}
