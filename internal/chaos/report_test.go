//go:build chaoslong

package chaos_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// reportVariable names the file that a run writes when all phases have passed.
const reportVariable = "WEBHOOK_CHAOS_REPORT"

// phase is the result of a part of the run.
type phase struct {
	name      string
	redis     string // the server's version
	took      time.Duration
	faults    []happened
	published int // events
	repeated  int // publishes that failed and were sent again

	deliveries    int // received
	lost          int // promised, not received, not failed
	second, bound int // second deliveries that the receiver did not cause; how many were in flight
	caused        int // second deliveries that the receiver caused
	settled       time.Duration
	memory        int     // megabytes, the peak of all workers
	slope         float64 // megabytes a minute, of the first worker
	quiet         waits   // outside of faults
	notes         []string
}

// happened is a kind of fault, over a phase.
type happened struct {
	name     string
	times    int
	lasted   time.Duration
	inFlight int // in all
}

// report collects phases.
type report struct {
	seed   uint64
	length time.Duration
	load   string // of the machine before the run
	phases []phase
}

func (r *report) add(t *testing.T, ps ...phase) {
	t.Helper()
	for _, p := range ps {
		r.phases = append(r.phases, p)
		var b strings.Builder
		p.row(&b)
		t.Logf("%sslope %.1f MB a minute", b.String(), p.slope)
		for _, n := range p.notes {
			t.Log(n)
		}
	}
}

// text returns the median and the 99th percentile.
func (w waits) text() string {
	if len(w) == 0 {
		return "–"
	}
	ms := func(p float64) float64 { return float64(w.percentile(p).Microseconds()) / 1000 }
	return fmt.Sprintf("%.1f / %.1f ms", ms(50), ms(99))
}

func (p *phase) row(b *strings.Builder) {
	fmt.Fprintf(b, "| %s | %d s | %d | %d | %d | %d of %d | %d | %d | %.1f s | %s | %d MB |\n",
		p.name, int(p.took.Seconds()), p.published, p.deliveries, p.lost, p.second, p.bound, p.caused, p.repeated, p.settled.Seconds(), p.quiet.text(), p.memory)
}

// write writes docs/chaos.md.
func (r *report) write(t *testing.T) {
	t.Helper()
	path := os.Getenv(reportVariable)
	if path == "" {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# The long fault run

Written by this command, which fails unless every promise below is kept:

%ssh
WEBHOOK_CHAOS_SEED=%d WEBHOOK_CHAOS_LONG=%s make chaos-long
%s

It starts redis-server, a receiver and %d worker processes, publishes an event every %s, and breaks what a delivery depends
on. %d merchants have %d webhooks each; a worker has %d deliveries on the wire, a webhook %d; an attempt may take %s, a lease
lasts %s. The receiver takes up to 150 ms. Of 1,000 answers 30 are a 500, 5 come too late, 10 are a reset and 5 break off,
each after the event was processed. In the first phase Redis has %d shards and syncs its append-only file always.

`, "```", r.seed, r.length, "```", longWorkers, longPace, longMerchants, longHooks, longConcurrency, longPerWebhook, longTimeout, longLease, longShards)
	fmt.Fprintf(&b, "%s, %s, Redis %s on the same machine; load before the run %s; %s.\n\n",
		machine(t), runtime.Version(), r.phases[0].redis, r.load, time.Now().UTC().Format(time.DateOnly))

	b.WriteString(`## Promises

- Each acknowledged event arrives at each subscriber, and nothing else does. The one exception is the failover of which
  publishes did not wait for a replica: it may lose what the replica had not got.
- The store's books agree with that, and no invariant of the store is broken.
- All is settled within the lease and 10 seconds of the last fault.
- Second deliveries, but for those that the receiver itself did not acknowledge, are no more than what was in flight when
  something broke.
- A worker holds less than 256 MB, grows by less than 5 MB a minute, and leaves no goroutine when it is told to stop.

| phase | time | events | deliveries | lost | second deliveries, of those in flight at faults | caused by the receiver | publishes repeated | settled after | publish to receipt, p50 / p99, outside of faults | a worker's most memory |
|---|---|---|---|---|---|---|---|---|---|---|
`)
	for i := range r.phases {
		r.phases[i].row(&b)
	}
	b.WriteString(`
## Faults

What is in flight at a fault is bounded by what the workers concerned may have on the wire. At a failover by hand it is also
what was delivered while the replica was behind, since it knows nothing of that.

`)
	b.WriteString("| phase | fault | times | lasted, in all | in flight, each |\n|---|---|---|---|---|\n")
	for _, p := range r.phases {
		for _, f := range p.faults {
			fmt.Fprintf(&b, "| %s | %s | %d | %.1f s | %d |\n", p.name, f.name, f.times, f.lasted.Seconds(), f.inFlight/f.times)
		}
	}
	b.WriteString("\n## What else was seen\n\n")
	for _, p := range r.phases {
		for _, n := range p.notes {
			fmt.Fprintf(&b, "- %s.\n", n)
		}
	}
	fmt.Fprintf(&b, "- The worker that lived through all of the first phase grew by %.1f MB a minute after its first %s.\n", r.phases[0].slope, warmUp)
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
}

// machine describes where the run takes place.
func machine(t *testing.T) string {
	t.Helper()
	field := func(file, name string) string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
		return "unknown"
	}
	var kilobytes int
	_, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kilobytes)
	require.NoError(t, err)
	return fmt.Sprintf("%d × %s, %d GB, %s/%s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"), kilobytes>>20, runtime.GOOS, runtime.GOARCH)
}

// load is how busy the machine has been in the last minutes.
func load(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	require.NoError(t, err)
	return strings.Join(strings.Fields(string(text))[:3], ", ")
}
