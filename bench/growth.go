package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/bench/internal/proc"
	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/bench/internal/servers"
)

// growthRole is the role of a process that runs growthMain.
const growthRole = "growth"

// heap describes a store with many pending deliveries over many webhooks.
type heap struct {
	Redis    string // an address; empty: memstore
	Pending  int
	Webhooks int
	Cycles   int // of each operation
	Ended    int // deliveries that end before any of this; 0: measures the operations instead
	FanOut   int // of those
}

func (h heap) row() string { return thousands(h.Pending) + " over " + thousands(h.Webhooks) }

// growth fills stores of both kinds and measures each operation. Each store has a
// process of its own.
func (b *bench) growth(ctx context.Context) ([]report.Table, error) {
	const note = "Microseconds for each delivery, in batches of 100, called on the store itself by one caller, beside so many deliveries that are due. " +
		"A page is of 100 deliveries; events is a page of the 100 newest of a merchant's log, and event all that became of one. Pruning removes 500 ended ones a step. Bytes are what a pending delivery takes beside its event's body of 1 KiB"
	tables := []report.Table{
		{Key: "memory", Title: "Memory store: what is pending, over how many webhooks", Head: "pending", Note: note + ", in the heap and in the process."},
		{Key: "redis", Title: "Redis store: what is pending, over how many webhooks", Head: "pending", Note: note +
			", by Redis's own count; its append-only file is on, without rewrites meanwhile."},
	}
	kept := report.Table{
		Key: "kept", Title: "Redis store: what is kept, and what it costs to remove it", Head: "deliveries of an event",
		Note: "Deliveries that have ended, each with one attempt, over 100 webhooks: bytes of Redis for each beside its share of the event's body of 1 KiB, " +
			"and Redis's time and commands for each until retention has removed it and its event.",
	}
	for range b.rounds {
		for i := range tables {
			if err := b.growthRound(ctx, &tables[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", tables[i].Key, err)
			}
		}
		for _, fanOut := range []int{1, 100} {
			h := heap{Webhooks: 100, Ended: 100_000, FanOut: fanOut}
			if b.smoke {
				h.Ended = 1_000
			}
			got, err := b.pile(ctx, h, true)
			if err != nil {
				return nil, fmt.Errorf("kept: %w", err)
			}
			for _, name := range []string{report.BytesEach, report.RemovalEach, "commands"} {
				kept.Add(strconv.Itoa(fanOut), name, got[name])
			}
			b.logf("growth: kept, fan-out %d: %.0f B, %.1f µs", fanOut, got[report.BytesEach], got[report.RemovalEach])
		}
	}
	return append(tables, kept), nil
}

func (b *bench) growthRound(ctx context.Context, t *report.Table) error {
	over, cycles := []int{1, 1_000, 100_000}, 100
	if b.smoke {
		over, cycles = []int{1, 100}, 3
	}
	for _, webhooks := range over {
		small := map[string]float64{}
		for pending := 1_000; pending <= b.pending; pending *= 10 {
			h := heap{Pending: pending, Webhooks: webhooks, Cycles: cycles}
			got, err := b.pile(ctx, h, t.Key == "redis")
			if err != nil {
				return fmt.Errorf("%s: %w", h.row(), err)
			}
			if pending == 1_000 {
				small = got
			}
			for _, name := range growthColumns() {
				if v, ok := got[name]; ok {
					t.Add(h.row(), name, v)
				}
				if op, found := strings.CutSuffix(name, " µs each"); found && op == "claim" {
					t.Add(h.row(), op+" "+report.TimesSmall, got[name]/small[name])
				}
			}
			b.logf("growth: %s: %s: claim %.1f µs each", t.Key, h.row(), got["claim µs each"])
		}
	}
	return nil
}

func growthColumns() []string {
	return []string{
		"publish µs each", "claim µs each", "finish µs each", "page µs", "stats µs", "events µs", "event µs", "prune µs each", report.BytesEach, "process bytes each",
	}
}

// pile measures one store.
func (b *bench) pile(ctx context.Context, h heap, onRedis bool) (got map[string]float64, err error) {
	if onRedis {
		r, err := servers.StartRedis(ctx, servers.Everysec, "--auto-aof-rewrite-percentage", "0")
		if err != nil {
			return nil, err
		}
		defer r.Close()
		h.Redis = r.Addr
	}
	child, err := proc.Start(ctx, growthRole)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, child.Close()) }()
	return got, child.Call("measure", h, &got)
}

// growthMain answers the parent's calls.
func growthMain(ctx context.Context, in io.Reader, out io.Writer) error {
	return proc.Serve(ctx, in, out, map[string]proc.Handler{
		"measure": proc.On(func(ctx context.Context, h heap) (any, error) { return h.measure(ctx) }),
	})
}

// thousands writes a whole number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
