package report

import "fmt"

// A target is what a figure must reach.
type target struct {
	what                        string
	section, table, row, column string
	least                       bool // the limit is the least, not the most
	limit                       float64
	unit                        string
}

func (t target) text() string {
	sign := "≤"
	if t.least {
		sign = "≥"
	}
	return fmt.Sprintf("%s %s%s", sign, number(t.limit), t.unit)
}

func (t target) met(f Figure) bool {
	if t.least {
		return f.Median >= t.limit
	}
	return f.Median <= t.limit
}

// Rows and columns that targets name. Sections use them too.
const (
	OfFloor      = "% of the floor"
	OfAsynq      = "× asynq"
	TimesBare    = "p50 × bare"
	OfClean      = "% of the clean run"
	P99OfClean   = "p99 × the clean run"
	LongestWait  = "longest wait ms"
	MostInFlight = "most in flight at one"
	TimesSmall   = "× 1,000 pending"
	BytesEach    = "bytes each beside the body"
	RemovalEach  = "removal, Redis µs"
	PerSecond    = "commands/s, shard and process"
	Lost         = "lost"
	Repeated     = "delivered again"
	AllocsEach   = "allocs"
	CPUEach      = "sender µs"
	RedisEach    = "Redis µs"
	BytesIn      = "bytes to Redis"
	BytesOut     = "bytes from Redis"
)

// Rows of the memory and the Redis store where only they are compared.
const (
	RowFloor  = "floor: sign and post"
	RowMemory = "memory store"
	RowRedis  = "Redis store"
	RowAsynq  = "asynq"
	RowRiver  = "River"
)

// TimesFloor names the column of ratios to the floor for a size of bodies.
func TimesFloor(size string) string { return size + " × floor" }

func targets() []target {
	var out []target
	for _, op := range []string{"sign", "verify"} {
		out = append(out, target{op + ": allocations", "micro", op, "this module", AllocsEach, false, 0, ""})
		for _, size := range []string{"200 B", "1 KiB", "16 KiB"} {
			out = append(out, target{
				op + " " + size + ": one SHA-256 over the body and one block", "micro", op, "this module", TimesFloor(size), false, 1.3, " ×",
			})
		}
		for _, peer := range []string{"stripe-go", "go-github", "Standard Webhooks"} {
			if op == "sign" && peer == "go-github" {
				continue // It only verifies.
			}
			out = append(out, target{op + " 200 B: faster than " + peer, "micro", op, peer, "200 B × this module", true, 3, " ×"})
		}
	}
	return append(out, []target{
		{"deliveries/s, memory store, of the bare loop", "throughput", "drain", Case(RowMemory, "http", 64, 1, 1), OfFloor, true, 90, " %"},
		{"deliveries/s, Redis store, of the bare loop", "throughput", "drain", Case(RowRedis, "http", 64, 1, 1), OfFloor, true, 50, " %"},
		{"the same: Redis for each", "throughput", "drain", Case(RowRedis, "http", 64, 1, 1), RedisEach, false, 20, " µs"},
		{"publish and deliver, Redis store, of asynq", "throughput", "both", RowRedis, OfAsynq, true, 2, " ×"},
		{"the same: Redis for each", "throughput", "both", RowRedis, RedisEach, false, 65, " µs"},
		{"publish and deliver by 100, Redis store, of asynq", "throughput", "both", RowRedis + ", 100 events a call", OfAsynq, true, 2.8, " ×"},
		{"the same: Redis for each", "throughput", "both", RowRedis + ", 100 events a call", RedisEach, false, 38, " µs"},
		{"publish → receipt when idle, memory, p50 of the bare POST", "latency", "idle", RowMemory, TimesBare, false, 1.3, " ×"},
		{"publish → receipt when idle, Redis, p50 of the bare POST", "latency", "idle", RowRedis, TimesBare, false, 3.5, " ×"},
		{"10 of 100 endpoints hang: throughput of the other 90", "fairness", "steady", "10 hang", OfClean, true, 99, " %"},
		{"10 of 100 endpoints hang: p99 of the other 90", "fairness", "steady", "10 hang", P99OfClean, false, 1.2, " ×"},
		{"5 % of 10,000 endpoints dead, 2 × 128 places: p99 of the others", "fairness", "many", "5 % dead", "p99", false, 100, " ms"},
		{"burst, 10 hang, 10 slow, 10 fail: longest wait of the others", "fairness", "burst", "with the bad", LongestWait, false, 100, " ms"},
		{"in flight at one endpoint, over all processes", "fairness", "burst", "with the bad", MostInFlight, false, 10, ""},
		{"1 M pending: a claim, of that at 1 k, memory", "growth", "memory", "1,000,000 over 1,000", "claim " + TimesSmall, false, 1.3, " ×"},
		{"1 M pending: a claim, of that at 1 k, Redis", "growth", "redis", "1,000,000 over 1,000", "claim " + TimesSmall, false, 1.3, " ×"},
		{"1 M pending: Redis for each beside the body", "growth", "redis", "1,000,000 over 1,000", BytesEach, false, 350, " B"},
		{"an ended delivery: Redis beside the body", "growth", "kept", "1", BytesEach, false, 250, " B"},
		{"retention of a delivery and its event: Redis for each", "growth", "kept", "1", RemovalEach, false, 2, " µs"},
		{"idle: Redis commands per second, shard and process", "latency", "rest", RowRedis, PerSecond, false, 1, ""},
		{"16 shards on 3 nodes: lost", "shards", "shards", "16", Lost, false, 0, ""},
		{"16 shards on 3 nodes: delivered again", "shards", "shards", "16", Repeated, false, 0, ""},
	}...)
}

// Case names a row of the throughput.
func Case(name, scheme string, concurrency, processes, fanOut int) string {
	return fmt.Sprintf("%s, %s, %d at once, %d × process, fan-out %d", name, scheme, concurrency, processes, fanOut)
}
