package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/receiver"
	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/bench/internal/servers"
	"github.com/rag-assistant/webhooks/bench/internal/worker"
)

// soakWarm is how long it takes until the log, which is kept for a minute and pruned
// once a minute, has reached its level.
const soakWarm = 3 * time.Minute

// sample is what a soak measures at one moment.
type sample struct {
	minutes float64
	values  map[string]float64
}

// soak runs at half load for long, with webhooks that come and go.
func (b *bench) soak(ctx context.Context) ([]report.Table, error) {
	t := report.Table{Key: "soak", Title: "Hours, in small", Head: "what"}
	m, err := b.both(ctx, load{name: driver.Redis, concurrency: 64, processes: 1, fanOut: 1, batch: 1, count: 10_000 / b.shrink(20)})
	if err != nil {
		return nil, err
	}
	warm := min(soakWarm, b.options.soak/2)
	samples, stats, err := b.steady(ctx, m.rate/2, warm)
	if err != nil {
		return nil, err
	}
	t.Note = fmt.Sprintf("%s at %.0f events a second, half of what this machine can publish and deliver, through the Redis store, while every 200 ms a "+
		"webhook is registered and others are disabled, enabled, rotated and deleted. The log is kept for a minute. One of two dispatchers, and "+
		"Redis, are looked at %d times, from minute %.1f on; the slope is that of the straight line through these. %d requests arrived, "+
		"p50 %.1f ms, p99 %.1f ms.", b.options.soak, m.rate/2, len(samples), warm.Minutes(), stats.Received,
		millis(stats.Classes["all"].P50), millis(stats.Classes["all"].P99))
	for _, name := range []string{"RSS MB", "heap MB", "goroutines", "file descriptors", "Redis MB"} {
		var values []float64
		for _, s := range samples {
			values = append(values, s.values[name])
		}
		f := report.NewFigure(values)
		t.Add(name, "median", f.Median)
		t.Add(name, "least", f.Min)
		t.Add(name, "most", f.Max)
		t.Add(name, "slope, a minute", slope(samples, name))
		t.Add(name, "% a minute", 100*slope(samples, name)/f.Median)
	}
	return []report.Table{t}, nil
}

// shrink is a divisor of sizes: n in a smoke test.
func (b *bench) shrink(n int) int {
	if b.smoke {
		return n
	}
	return 1
}

// steady publishes at a rate and looks at a dispatcher and Redis.
func (b *bench) steady(ctx context.Context, rate float64, warm time.Duration) (samples []sample, stats receiver.Stats, err error) {
	spec, err := b.fresh(ctx, driver.Redis, "")
	if err != nil {
		return nil, stats, err
	}
	spec.Concurrency, spec.ShortLog = 64, true
	f, err := startFleet(ctx, 3, spec)
	if err != nil {
		return nil, stats, err
	}
	defer func() { err = firstOf(err, f.close()) }()
	whom, where := b.endpoints(load{fanOut: 1})
	if err := f[0].Register(where); err != nil {
		return nil, stats, err
	}
	if err := f[1:].deliver(); err != nil {
		return nil, stats, err
	}
	if err := f[0].Publish(worker.Stream{Merchants: whom, Rate: rate, Publishers: 64}); err != nil {
		return nil, stats, err
	}
	churn := worker.Churn{
		Merchants: merchants(endpointCount / 10), Every: 200 * time.Millisecond, Keep: 50,
		URL: b.receiver.HTTP + receiver.Path(receiver.OK, "churn", 0),
	}
	if err := f[0].Churn(churn); err != nil {
		return nil, stats, err
	}
	if err := b.receiver.Reset(receiver.Window{}); err != nil {
		return nil, stats, err
	}
	r, err := b.redisServer(ctx, "")
	if err != nil {
		return nil, stats, err
	}
	began := time.Now()
	if err := pause(ctx, warm); err != nil {
		return nil, stats, err
	}
	for step := max((b.options.soak-warm)/80, 50*time.Millisecond); time.Since(began) < b.options.soak; {
		if err := pause(ctx, step); err != nil {
			return nil, stats, err
		}
		s, err := look(ctx, f[1], r)
		if err != nil {
			return nil, stats, err
		}
		s.minutes = time.Since(began).Minutes()
		samples = append(samples, s)
	}
	if stats, err = b.receiver.Stats(); err != nil {
		return nil, stats, err
	}
	return samples, stats, f[0].Halt()
}

func look(ctx context.Context, w *worker.Remote, r *servers.Redis) (sample, error) {
	used, err := w.Report()
	if err != nil {
		return sample{}, err
	}
	c, err := servers.Count(ctx, r.Client)
	const mb = 1 << 20
	return sample{values: map[string]float64{
		"RSS MB": float64(used.RSS) / mb, "heap MB": float64(used.Heap) / mb, "goroutines": float64(used.Goroutines),
		"file descriptors": float64(used.FDs), "Redis MB": float64(c.Memory) / mb,
	}}, err
}

// slope is that of the straight line through samples, by least squares.
func slope(samples []sample, name string) float64 {
	var x, y float64
	for _, s := range samples {
		x += s.minutes / float64(len(samples))
		y += s.values[name] / float64(len(samples))
	}
	var up, down float64
	for _, s := range samples {
		up += (s.minutes - x) * (s.values[name] - y)
		down += (s.minutes - x) * (s.minutes - x)
	}
	if down == 0 {
		return 0
	}
	return up / down
}
