// Command bench measures this module, its alternatives and the floor on one machine,
// and writes down what it has found. The floor is a loop that signs and posts.
//
//	go run . -only micro,latency -rounds 3
//
// It keeps the figures of each section in results.json, so that a section can be
// measured again alone, and makes ../docs/benchmarks.md of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/proc"
	"github.com/rag-assistant/webhooks/bench/internal/receiver"
	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/bench/internal/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	role := map[string]func(context.Context, io.Reader, io.Writer) error{
		receiver.Role: receiver.Main, worker.Role: worker.Main, growthRole: growthMain,
	}[os.Getenv(proc.RoleVariable)]
	if role != nil {
		return role(ctx, os.Stdin, os.Stdout)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	results, err := report.Load(filepath.Join(o.dir, "results.json"))
	if err != nil {
		return err
	}
	b := &bench{options: o, log: os.Stderr}
	defer b.close()
	for _, name := range o.sections {
		section := report.Section{
			Measured: time.Now().UTC().Format(time.DateOnly), Command: "make bench" + o.said(name), Machine: report.ThisMachine(ctx),
		}
		b.logf("%s", name)
		began := time.Now()
		if section.Tables, err = b.measure(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if b.postgres != nil {
			section.Machine.Versions["postgres"] = b.postgres.Version
		}
		b.logf("%s took %s", name, time.Since(began).Round(time.Second))
		results.Sections[name] = section
		if err := write(o, results); err != nil {
			return err
		}
	}
	if o.match != "" {
		_, err := io.WriteString(os.Stdout, results.Markdown())
		return err
	}
	return write(o, results)
}

// measure measures a section.
func (b *bench) measure(ctx context.Context, name string) ([]report.Table, error) {
	switch name {
	case "micro":
		return b.micro(ctx)
	case "throughput":
		return b.throughput(ctx)
	case "latency":
		return b.latency(ctx)
	case "fairness":
		return b.fairness(ctx)
	case "growth":
		return b.growth(ctx)
	case "shards":
		return b.shards(ctx)
	case "soak":
		return b.soak(ctx)
	}
	return nil, fmt.Errorf("no such section: there are %s", strings.Join(report.Order(), ", "))
}

// options are the flags.
type options struct {
	sections []string
	rounds   int
	smoke    bool
	match    string
	burst    int
	pending  int
	soak     time.Duration
	dir      string // where results.json is
	docs     string
	passing  bool // both are removed at the end
}

func parse(args []string) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&only, "only", "", "sections to measure, with commas between; none: write the pages from the results there are, if -render is given")
	render := f.Bool("render", false, "measure nothing, write the pages only")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of each case")
	f.BoolVar(&o.smoke, "smoke", false, "try everything out with tiny sizes, and write to a directory that is removed")
	f.StringVar(&o.match, "match", "", "measure only rows of throughput and latency whose name has this part, print them and write nothing: to try a change out")
	f.IntVar(&o.burst, "burst", 1_000_000, "events in fairness's burst")
	f.IntVar(&o.pending, "pending", 1_000_000, "the most pending deliveries in growth")
	f.DurationVar(&o.soak, "soak", 10*time.Minute, "how long soak takes")
	f.StringVar(&o.dir, "dir", ".", "directory of results.json and micro.txt")
	f.StringVar(&o.docs, "docs", "../docs", "directory of the pages")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.sections = report.Order()
	if only != "" {
		o.sections = strings.Split(only, ",")
	}
	for _, s := range o.sections {
		if !slices.Contains(report.Order(), s) {
			return o, fmt.Errorf("no section %q: there are %s", s, strings.Join(report.Order(), ", "))
		}
	}
	if *render {
		o.sections = nil
	}
	if o.smoke {
		o.rounds, o.burst, o.pending, o.soak = 1, 1000, 1000, 2*time.Second
	}
	if o.smoke || o.match != "" {
		dir, err := os.MkdirTemp("", "bench-")
		if err != nil {
			return o, err
		}
		o.dir, o.docs, o.passing = dir, dir, true
	}
	return o, nil
}

// said returns the part of the command line that a section depends on.
func (o options) said(section string) string {
	s := fmt.Sprintf(" BENCH='-only %s -rounds %d", section, o.rounds)
	switch section {
	case "fairness":
		s += fmt.Sprintf(" -burst %d", o.burst)
	case "growth":
		s += fmt.Sprintf(" -pending %d", o.pending)
	case "soak":
		s += fmt.Sprintf(" -soak %s", o.soak)
	}
	return s + "'"
}

// write writes everything that is made of the results.
func write(o options, r *report.Results) error {
	if err := r.Save(filepath.Join(o.dir, "results.json")); err != nil {
		return err
	}
	files := map[string]string{"benchmarks.md": r.Markdown()}
	for name, svg := range r.Charts() {
		files[report.ChartFile(name)] = svg
	}
	scale := filepath.Join(o.docs, "scale.md")
	if page, err := os.ReadFile(scale); err == nil { //nolint:gosec // the caller's own
		if files["scale.md"], err = r.FillScale(string(page)); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(o.docs, name), []byte(text), 0o644); err != nil { //nolint:gosec // for all to read
			return err
		}
	}
	return nil
}
