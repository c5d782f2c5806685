package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFigure(t *testing.T) {
	t.Parallel()
	require.Equal(t, Figure{Median: 2, Min: 1, Max: 9, Rounds: []float64{9, 1, 2}}, NewFigure([]float64{9, 1, 2}))
	require.InDelta(t, 2.5, NewFigure([]float64{4, 1, 2, 3}).Median, 0)
	require.Zero(t, NewFigure(nil))
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 1: "1", 1.239: "1.24", 12.34: "12.3", 123.4: "123", 12345.6: "12,346", 0.01234: "0.0123", -1234567: "-1,234,567", 999.9: "1,000",
	} {
		require.Equal(t, want, number(v), "%f", v)
	}
}

// measured are results that meet every target by the given part of its limit.
func measured(part float64) *Results {
	r := &Results{Sections: map[string]Section{}}
	for _, goal := range targets() {
		s := r.Sections[goal.section]
		i := 0
		for i < len(s.Tables) && s.Tables[i].Key != goal.table {
			i++
		}
		if i == len(s.Tables) {
			s.Tables = append(s.Tables, Table{Key: goal.table, Title: goal.table})
		}
		value := goal.limit * part
		if !goal.least {
			value = goal.limit / part
		}
		if goal.limit == 0 && part < 1 {
			value = 1
		}
		s.Tables[i].Add(goal.row, goal.column, value)
		r.Sections[goal.section] = s
	}
	return r
}

func TestTargets(t *testing.T) {
	t.Parallel()
	n := len(targets())
	for part, want := range map[float64]struct{ yes, no int }{1: {n, 0}, 1.1: {n, 0}, 0.9: {0, n}} {
		page := measured(part).Markdown()
		require.Equal(t, want.yes, strings.Count(page, "| yes |"), "%f", part)
		require.Equal(t, want.no, strings.Count(page, "| **no** |"), "%f", part)
	}
	require.Equal(t, n, strings.Count((&Results{}).Markdown(), "| not run | |"))
}

// TestSectionsAreReplacedAlone saves one, and then another one beside it.
func TestSectionsAreReplacedAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results.json")
	r, err := Load(path)
	require.NoError(t, err)
	var first Table
	first.Key = "a"
	first.Add("row", "column", 1.23456)
	first.Add("row", "column", 3)
	first.NotRun("other", "no PostgreSQL")
	r.Sections["micro"] = Section{Tables: []Table{first}}
	require.NoError(t, r.Save(path))

	r, err = Load(path)
	require.NoError(t, err)
	r.Sections["soak"] = Section{Tables: []Table{{Key: "b"}}}
	require.NoError(t, r.Save(path))

	r, err = Load(path)
	require.NoError(t, err)
	f, ok := r.Figure("micro", "a", "row", "column")
	require.True(t, ok)
	require.Equal(t, NewFigure([]float64{1.235, 3}), f)
	page := r.Markdown()
	require.Contains(t, page, "| other | not run: no PostgreSQL |")
	require.Contains(t, page, "## Soak")
}

func TestNoFigureOfNothing(t *testing.T) {
	t.Parallel()
	var table Table
	zero := 0.0
	table.Add("row", "column", 1/zero)
	table.Add("row", "column", zero/zero)
	require.Empty(t, table.Rows)
}

func TestScale(t *testing.T) {
	t.Parallel()
	page := "before\n" + scaleBegin + "\nold\n" + scaleEnd + "\nafter\n"
	empty, err := (&Results{}).FillScale(page)
	require.NoError(t, err)
	require.Equal(t, "before\n"+scaleBegin+"\nNot measured yet.\n"+scaleEnd+"\nafter\n", empty)

	both, grown := Table{Key: "both"}, Table{Key: "redis"}
	row := RowRedis + ", 100 events a call"
	for column, v := range map[string]float64{RedisEach: 40, CPUEach: 100, BytesIn: 1500, BytesOut: 1300} {
		both.Add(row, column, v)
	}
	both.Add(RowRedis, RedisEach, 80)
	grown.Add("1,000,000 over 1,000", BytesEach, 476)
	full, err := (&Results{Sections: map[string]Section{"throughput": {Tables: []Table{both}}, "growth": {Tables: []Table{grown}}}}).FillScale(page)
	require.NoError(t, err)
	// 10,000 × 40 µs are 0.4 of a core, and half load allows 0.5; 2,800 bytes each
	// are 28 MB/s; 864 million times 1,500 bytes are kept.
	require.Contains(t, full, "| 10,000 | 864 M | 1 | 2 | 28 MB/s | 20.2 MB/s | 1,296 GB | 9,072 GB |")
	require.Contains(t, full, "it is 80 µs of Redis, so 2 times as many nodes")
	require.NotContains(t, full, "old")

	_, err = (&Results{}).FillScale("no place")
	require.Error(t, err)
}

func TestCharts(t *testing.T) {
	t.Parallel()
	drain, grown := Table{Key: "drain"}, Table{Key: "redis"}
	for _, v := range []float64{900, 1000, 1100} {
		drain.Add("<floor> & more", "deliveries/s", v)
	}
	for row, v := range map[string]float64{"1,000 over 1,000": 10, "1,000,000 over 1,000": 12} {
		grown.Add(row, "claim µs each", v)
	}
	r := &Results{Sections: map[string]Section{"throughput": {Tables: []Table{drain}}, "growth": {Tables: []Table{grown}}}}
	charts := r.Charts()
	require.Len(t, charts, 2)
	for name, svg := range charts {
		for dec := xml.NewDecoder(strings.NewReader(svg)); ; {
			_, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, name)
		}
	}
	require.Contains(t, charts["throughput"], "1,000</text>")
}

// TestPublishedPagesAreMade holds the pages in docs to the figures beside them.
func TestPublishedPagesAreMade(t *testing.T) {
	t.Parallel()
	r, err := Load("../../results.json")
	require.NoError(t, err)
	page, err := os.ReadFile("../../../docs/benchmarks.md")
	require.NoError(t, err)
	require.Equal(t, r.Markdown(), string(page), "run: cd bench && go run . -render")
	scale, err := os.ReadFile("../../../docs/scale.md")
	require.NoError(t, err)
	filled, err := r.FillScale(string(scale))
	require.NoError(t, err)
	require.Equal(t, filled, string(scale), "run: cd bench && go run . -render")
	for name, svg := range r.Charts() {
		file, err := os.ReadFile("../../../docs/" + ChartFile(name))
		require.NoError(t, err)
		require.Equal(t, svg, string(file))
	}
}
