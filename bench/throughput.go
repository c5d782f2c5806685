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

// endpointCount is how many endpoints a case has. Each belongs to a merchant of its own,
// or with a fan-out, all belong to one.
const endpointCount = 100

// load is one case of the throughput.
type load struct {
	row         string
	name        string // of the driver
	fsync       string
	secure      bool
	concurrency int // over all processes
	processes   int
	fanOut      int
	count       int // deliveries
	batch       int // events per call when published beside
}

// measured is what was measured of a load.
type measured struct {
	rate     float64
	allocs   float64 // this and what follows: per delivery
	cpu      time.Duration
	receiver time.Duration
	redis    servers.Counters
}

// coresBusy is how many cores did the work, PostgreSQL's unknown.
const coresBusy = "cores busy"

func (m measured) busy() float64 { return m.rate * (m.cpu + m.receiver + m.redis.CPU).Seconds() }

func (l load) scheme() string {
	if l.secure {
		return "https"
	}
	return "http"
}

// alone reports whether each process has a queue of its own.
func (l load) alone() bool { return l.name == driver.Floor || l.name == driver.Memory }

// endpoints returns where the load goes, and for which merchants.
func (b *bench) endpoints(l load) (whom []string, where []driver.Endpoint) {
	base := b.receiver.HTTP
	if l.secure {
		base = b.receiver.HTTPS
	}
	whom = merchants(endpointCount)
	if l.fanOut > 1 {
		whom = whom[:1]
	}
	for i := range endpointCount {
		where = append(where, driver.Endpoint{
			Merchant: whom[i%len(whom)], URL: base + receiver.Path(receiver.OK, "all", i),
		})
	}
	return whom, where
}

// ways are the rows of a table, in order.
func ways() map[string]string {
	return map[string]string{
		driver.Floor: report.RowFloor, driver.Memory: report.RowMemory, driver.Redis: report.RowRedis,
		driver.Asynq: report.RowAsynq, driver.River: report.RowRiver,
	}
}

// loads are the cases of draining a full queue.
func (b *bench) loads() []load {
	counts := map[string]int{driver.Floor: 40_000, driver.Memory: 40_000, driver.Redis: 30_000, driver.Asynq: 10_000, driver.River: 12_000}
	var out []load
	add := func(fsync string, secure bool, concurrency, processes, fanOut int, names ...string) {
		for _, name := range names {
			l := load{
				name: name, fsync: fsync, secure: secure, concurrency: concurrency, processes: processes, fanOut: fanOut,
				count: counts[name],
			}
			if b.smoke {
				l.count = 600
			}
			row := ways()[name]
			if fsync == servers.Always {
				row += ", fsync always"
			}
			l.row = report.Case(row, l.scheme(), concurrency, processes, fanOut)
			if b.wanted(l.row) {
				out = append(out, l)
			}
		}
	}
	all := []string{driver.Floor, driver.Memory, driver.Redis, driver.Asynq, driver.River}
	if b.smoke {
		add("", false, 64, 1, 1, all...)
		add("", true, 64, 1, 1, driver.Redis)
		add("", false, 64, 4, 100, driver.Redis)
		return out
	}
	add("", false, 64, 1, 1, all...)
	add(servers.Always, false, 64, 1, 1, driver.Redis, driver.Asynq)
	add("", false, 16, 1, 1, driver.Floor, driver.Memory, driver.Redis)
	add("", false, 256, 1, 1, driver.Floor, driver.Memory, driver.Redis)
	add("", true, 64, 1, 1, driver.Floor, driver.Memory, driver.Redis)
	add("", false, 64, 4, 1, driver.Floor, driver.Redis, driver.Asynq)
	add("", false, 64, 1, 100, driver.Floor, driver.Memory, driver.Redis, driver.Asynq)
	return out
}

