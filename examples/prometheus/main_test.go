package main

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// dashboard is what the test reads of a Grafana dashboard.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
}

type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource source
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		RefID      string
		Expr       string
		Datasource source
	}
}

type source struct{ Type, UID string }

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// TestDashboardIsWellFormed looks at what Grafana needs to import and draw it.
func TestDashboardIsWellFormed(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	require.NotEmpty(t, d.UID)
	require.NotEmpty(t, d.Title)
	require.Positive(t, d.SchemaVersion)
	require.Equal(t, "datasource", d.Templating.List[0].Name)
	require.Equal(t, "prometheus", d.Templating.List[0].Query)
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], "two panels have the id %d", p.ID)
		ids[p.ID] = true
		require.Contains(t, []string{"timeseries", "stat"}, p.Type)
		require.Equal(t, source{"prometheus", "${datasource}"}, p.Datasource)
		require.NotEmpty(t, p.Targets, p.Title)
		var refs []string
		for _, target := range p.Targets {
			require.NotContains(t, refs, target.RefID, p.Title)
			refs = append(refs, target.RefID)
			require.Equal(t, p.Datasource, target.Datasource)
		}
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Empty(t, taken[at], "%s is over another panel", p.Title)
				taken[at] = p.Title
			}
		}
	}
}

// TestDashboardShowsWhatIsExported evaluates every query of the dashboard over what
// the program exports in a minute of fake time.
func TestDashboardShowsWhatIsExported(t *testing.T) {
	t.Parallel()
	db := load(t)
	parse := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parse})
	shown := map[string]bool{}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			query := strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h").Replace(target.Expr)
			require.NotContains(t, query, "$")
			expr, err := parse.ParseExpr(query)
			require.NoError(t, err, p.Title)
			db.requireNames(t, expr, shown)
			t.Run(p.Title+"/"+target.RefID, func(t *testing.T) {
				t.Parallel()
				q, err := engine.NewInstantQuery(t.Context(), db, nil, query, db.now)
				require.NoError(t, err)
				defer q.Close()
				vector, err := q.Exec(t.Context()).Vector()
				require.NoError(t, err)
				require.NotEmpty(t, vector, "%s finds nothing", query)
				for _, s := range vector {
					require.False(t, math.IsNaN(s.F) || math.IsInf(s.F, 0), "%s is %v", query, s.F)
					require.GreaterOrEqual(t, s.F, 0.0)
				}
			})
		}
	}
	for _, name := range db.names() {
		if name == "target_info" {
			continue
		}
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
		known := slices.ContainsFunc([]string{name, base, base + "_bucket", base + "_count"}, func(n string) bool { return shown[n] })
		require.True(t, known, "no panel shows %s", name)
	}
}

// load makes five rounds and scrapes after each, a quarter of a minute apart.
func load(t *testing.T) *samples {
	t.Helper()
	tel, metrics, err := newMetrics()
	require.NoError(t, err)
	d, err := newDemo(t.Context(), tel)
	require.NoError(t, err)
	defer d.close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- d.disp.Run(ctx) }()
	db := &samples{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for range 5 {
		require.NoError(t, d.round(ctx))
		d.settle(t)
		w := httptest.NewRecorder()
		metrics.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
		require.Equal(t, http.StatusOK, w.Code)
		db.now = db.now.Add(15 * time.Second)
		db.scrape(t, w.Body.Bytes(), w.Header().Get("Content-Type"))
		require.NotContains(t, w.Body.String(), "merchant_")
		require.NotContains(t, w.Body.String(), "http://")
	}
	cancel()
	require.NoError(t, <-stopped)
	return db
}

// settle waits until nothing is pending any more.
func (d *demo) settle(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		b, err := d.store.Backlog(t.Context())
		require.NoError(t, err)
		if b.Pending == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			require.FailNow(t, "deliveries are pending for ever")
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, ln, time.Millisecond) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/metrics")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	cancel()
	require.NoError(t, <-ended)
}
