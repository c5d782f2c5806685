package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Order is that of the sections.
func Order() []string {
	return []string{"micro", "throughput", "latency", "fairness", "growth", "shards", "soak"}
}

const preamble = `# Benchmarks

Made by ` + "`make bench`" + `, which measures, keeps the figures in
[bench/results.json](../bench/results.json) and writes this page; nothing here is typed by hand. Each section says when
and on what it was measured.

## Method

- A figure is the median over rounds, with the least and the most of them in brackets. The cases of a table take turns
  within each round. A ratio is computed within a round, and the median taken of the ratios: machines drift, so trust
  ratios more than absolutes.
- The floor is a loop that signs a body and posts it, with a tuned http.Client, as many at once as the others, and no store
  behind it. Nothing that delivers with net/http can be faster.
- The receiver is a process of its own, and so are senders, Redis and PostgreSQL, all on one machine. It reads HTTP/1.1
  with a few lines of its own code and answers at once; the column "receiver" says how much of one core it took. On two
  cores that is taken from every sender alike.
- Events are 1 KiB. Bodies carry the time of publishing, and the receiver takes the time of arrival by the same clock.
- A rate is taken by the receiver between its 10th and its 95th percent of requests: warm-up and run-out do not count.
- Settings of all senders: the same number of posts at once, kept-alive connections for all of them, HTTP/1.1, 10 seconds
  of time-out, Go's default GC. Redis writes its append-only file, fsync every second unless a row says otherwise.
  PostgreSQL has its defaults. River fetches every millisecond instead of every 100; asynq has its defaults.
- asynq and River do less: they keep no log of attempts, no order between tenants and no bound per endpoint.

`

// Markdown writes docs/benchmarks.md.
func (r *Results) Markdown() string {
	var b strings.Builder
	b.WriteString(preamble)
	r.writeTargets(&b)
	for _, name := range Order() {
		s, ok := r.Sections[name]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "## %s\n\nMeasured %s with `%s`, on %s.\n\n", title(name), s.Measured, s.Command, s.Machine.text())
		for _, t := range s.Tables {
			t.write(&b)
		}
		if chart, ok := r.Charts()[name]; ok && chart != "" {
			fmt.Fprintf(&b, "![%s](%s)\n\n", title(name), ChartFile(name))
		}
	}
	b.WriteString(comparing)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

const comparing = `## Comparing

` + "`make bench-compare`" + ` measures signing and verifying again and shows it beside [bench/micro.txt](../bench/micro.txt)
with benchstat. ` + "`make bench BENCH='-only latency -rounds 3'`" + ` measures one section anew and leaves the rest of this
page as it was.
`

func (r *Results) writeTargets(b *strings.Builder) {
	b.WriteString("## Targets\n\n| what | target | measured | met |\n|---|---|---|---|\n")
	for _, t := range targets() {
		f, ok := r.Figure(t.section, t.table, t.row, t.column)
		if !ok {
			fmt.Fprintf(b, "| %s | %s | not run | |\n", t.what, t.text())
			continue
		}
		met := "**no**"
		if t.met(f) {
			met = "yes"
		}
		fmt.Fprintf(b, "| %s | %s | %s%s | %s |\n", t.what, t.text(), f.text(), t.unit, met)
	}
	b.WriteString("| no delivery is lost to killed workers and a killed Redis | 0 lost | see [chaos.md](chaos.md) | |\n\n" +
		"[Where the time goes](profile.md) says of those that are missed what a profile shows and what was tried.\n\n")
}

func (t *Table) write(b *strings.Builder) {
	fmt.Fprintf(b, "### %s\n\n", t.Title)
	if t.Note != "" {
		b.WriteString(t.Note + "\n\n")
	}
	fmt.Fprintf(b, "| %s | %s |\n|%s\n", t.Head, strings.Join(t.Columns, " | "), strings.Repeat("---|", len(t.Columns)+1))
	for _, row := range t.Rows {
		fmt.Fprintf(b, "| %s |", row.Name)
		for i, c := range t.Columns {
			f, ok := row.Figures[c]
			switch {
			case ok:
				fmt.Fprintf(b, " %s |", f.text())
			case i == 0 && row.Note != "":
				fmt.Fprintf(b, " %s |", row.Note)
			default:
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

func title(section string) string { return strings.ToUpper(section[:1]) + section[1:] }

func (m Machine) text() string {
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		versions = append(versions, strings.TrimPrefix(name, "github.com/")+" "+m.Versions[name])
	}
	return fmt.Sprintf("%d × %s, %d GB, Linux %s, load before %s; %s", m.Cores, m.CPU, m.MemoryGB, m.Kernel, m.Load, strings.Join(versions, ", "))
}
