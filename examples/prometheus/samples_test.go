package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"
)

// samples is what was scraped, as Prometheus keeps it.
type samples struct {
	now    time.Time
	series []*series
}

type series struct {
	labels labels.Labels
	values []chunks.Sample
}

// value is one sample.
type value struct {
	at int64
	v  float64
}

func (v value) T() int64                    { return v.at }
func (value) ST() int64                     { return 0 }
func (v value) F() float64                  { return v.v }
func (value) H() *histogram.Histogram       { return nil }
func (value) FH() *histogram.FloatHistogram { return nil }
func (value) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (v value) Copy() chunks.Sample         { return v }

// scrape adds what was exported as of now.
func (s *samples) scrape(t *testing.T, text []byte, contentType string) {
	t.Helper()
	p, err := textparse.New(text, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	require.NoError(t, err)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, v := p.Series()
		var l labels.Labels
		p.Labels(&l)
		i := slices.IndexFunc(s.series, func(o *series) bool { return labels.Equal(o.labels, l) })
		if i < 0 {
			i = len(s.series)
			s.series = append(s.series, &series{labels: l})
		}
		s.series[i].values = append(s.series[i].values, value{s.now.UnixMilli(), v})
	}
}

// names lists the metrics.
func (s *samples) names() []string {
	var out []string
	for _, one := range s.series {
		out = append(out, one.labels.Get(model.MetricNameLabel))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// requireNames requires that every metric and label of a query is exported.
func (s *samples) requireNames(t *testing.T, expr parser.Expr, shown map[string]bool) {
	t.Helper()
	var found []*series
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		matched := s.match(selector.LabelMatchers)
		require.NotEmpty(t, matched, "nothing is exported as %s", selector)
		found = append(found, matched...)
		shown[selector.Name] = true
		return nil
	})
	require.NotEmpty(t, found, "the query names no metric")
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if aggregate, ok := node.(*parser.AggregateExpr); ok {
			for _, name := range aggregate.Grouping {
				require.True(t, slices.ContainsFunc(found, func(one *series) bool { return one.labels.Has(name) }), "nothing has the label %s", name)
			}
		}
		return nil
	})
}

func (s *samples) match(matchers []*labels.Matcher) []*series {
	var out []*series
	for _, one := range s.series {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }) {
			out = append(out, one)
		}
	}
	return out
}

// Querier implements [storage.Queryable].
func (s *samples) Querier(_, _ int64) (storage.Querier, error) { return querier{s}, nil }

// querier ignores the bounds: the engine looks at the times itself.
type querier struct{ *samples }

func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return &seriesSet{list: q.match(matchers)}
}

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) Close() error { return nil }

type seriesSet struct {
	list    []*series
	current *series
}

func (s *seriesSet) Next() bool {
	if len(s.list) == 0 {
		return false
	}
	s.current, s.list = s.list[0], s.list[1:]
	return true
}

func (s *seriesSet) At() storage.Series {
	return storage.NewListSeries(s.current.labels, s.current.values)
}
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }
