// Package sqltest opens databases for the tests of package sqlstore. It is a module of its
// own, so that the drivers stay out of the module that users import.
package sqltest

import (
	"database/sql"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "github.com/lib/pq"              // the driver "postgres"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/sqlstore"
)

const (
	urlVariable     = "WEBHOOK_TEST_POSTGRES_URL"
	requireVariable = "WEBHOOK_TEST_REQUIRE_POSTGRES"
)

var schemas atomic.Int64

// Postgres opens the database that the environment names, through a driver.
func Postgres(tb testing.TB, driver string) *sql.DB {
	tb.Helper()
	url := os.Getenv(urlVariable)
	if url == "" {
		if os.Getenv(requireVariable) != "" {
			tb.Fatal(urlVariable + " is not set; run the tests with tools/with-postgres.sh")
		}
		tb.Skip(urlVariable + " is not set; tools/with-postgres.sh starts a PostgreSQL for tests")
	}
	db, err := sql.Open(driver, url)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// Open makes a store in a schema of its own.
func Open(tb testing.TB, db *sql.DB, now func() time.Time) *sqlstore.Store {
	tb.Helper()
	o := &sqlstore.Options{Schema: fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1)), Now: now}
	require.NoError(tb, sqlstore.Migrate(tb.Context(), db, o))
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("look into schema %s", o.Schema)
			return
		}
		_, err := db.Exec("drop schema " + o.Schema + " cascade") //nolint:noctx // The test's context has ended.
		require.NoError(tb, err)
	})
	st, err := sqlstore.Open(tb.Context(), db, o)
	require.NoError(tb, err)
	return st
}