func (b *bench) throughput(ctx context.Context) ([]report.Table, error) {
	drain := report.Table{
		Key: "drain", Title: "From a full queue", Head: "case",
		Note: fmt.Sprintf("All events are published before; then they are delivered to %d endpoints, each with an event of its own, or with a "+
			"fan-out of 100 one event for all. Per delivery: allocations and CPU of the senders, CPU of the receiver, and of Redis. Cores busy are all of that at the measured rate: as many as there "+
			"are means that only less work per delivery would be faster.", endpointCount),
	}
	both := report.Table{
		Key: "both", Title: "Publishing and delivering at once", Head: "way",
		Note: "One process publishes as fast as it can, 16 calls at once of one event each, while another delivers with 64 at once; " +
			"floor and memory store do both in one process. Per delivery: CPU of all these processes, and Redis's time, commands and network for both.",
	}
	for round := range b.rounds {
		floors := map[string]float64{}
		for _, l := range b.loads() {
			m, err := b.drain(ctx, l)
			if missing(err) {
				drain.NotRun(l.row, err.Error())
				continue
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", l.row, err)
			}
			b.logf("round %d: %s: %.0f/s", round+1, l.row, m.rate)
			drain.Add(l.row, "deliveries/s", m.rate)
			like := report.Case("", l.scheme(), l.concurrency, l.processes, l.fanOut)
			if l.name == driver.Floor {
				floors[like] = m.rate
			}
			drain.Add(l.row, report.OfFloor, 100*m.rate/floors[like])
			drain.Add(l.row, report.AllocsEach, m.allocs)
			drain.Add(l.row, "sender µs", micros(m.cpu))
			drain.Add(l.row, "receiver µs", micros(m.receiver))
			if m.redis.CPU > 0 {
				drain.Add(l.row, report.RedisEach, micros(m.redis.CPU))
			}
			if l.name != driver.River {
				drain.Add(l.row, coresBusy, m.busy())
			}
		}
		if err := b.allAtOnce(ctx, &both); err != nil {
			return nil, err
		}
	}
	return []report.Table{drain, both}, nil
}

// drain delivers from a full queue.
func (b *bench) drain(ctx context.Context, l load) (m measured, err error) {
	spec, err := b.fresh(ctx, l.name, l.fsync)
	if err != nil {
		return m, err
	}
	spec.Concurrency = max(l.concurrency/l.processes, 1)
	f, err := startFleet(ctx, l.processes, spec)
	if err != nil {
		return m, err
	}
	defer func() { err = firstOf(err, f.close()) }()

	whom, where := b.endpoints(l)
	share := l.count / l.fanOut
	if l.alone() {
		share /= l.processes
	}
	total := int64(share * l.fanOut)
	for i, w := range f {
		if i > 0 && !l.alone() {
			break // The first one has filled the queue for all.
		}
		if i > 0 {
			total += int64(share * l.fanOut)
		}
		if err := w.Register(where); err != nil {
			return m, err
		}
		if err := w.Publish(worker.Stream{Merchants: whom, Count: share, Publishers: 8, Batch: 100 / l.fanOut}); err != nil {
			return m, err
		}
		if err := w.Wait(); err != nil {
			return m, err
		}
	}
	return b.timed(ctx, f, f, l, total, f.deliver)
}

// timed measures from begin until total deliveries have arrived.
func (b *bench) timed(ctx context.Context, all, senders fleet, l load, total int64, begin func() error) (m measured, err error) {
	window := receiver.Window{From: total / 10, To: total * 95 / 100}
	if err := b.receiver.Reset(window); err != nil {
		return m, err
	}
	before, err := b.receiver.Stats()
	if err != nil {
		return m, err
	}
	mallocs, _, err := senders.used()
	if err != nil {
		return m, err
	}
	_, cpu, err := all.used()
	if err != nil {
		return m, err
	}
	counters, err := b.counters(ctx, l)
	if err != nil {
		return m, err
	}
	if err := begin(); err != nil {
		return m, err
	}
	if err := b.receiver.Await(total, caseTimeout); err != nil {
		return m, err
	}
	after, err := b.receiver.Stats()
	if err != nil {
		return m, err
	}
	mallocs2, _, err := senders.used()
	if err != nil {
		return m, err
	}
	_, cpu2, err := all.used()
	if err != nil {
		return m, err
	}
	counters2, err := b.counters(ctx, l)
	n := time.Duration(total)
	m = measured{
		rate: after.Rate(window), allocs: float64(mallocs2-mallocs) / float64(total), cpu: (cpu2 - cpu) / n,
		receiver: (after.CPU - before.CPU) / n, redis: counters2.Sub(counters),
	}
	m.redis.CPU /= n
	m.redis.InScript /= n
	return m, err
}

// counters are those of the Redis of a load, if it has one.
func (b *bench) counters(ctx context.Context, l load) (servers.Counters, error) {
	if l.name != driver.Redis && l.name != driver.Asynq {
		return servers.Counters{}, nil
	}
	r, err := b.redisServer(ctx, l.fsync)
	if err != nil {
		return servers.Counters{}, err
	}
	return servers.Count(ctx, r.Client)
}

// firstOf returns the first error. Those after it are its consequences.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
