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

// idleRate is so low that each event meets idle processes.
const idleRate = 20

// spans are the lengths of the parts of a case.
type spans struct {
	warm, idle, load, resting time.Duration
}

func (b *bench) spans() spans {
	if b.smoke {
		return spans{200 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond, time.Second}
	}
	return spans{time.Second, 10 * time.Second, 8 * time.Second, 10 * time.Second}
}

func (b *bench) latency(ctx context.Context) ([]report.Table, error) {
	idle := report.Table{
		Key: "idle", Title: "From publish to receipt, idle", Head: "way",
		Note: fmt.Sprintf("Milliseconds from the call that publishes to the receipt of the request, with %d events a second. The bare POST is "+
			"signed and posted by who would publish. The memory store delivers in the same process; the others are published by one process and "+
			"delivered by another.", idleRate),
	}
	busy := report.Table{
		Key: "load", Title: "From publish to receipt, at half of the throughput", Head: "way",
		Note: "Each way first publishes and delivers as fast as it can, one event a call, and then gets half of that rate, in even steps. An event " +
			"that is published more than 20 ms late counts from its time.",
	}
	resting := report.Table{
		Key: "rest", Title: "Nothing to do", Head: "store",
		Note: "What dispatchers that have nothing to deliver send to Redis: scripts, each of which counts as one, and the pings of subscriptions.",
	}
	for range b.rounds {
		bare := 0.0
		for _, name := range []string{driver.Floor, driver.Memory, driver.Redis, driver.Asynq, driver.River} {
			row := ways()[name]
			if name == driver.Floor {
				row = "bare POST"
			}
			if !b.wanted(row) {
				continue
			}
			w, _, err := b.waits(ctx, name, idleRate, b.spans().idle)
			if missing(err) {
				idle.NotRun(row, err.Error())
				busy.NotRun(row, err.Error())
				continue
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", row, err)
			}
			addWaits(&idle, row, w)
			if name == driver.Floor {
				bare = millis(w.P50)
			} else if w.Count > 0 {
				idle.Add(row, report.TimesBare, millis(w.P50)/bare)
			}
			b.logf("idle: %s: %s / %s", row, w.P50, w.P99)
			if err := b.half(ctx, name, row, &busy); err != nil {
				return nil, fmt.Errorf("%s: %w", row, err)
			}
		}
		for _, processes := range []int{1, 3} {
			if err := b.resting(ctx, processes, &resting); err != nil {
				return nil, err
			}
		}
	}
	return []report.Table{idle, busy, resting}, nil
}

func addWaits(t *report.Table, row string, w receiver.Waits) {
	if w.Count == 0 {
		return
	}
	t.Add(row, "p50", millis(w.P50))
	t.Add(row, "p99", millis(w.P99))
	t.Add(row, "p99.9", millis(w.P999))
	t.Add(row, "longest", millis(w.Longest))
}

// half measures waits at half of a way's throughput.
func (b *bench) half(ctx context.Context, name, row string, t *report.Table) error {
	l := load{row: row, name: name, concurrency: 64, processes: 1, fanOut: 1, batch: 1, count: 20_000}
	switch {
	case b.smoke:
		l.count = 600
	case name == driver.Asynq || name == driver.River:
		l.count = 6_000
	}
	m, err := b.both(ctx, l)
	if err != nil {
		return err
	}
	w, late, err := b.waits(ctx, name, m.rate/2, b.spans().load)
	if err != nil {
		return err
	}
	t.Add(row, "events/s", m.rate/2)
	addWaits(t, row, w)
	t.Add(row, "% late", 100*late)
	b.logf("at %.0f/s: %s: %s / %s", m.rate/2, row, w.P50, w.P99)
	return nil
}

// waits publishes at a rate. It returns how long receipts took, and which part of the
// events was published late.
func (b *bench) waits(ctx context.Context, name string, rate float64, span time.Duration) (w receiver.Waits, late float64, err error) {
	spec, err := b.fresh(ctx, name, "")
	if err != nil {
		return w, 0, err
	}
	spec.Concurrency, spec.Inline = 64, name == driver.Floor
	processes := 2
	if name == driver.Floor || name == driver.Memory {
		processes = 1
	}
	f, err := startFleet(ctx, processes, spec)
	if err != nil {
		return w, 0, err
	}
	defer func() { err = firstOf(err, f.close()) }()
	publisher := f[0]
	whom, where := b.endpoints(load{fanOut: 1})
	if err := publisher.Register(where); err != nil {
		return w, 0, err
	}
	if !spec.Inline {
		if err := f[len(f)-1].Deliver(); err != nil {
			return w, 0, err
		}
	}
	publishers := 1
	if rate > 10*idleRate {
		publishers = 64
	}
	if err := publisher.Publish(worker.Stream{Merchants: whom, Rate: rate, Publishers: publishers}); err != nil {
		return w, 0, err
	}
	if err := pause(ctx, b.spans().warm); err != nil {
		return w, 0, err
	}
	if err := b.receiver.Reset(receiver.Window{}); err != nil {
		return w, 0, err
	}
	if err := pause(ctx, span); err != nil {
		return w, 0, err
	}
	s, err := b.receiver.Stats()
	if err != nil {
		return w, 0, err
	}
	r, err := publisher.Report()
	if err != nil {
		return w, 0, err
	}
	return s.Classes["all"], float64(r.Late) / float64(max(r.Published, 1)), publisher.Halt()
}

// resting counts the commands of dispatchers that have nothing to do.
func (b *bench) resting(ctx context.Context, processes int, t *report.Table) (err error) {
	spec, err := b.fresh(ctx, driver.Redis, "")
	if err != nil {
		return err
	}
	spec.Concurrency, spec.Shards = 64, 1
	f, err := startFleet(ctx, processes, spec)
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, f.close()) }()
	_, where := b.endpoints(load{fanOut: 1})
	if err := f[0].Register(where[:10]); err != nil {
		return err
	}
	if err := f.deliver(); err != nil {
		return err
	}
	if err := pause(ctx, b.spans().warm); err != nil {
		return err
	}
	r, err := b.redisServer(ctx, "")
	if err != nil {
		return err
	}
	before, err := servers.Count(ctx, r.Client)
	if err != nil {
		return err
	}
	span := b.spans().resting
	if err := pause(ctx, span); err != nil {
		return err
	}
	after, err := servers.Count(ctx, r.Client)
	if err != nil {
		return err
	}
	sent := after.Sub(before)
	row := report.RowRedis
	if processes > 1 {
		row = fmt.Sprintf("%s, %d processes", row, processes)
	}
	t.Add(row, report.PerSecond, float64(sent.Scripts+sent.Pings)/span.Seconds()/float64(processes))
	return nil
}
