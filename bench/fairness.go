package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/receiver"
	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/bench/internal/worker"
)

// crowd is a case of fairness: endpoints of which some are bad.
type crowd struct {
	row              string
	name             string
	count            int     // of endpoints; 0: endpointCount
	together         bool    // all are of one merchant, who publishes for all at once
	apart            bool    // each has a host of its own, and events come in no order of merchants
	processes        int     // 0: dispatchers
	hang, slow, fail int     // how many of endpointCount hang, are slow or fail
	others           int     // how many count as healthy: the last ones, also in the clean run
	rate             float64 // events per second, for all
	burst            int     // events that one more merchant publishes at once
	concurrency      int     // of each process; 0: the default
	warm, span       time.Duration
}

// dispatchers is how many processes share the endpoints.
const dispatchers = 3

const (
	healthy  = "healthy"
	bad      = "bad"
	bursting = "bursting"
)

// endpoints returns the endpoints of a crowd, the bad ones first.
func (c crowd) endpoints(base string) (whom []string, where []driver.Endpoint) {
	n := c.endpointCount()
	whom = merchants(n)
	for i, m := range whom {
		if c.together {
			m = whom[0]
		}
		behaviour, class := receiver.OK, healthy
		switch {
		case i < c.hang:
			behaviour = receiver.Hang
		case i < c.hang+c.slow:
			behaviour = receiver.Slow
		case i < c.hang+c.slow+c.fail:
			behaviour = receiver.Fail
		}
		if i < n-c.others {
			class = bad
		}
		at := base
		if c.apart {
			at = driver.HostOfItsOwn(base, i)
		}
		where = append(where, driver.Endpoint{Merchant: m, URL: at + receiver.Path(behaviour, class, i)})
	}
	where = append(where, driver.Endpoint{Merchant: bursting, URL: base + receiver.Path(receiver.OK, bursting, 0)})
	switch {
	case c.together:
		whom = whom[:1]
	case c.apart:
		rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { whom[i], whom[j] = whom[j], whom[i] }) //nolint:gosec // the same in each run
	}
	return whom, where
}

func (c crowd) endpointCount() int { return cmp.Or(c.count, endpointCount) }

// multitudes are crowds of many endpoints: of whom some are dead, and on one host.
func (b *bench) multitudes() (many, host []crowd) {
	n, warm, span := 10_000, 45*time.Second, 20*time.Second
	if b.smoke {
		n, warm, span = 100, 500*time.Millisecond, time.Second
	}
	many = []crowd{{row: "clean"}, {row: "5 % dead", hang: n / 20}}
	for i := range many {
		c := &many[i]
		c.name, c.count, c.others, c.rate, c.processes, c.concurrency, c.warm, c.span = driver.Redis, n, n*19/20, 500, 2, 128, warm, span
		c.apart = true
	}
	one := crowd{row: "1,000 merchants", name: driver.Redis, count: n / 10, others: n / 10, rate: 500, warm: warm / 10, span: span / 2}
	all := one
	all.row, all.together, all.rate = "one merchant with 1,000 webhooks", true, one.rate/float64(one.count)
	return many, []crowd{one, all}
}

func (b *bench) crowds() (steady, burst []crowd) {
	warm, span, short := 11*time.Second, 10*time.Second, 25*time.Second
	if b.smoke {
		warm, span, short = 500*time.Millisecond, time.Second, time.Second
	}
	const each = 256 / dispatchers
	steady = []crowd{
		{row: "clean", name: driver.Redis},
		{row: "10 hang", name: driver.Redis, hang: 10},
		{row: "asynq, clean", name: driver.Asynq},
		{row: "asynq, 10 hang", name: driver.Asynq, hang: 10},
	}
	for i := range steady {
		c := &steady[i]
		c.others, c.rate, c.concurrency, c.warm, c.span = 90, 500, each, warm, span
	}
	burst = []crowd{
		{row: "clean", name: driver.Redis},
		{row: "with the bad", name: driver.Redis, hang: 10, slow: 10, fail: 10},
	}
	for i := range burst {
		c := &burst[i]
		c.others, c.rate, c.burst, c.concurrency, c.warm, c.span = 70, endpointCount, b.burst, 1024, warm/10, short
	}
	return steady, burst
}

