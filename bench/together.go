package main

import (
	"context"
	"fmt"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/bench/internal/worker"
)

// together are the cases of publishing and delivering at once.
func (b *bench) together() []load {
	var out []load
	for _, l := range []load{
		{row: report.RowFloor, name: driver.Floor, count: 40_000, batch: 1},
		{row: report.RowMemory, name: driver.Memory, count: 40_000, batch: 1},
		{row: report.RowRedis, name: driver.Redis, count: 20_000, batch: 1},
		{row: report.RowRedis + ", 100 events a call", name: driver.Redis, count: 30_000, batch: 100},
		{row: report.RowAsynq, name: driver.Asynq, count: 8_000, batch: 1},
		{row: report.RowRiver, name: driver.River, count: 8_000, batch: 1},
		{row: report.RowRiver + ", 100 events a call", name: driver.River, count: 8_000, batch: 100},
	} {
		l.concurrency, l.processes, l.fanOut = 64, 1, 1
		if b.smoke {
			l.count = 600
		}
		if b.wanted(l.row) {
			out = append(out, l)
		}
	}
	return out
}

// allAtOnce is a round of publishing and delivering at once.
func (b *bench) allAtOnce(ctx context.Context, t *report.Table) error {
	rates := map[string]float64{}
	rows := map[string]measured{}
	for _, l := range b.together() {
		m, err := b.both(ctx, l)
		if missing(err) {
			t.NotRun(l.row, err.Error())
			continue
		} else if err != nil {
			return fmt.Errorf("%s: %w", l.row, err)
		}
		b.logf("publishing and delivering: %s: %.0f/s", l.row, m.rate)
		rates[l.row], rows[l.row] = m.rate, m
	}
	for _, l := range b.together() {
		m, ok := rows[l.row]
		if !ok {
			continue
		}
		t.Add(l.row, "deliveries/s", m.rate)
		t.Add(l.row, report.OfAsynq, m.rate/rates[report.RowAsynq])
		t.Add(l.row, report.OfFloor, 100*m.rate/rates[report.RowFloor])
		t.Add(l.row, report.CPUEach, micros(m.cpu))
		if m.redis.Commands > 0 {
			n := float64(l.count)
			t.Add(l.row, report.RedisEach, micros(m.redis.CPU))
			t.Add(l.row, "commands, with those in scripts", float64(m.redis.Commands)/n)
			t.Add(l.row, report.BytesIn, float64(m.redis.In)/n)
			t.Add(l.row, report.BytesOut, float64(m.redis.Out)/n)
		}
	}
	return nil
}

// both publishes and delivers at once.
func (b *bench) both(ctx context.Context, l load) (m measured, err error) {
	spec, err := b.fresh(ctx, l.name, l.fsync)
	if err != nil {
		return m, err
	}
	spec.Concurrency = l.concurrency
	processes := 2
	if l.alone() {
		processes = 1
	}
	f, err := startFleet(ctx, processes, spec)
	if err != nil {
		return m, err
	}
	defer func() { err = firstOf(err, f.close()) }()
	publisher, dispatcher := f[0], f[len(f)-1]
	whom, where := b.endpoints(l)
	if err := publisher.Register(where); err != nil {
		return m, err
	}
	return b.timed(ctx, f, fleet{dispatcher}, l, int64(l.count), func() error {
		if err := dispatcher.Deliver(); err != nil {
			return err
		}
		return publisher.Publish(worker.Stream{Merchants: whom, Count: l.count, Publishers: 16, Batch: l.batch})
	})
}
