package sqltest_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	pgxstore "github.com/rag-assistant/webhooks/store/sqlstore/pgx"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// throughPgBouncer are drivers that prepare no statements, by what tells them so.
func throughPgBouncer() map[string]string {
	return map[string]string{
		"default_query_exec_mode=exec":            "pgx",
		"default_query_exec_mode=simple_protocol": "pgx",
		"binary_parameters=yes":                   "postgres",
	}
}

// A store works through a pooler that lends a server for a transaction at a time, of which
// there are fewer than calls, and tells others from there; only to listen it refuses, in words.
func TestThroughPgBouncer(t *testing.T) {
	t.Parallel()
	address := sqltest.PgBouncer(t)
	for parameter, driver := range throughPgBouncer() {
		t.Run(parameter, func(t *testing.T) {
			t.Parallel()
			db, err := sql.Open(driver, address(parameter))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			s := newShop(t, db)
			wakes := s.watch(s.process(db, pgxstore.Listen(newPool(t, sqltest.URL(t)), nil)))

			tx := s.begin(sql.LevelReadCommitted)
			s.publish(s.In(tx), newEvent("one", "p"))
			require.NoError(t, tx.Commit())
			s.Wake()
			s.woken(wakes)
			s.publish(s, newEvent("two", "p"))
			require.ElementsMatch(t, []string{"one", "two"}, s.claim())
		})
	}
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, sqltest.Postgres(t, "pgx"))
		said := make(chan string, 100)
		listen := pgxstore.Listen(newPool(t, address("default_query_exec_mode=exec")), &pgxstore.ListenOptions{Logger: slog.New(slog.NewTextHandler(writer(said), nil))})
		s.publish(s, newEvent("zero", "p"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		st := s.process(s.db, listen)
		go func() { ended <- st.Watch(ctx, func() {}) }()
		require.Contains(t, <-said, "give Listen a pool with the server's own address")
		cancel()
		require.NoError(t, <-ended)
	})
}

// Random sequences of calls through a pooler, as `make sql` plays it.
func TestConformanceThroughPgBouncer(t *testing.T) {
	t.Parallel()
	if os.Getenv(allVariable) == "" {
		t.Skip(allVariable + " is not set")
	}
	address := sqltest.PgBouncer(t)
	for parameter, driver := range throughPgBouncer() {
		p := &sqltest.Pool{Driver: driver, Connections: 4, URL: address(parameter)}
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		t.Run(parameter, func(t *testing.T) {
			t.Parallel()
			storetest.RunDifferential(t, opener(p), 5)
		})
	}
}

// writer sends what is written.
type writer chan string

func (w writer) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