func (b *bench) fairness(ctx context.Context) ([]report.Table, error) {
	steady := report.Table{
		Key: "steady", Title: "10 of 100 endpoints hang", Head: "case",
		Note: fmt.Sprintf("100 endpoints get 5 events a second each; %d processes deliver, with 256 at once together. Figures are of the 90 that "+
			"answer at once, after the others have hung for longer than the time-out; milliseconds. A request that has timed out counts as in flight until the "+
			"receiver sees its connection closed.", dispatchers),
	}
	burst := report.Table{
		Key: "burst", Title: "A burst beside bad endpoints", Head: "case",
		Note: fmt.Sprintf("100 merchants get an event a second each: 10 of their endpoints hang, 10 answer after 2 seconds, 10 answer 500. One more "+
			"merchant publishes %d events as fast as it can. %d processes deliver with default settings. Figures are of the 70 that answer at once, "+
			"from the burst's beginning on; milliseconds. The burst's merchant has one endpoint, so at most 10 of its deliveries are at once "+
			"anywhere, from claim to stored result.", b.burst, dispatchers),
	}
	many := report.Table{
		Key: "many", Title: "5 % of 10,000 endpoints are dead", Head: "case",
		Note: "10,000 merchants with an endpoint each, on hosts of their own, get 500 events a second together; 2 processes deliver, with 128 at once each. Figures are of the " +
			"9,500 that answer at once, after 45 seconds; milliseconds.",
	}
	host := report.Table{
		Key: "host", Title: "A thousand webhooks on one host", Head: "case",
		Note: fmt.Sprintf("500 deliveries a second to 1,000 webhooks on one host, by %d processes with default settings: of as many merchants, who share no "+
			"connection, and of one, whose events go to all 1,000 at once, so that its waits are those of a burst; milliseconds.", dispatchers),
	}
	for range b.rounds {
		dead, same := b.multitudes()
		if err := b.compare(ctx, dead, &many); err != nil {
			return nil, err
		}
		if err := b.compare(ctx, same, &host); err != nil {
			return nil, err
		}
		calm, wild := b.crowds()
		if err := b.compare(ctx, calm, &steady); err != nil {
			return nil, err
		}
		if err := b.compare(ctx, wild, &burst); err != nil {
			return nil, err
		}
	}
	return []report.Table{steady, burst, many, host}, nil
}

// compare measures crowds. A clean one comes before those that are compared with it.
func (b *bench) compare(ctx context.Context, crowds []crowd, t *report.Table) error {
	var cleanRate, cleanP99 float64
	for _, c := range crowds {
		m, err := b.gather(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.row, err)
		}
		w := m.stats.Classes[healthy]
		rate := float64(w.Count) / m.took.Seconds()
		t.Add(c.row, "deliveries/s", rate)
		if c.hang == 0 {
			cleanRate, cleanP99 = rate, millis(w.P99)
		} else {
			t.Add(c.row, report.OfClean, 100*rate/cleanRate)
		}
		t.Add(c.row, "p50", millis(w.P50))
		t.Add(c.row, "p99", millis(w.P99))
		if c.hang > 0 {
			t.Add(c.row, report.P99OfClean, millis(w.P99)/cleanP99)
		}
		t.Add(c.row, report.LongestWait, millis(w.Longest))
		most := int64(0)
		for _, n := range m.stats.MostInFlight {
			most = max(most, n)
		}
		t.Add(c.row, report.MostInFlight, float64(most))
		t.Add(c.row, report.CPUEach, m.cpu)
		if c.burst > 0 {
			t.Add(c.row, "burst published/s", m.published)
			t.Add(c.row, "burst deliveries/s", float64(m.stats.Classes[bursting].Count)/m.took.Seconds())
		}
		b.logf("fairness: %s: %.0f/s, p99 %s, longest %s, most in flight %d", c.row, rate, w.P99, w.Longest, most)
	}
	return nil
}

// gathered is what was measured of a crowd.
type gathered struct {
	stats     receiver.Stats
	took      time.Duration
	published float64 // per second, of the burst
	cpu       float64 // of the dispatchers, in microseconds for each delivery
}

func (b *bench) gather(ctx context.Context, c crowd) (g gathered, err error) {
	spec, err := b.fresh(ctx, c.name, "")
	if err != nil {
		return g, err
	}
	spec.Concurrency = c.concurrency
	f, err := startFleet(ctx, cmp.Or(c.processes, dispatchers)+2, spec)
	if err != nil {
		return g, err
	}
	defer func() { err = firstOf(err, f.close()) }()
	whom, where := c.endpoints(b.receiver.HTTP)
	if err := f[0].Register(where); err != nil {
		return g, err
	}
	if err := f[2:].deliver(); err != nil {
		return g, err
	}
	if err := f[0].Publish(worker.Stream{Merchants: whom, Rate: c.rate, Publishers: 16}); err != nil {
		return g, err
	}
	if err := pause(ctx, c.warm); err != nil {
		return g, err
	}
	if err := b.receiver.Reset(receiver.Window{}); err != nil {
		return g, err
	}
	_, before, err := f[2:].used()
	if err != nil {
		return g, err
	}
	began := time.Now()
	if c.burst > 0 {
		if err := f[1].Publish(worker.Stream{Merchants: []string{bursting}, Count: c.burst, Publishers: 4, Batch: 100}); err != nil {
			return g, err
		}
		if err := f[1].Wait(); err != nil {
			return g, err
		}
		g.published = float64(c.burst) / time.Since(began).Seconds()
	}
	if err := pause(ctx, c.span-time.Since(began)); err != nil {
		return g, err
	}
	g.took = time.Since(began)
	_, after, failed := f[2:].used()
	g.stats, err = b.receiver.Stats()
	g.cpu = micros(after-before) / float64(max(g.stats.Received, 1))
	return g, firstOf(firstOf(failed, err), f[0].Halt())
}
