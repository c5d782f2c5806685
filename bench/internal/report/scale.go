package report

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// The table in scale.md stands between these lines.
const (
	scaleBegin = "<!-- made by make bench -->"
	scaleEnd   = "<!-- end -->"
)

// What the plan of a deployment assumes.
const (
	busyShare   = 0.5 // of a core, so that bursts and forks find room
	keptSeconds = 7 * 24 * 3600
	keptBytes   = 1024 // of the body
	// postBytes are one request and its answer on the wire beside the body, with
	// HTTP's and TLS's framing.
	postBytes = 1000
)

// costs are what one delivery costs, fan-out 1.
type costs struct {
	redis, sender float64 // µs of a core, published 100 a call
	single        float64 // redis, published one a call
	in, out       float64 // bytes to and from Redis
	kept          float64 // bytes in Redis beside the body
}

func (r *Results) costs() (costs, bool) {
	var c costs
	ok := true
	get := func(section, table, row, column string) float64 {
		f, found := r.Figure(section, table, row, column)
		ok = ok && found
		return f.Median
	}
	c.redis = get("throughput", "both", RowRedis+", 100 events a call", RedisEach)
	c.single = get("throughput", "both", RowRedis, RedisEach)
	c.sender = get("throughput", "both", RowRedis+", 100 events a call", CPUEach)
	c.in = get("throughput", "both", RowRedis+", 100 events a call", BytesIn)
	c.out = get("throughput", "both", RowRedis+", 100 events a call", BytesOut)
	c.kept = get("growth", "redis", "1,000,000 over 1,000", BytesEach)
	return c, ok
}

// FillScale writes what follows from the figures into scale.md.
func (r *Results) FillScale(page string) (string, error) {
	head, rest, found := strings.Cut(page, scaleBegin)
	_, tail, ended := strings.Cut(rest, scaleEnd)
	if !found || !ended {
		return "", errors.New("scale.md has no place for its table")
	}
	text := "Not measured yet.\n"
	if c, ok := r.costs(); ok {
		text = c.table()
	}
	return head + scaleBegin + "\n" + text + scaleEnd + tail, nil
}

func (c costs) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "One delivery, measured, published 100 events a call: %s µs of Redis's core for publish, claim and finish; %s µs of cores for "+
		"publishing, signing and posting; %s bytes to and %s bytes from Redis; %s bytes kept in Redis beside the body. Published one event a call, it is "+
		"%s µs of Redis, so %s times as many nodes.\n\n",
		number(c.redis), number(c.sender), number(c.in), number(c.out), number(c.kept), number(c.single), number(c.single/c.redis))
	b.WriteString("| deliveries/s | a day | Redis nodes at half load | cores of senders at half load | to and from Redis | out to receivers | " +
		"Redis memory, a day's log | a week's |\n|---|---|---|---|---|---|---|---|\n")
	for _, rate := range []float64{1_000, 10_000, 1e9 / 86_400, 100_000} {
		nodes := math.Ceil(rate * c.redis / 1e6 / busyShare)
		cores := math.Ceil(rate * c.sender / 1e6 / busyShare)
		day := rate * 86_400
		fmt.Fprintf(&b, "| %s | %s M | %s | %s | %s MB/s | %s MB/s | %s GB | %s GB |\n",
			number(math.Round(rate)), number(day/1e6), number(nodes), number(cores), number(rate*(c.in+c.out)/1e6),
			number(rate*(keptBytes+postBytes)/1e6), number(day*(c.kept+keptBytes)/1e9), number(rate*keptSeconds*(c.kept+keptBytes)/1e9))
	}
	b.WriteString("\n")
	return b.String()
}
