package outbox

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
