// Package sqltest opens databases for the tests of packages sqlstore and outbox. It is a module of its
// own, so that the drivers stay out of the module that users import.
package sqltest

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"       // the driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib"       // the driver "pgx"
	_ "github.com/lib/pq"                    // the driver "postgres"
	_ "github.com/ncruces/go-sqlite3/driver" // the driver "sqlite3"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/rag-assistant/webhooks/store/sqlstore"
)

const (
	urlVariable     = "WEBHOOK_TEST_POSTGRES_URL"
	requireVariable = "WEBHOOK_TEST_REQUIRE_POSTGRES"
)

// Postgres opens the database that the environment names, through a driver.
func Postgres(tb testing.TB, driver string) *sql.DB {
	tb.Helper()
	db, err := sql.Open(driver, URL(tb))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// URL is where the database is that the environment names.
func URL(tb testing.TB) string {
	tb.Helper()
	url := os.Getenv(urlVariable)
	if url == "" {
		if os.Getenv(requireVariable) != "" {
			tb.Fatal(urlVariable + " is not set; run the tests with tools/with-postgres.sh")
		}
		tb.Skip(urlVariable + " is not set; tools/with-postgres.sh starts a PostgreSQL for tests")
	}
	return url
}

// SQLite opens a file of the test's, with up to that many connections.
func SQLite(tb testing.TB, connections int) *sql.DB {
	tb.Helper()
	return SQLiteFile(tb, filepath.Join(tb.TempDir(), "webhooks.db"), connections)
}

// SQLiteBy opens a file of the test's through another driver.
func SQLiteBy(tb testing.TB, driver string, connections int) *sql.DB {
	tb.Helper()
	return open(tb, driver, filepath.Join(tb.TempDir(), "webhooks.db"), connections)
}

// DSN is how a file of SQLite is opened for a store.
func DSN(file string) string {
	return "file:" + file + "?_pragma=busy_timeout(5000)&_pragma=synchronous(full)&_txlock=immediate"
}

// SQLiteFile opens a file.
func SQLiteFile(tb testing.TB, file string, connections int) *sql.DB {
	tb.Helper()
	return open(tb, "sqlite", file, connections)
}

func open(tb testing.TB, driver, file string, connections int) *sql.DB {
	tb.Helper()
	db, err := sql.Open(driver, DSN(file))
	require.NoError(tb, err)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// OpenSQLite makes a store in a database of SQLite.
func OpenSQLite(tb testing.TB, db *sql.DB, now func() time.Time) *sqlstore.Store {
	tb.Helper()
	o := &sqlstore.Options{Now: now}
	require.NoError(tb, sqlstore.Migrate(tb.Context(), db, o))
	st, err := sqlstore.Open(tb.Context(), db, o)
	require.NoError(tb, err)
	return st
}

// Open makes a store in a schema of its own.
func Open(tb testing.TB, db *sql.DB, now func() time.Time) *sqlstore.Store {
	tb.Helper()
	st, _ := OpenSchema(tb, db, now)
	return st
}

// OpenSchema is Open for who opens the same schema again.
func OpenSchema(tb testing.TB, db *sql.DB, now func() time.Time) (st *sqlstore.Store, schema string) {
	tb.Helper()
	o := &sqlstore.Options{Schema: "test_" + strings.ToLower(rand.Text()[:16]), Now: now}
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
	return st, o.Schema
}

// Pool keeps schemas that tests have left empty again, with the connections whose plans know
// them: to make one takes longer than most tests.
type Pool struct {
	Driver      string
	Connections int
	URL         string // Defaults to that of the environment.

	mu   sync.Mutex
	free []pooled
}

type pooled struct {
	db     *sql.DB
	schema string
}

// Open makes a store in an empty schema.
func (p *Pool) Open(tb testing.TB, now func() time.Time) *sqlstore.Store {
	tb.Helper()
	st, _, _ := p.OpenTables(tb, now)
	return st
}

// OpenTables is Open for who looks behind the store too: at the tables of a schema.
func (p *Pool) OpenTables(tb testing.TB, now func() time.Time) (*sqlstore.Store, *sql.DB, string) {
	tb.Helper()
	s, ok := p.take()
	if !ok {
		s = pooled{p.connect(tb), "test_" + strings.ToLower(rand.Text()[:16])}
		require.NoError(tb, sqlstore.Migrate(tb.Context(), s.db, &sqlstore.Options{Schema: s.schema}))
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("look into schema %s", s.schema)
			return
		}
		_, err := s.db.Exec(fmt.Sprintf(clean, s.schema)) //nolint:noctx // The test's context has ended.
		require.NoError(tb, err)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = append(p.free, s)
	})
	st, err := sqlstore.Open(tb.Context(), s.db, &sqlstore.Options{Schema: s.schema, Now: now})
	require.NoError(tb, err)
	return st, s.db, s.schema
}

// clean empties all tables of a schema but two.
const clean = `do $$ begin execute (
	select 'truncate ' || string_agg(format('%%I.%%I', schemaname, tablename), ', ') from pg_tables
	where schemaname = '%s' and tablename not in ('meta', 'migration')); end $$`

func (p *Pool) take() (s pooled, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok = len(p.free) > 0; ok {
		s, p.free = p.free[len(p.free)-1], p.free[:len(p.free)-1]
	}
	return s, ok
}

func (p *Pool) connect(tb testing.TB) *sql.DB {
	tb.Helper()
	url := p.URL
	if url == "" {
		url = URL(tb)
	}
	db, err := sql.Open(p.Driver, url)
	require.NoError(tb, err)
	db.SetMaxOpenConns(p.Connections)
	db.SetMaxIdleConns(p.Connections)
	return db
}

// Close drops the schemas.
func (p *Pool) Close() error {
	var errs []error
	for s, ok := p.take(); ok; s, ok = p.take() {
		_, err := s.db.Exec("drop schema " + s.schema + " cascade") //nolint:noctx // All tests have ended.
		errs = append(errs, err, s.db.Close())
	}
	return errors.Join(errs...)
}

// MariaDB opens the database that the environment names.
func MariaDB(tb testing.TB) *sql.DB {
	tb.Helper()
	dsn := os.Getenv("WEBHOOK_TEST_MARIADB_DSN")
	if dsn == "" {
		if os.Getenv("WEBHOOK_TEST_REQUIRE_MARIADB") != "" {
			tb.Fatal("WEBHOOK_TEST_MARIADB_DSN is not set; run the tests with tools/with-mariadb.sh")
		}
		tb.Skip("WEBHOOK_TEST_MARIADB_DSN is not set; tools/with-mariadb.sh starts a MariaDB for tests")
	}
	db, err := sql.Open("mysql", dsn)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}
