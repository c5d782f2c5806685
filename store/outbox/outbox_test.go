package outbox

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

func TestDialectOf(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]Dialect{
		"PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64": Postgres,
		"PostgreSQL 18beta1 on x86_64":                        Postgres,
		"PostgreSQL 12.9 on x86_64":                           "",
		"8.0.36":                                              MySQL,
		"9.4.0-commercial":                                    MySQL,
		"5.7.44-log":                                          "",
		"10.11.19-MariaDB-0+deb12u1":                          MySQL,
		"10.5.29-MariaDB":                                     "",
		"CockroachDB CCL v25.1":                               "",
	} {
		d, err := dialectOf(version)
		require.Equal(t, want, d, version)
		require.Equal(t, want == "", err != nil, version)
	}
}

// TestJudge has failures that are an event's, and such that may be the store's.
func TestJudge(t *testing.T) {
	t.Parallel()
	fails := result{err: errors.New("boom")}
	away := result{err: store.ErrUnavailable}
	r := &Relay{opts: RelayOptions{MaxTries: 3}}
	for _, tt := range []struct {
		name      string
		merchants string // one letter each
		tries     int
		results   []result
		state     []int
		outage    bool
	}{
		{"others go through", "aab", 2, []result{{}, fails, {}}, []int{relayed, setAside, relayed}, false},
		{"not yet", "ab", 1, []result{{}, fails}, []int{relayed, waiting}, false},
		{"everybody fails", "ab", 99, []result{fails, fails}, []int{waiting, waiting}, true},
		{"the store is away", "a", 99, []result{away}, []int{waiting}, true},
		{"alone", "a", 99, []result{fails}, []int{waiting}, true},
		{"refused", "a", 0, []result{{errors.New("no"), true}}, []int{setAside}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			records := make([]record, len(tt.results))
			for i := range records {
				records[i].merchant, records[i].tries = tt.merchants[i:i+1], tt.tries
			}
			verdicts, err := r.judge(records, tt.results)
			require.Equal(t, tt.outage, err != nil)
			for i, v := range verdicts {
				require.Equal(t, tt.state[i], v.state, "%d", i)
			}
		})
	}
}

type panicky struct{ Service }

func (panicky) PublishPrepared(context.Context, string, []store.NewEvent) ([]store.Published, error) {
	panic("boom")
}

func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	r := &Relay{svc: panicky{}, opts: RelayOptions{Logger: slog.New(slog.DiscardHandler)}}
	results := r.publish(t.Context(), []record{{merchant: "a"}, {merchant: "a"}, {merchant: "b"}})
	for _, res := range results {
		require.ErrorContains(t, res.err, "the service panicked: boom")
		require.False(t, res.refused)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	at := func() time.Time { return time.UnixMilli(7) }
	for d, want := range map[Dialect]string{
		Postgres: `update "s".outbox set due = 7 + $1 where id in ($2, $3)`,
		MySQL:    "update s_outbox set due = 7 + ? where id in (?, ?)",
		SQLite:   "update s_outbox set due = 7 + ? where id in (?, ?)",
	} {
		b := Box{opts: Options{Dialect: d, Schema: "s", Now: at}}
		require.Equal(t, want, b.text("update @outbox set due = @now + ? where id in (@ids)", 2))
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []*Options{{Dialect: "oracle"}, {Schema: "a-b"}, {Schema: "pg_a"}} {
		_, err := New(&sql.DB{}, o)
		require.Error(t, err)
	}
	_, err := New(nil, nil)
	require.ErrorContains(t, err, "must not be nil")
	_, err = NewRelay(nil, nil, &RelayOptions{Batch: 501})
	require.ErrorContains(t, err, "must not be nil")
	require.ErrorContains(t, err, "at most 500")
}
