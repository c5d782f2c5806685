package sqltest_test

import (
	"context"
	"database/sql"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
	pgxstore "github.com/rag-assistant/webhooks/store/sqlstore/pgx"
)

func newPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// Each way of pgx to run a query is a way to publish, with nothing seen before the commit.
func TestPublishInPgx(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			s := newShop(t, sqltest.Postgres(t, "pgx"))
			c, err := pgxpool.ParseConfig(sqltest.URL(t))
			require.NoError(t, err)
			c.ConnConfig.DefaultQueryExecMode = mode
			pool, err := pgxpool.NewWithConfig(t.Context(), c)
			require.NoError(t, err)
			t.Cleanup(pool.Close)
			tx, err := pool.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
			odd := store.NewEvent{ID: "odd\x00\xff'\\", Type: "a", Body: []byte(`{"a":"\\x'é\u0000"}`), Fingerprint: "\x00\xff", Trace: "t"}
			got := s.publish(pgxstore.In(s.Store, tx), newEvent("one", "p"), odd, newEvent("one", "p"), newEvent("one", "q"))
			require.Equal(t, []store.Published{{Deferred: true}, {Deferred: true}, {Duplicate: true}, {Conflict: true}}, got)
			_, err = pgxstore.In(s.Store, tx).Publish(t.Context(), "m", []store.NewEvent{{ID: "test", Type: "t", Test: "nobody"}})
			require.ErrorIs(t, err, store.ErrNotFound)
			require.Empty(t, s.claim(), "nothing is seen before the commit")
			require.NoError(t, tx.Commit(t.Context()), "no answer ends the transaction")
			require.Equal(t, []string{"one", odd.ID}, s.claim())
			e, err := s.Event(t.Context(), "m", odd.ID)
			require.NoError(t, err)
			require.Equal(t, odd.Body, e.Body)
		})
	}
}

// What the transaction cannot do is an error that the caller can tell apart.
func TestPublishInPgxFails(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	tx, err := newPool(t, sqltest.URL(t)).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select 1/0")
	require.Error(t, err)
	_, err = pgxstore.In(s.Store, tx).Publish(t.Context(), "m", []store.NewEvent{newEvent("one", "p")})
	require.ErrorContains(t, err, "25P02")
	require.NoError(t, tx.Rollback(t.Context()))
	_, err = pgxstore.In(s.Store, tx).Publish(t.Context(), "m", []store.NewEvent{newEvent("one", "p")})
	require.ErrorIs(t, err, pgx.ErrTxClosed)

	file := sqltest.OpenSQLite(t, sqltest.SQLite(t, 2), nil)
	_, err = pgxstore.In(file, tx).Publish(t.Context(), "m", []store.NewEvent{newEvent("one", "p")})
	require.ErrorContains(t, err, "use Store.In")
}

// process is a store of the same schema as a shop's, as in another process.
func (s shop) process(db *sql.DB, listen sqlstore.ListenFunc) *sqlstore.Store {
	s.Helper()
	st, err := sqlstore.Open(s.Context(), db, &sqlstore.Options{Schema: s.schema, PollInterval: time.Hour, Listen: listen})
	require.NoError(s, err)
	return st
}

// watch counts a store's wake-ups, beginning with those of its own making.
func (s shop) watch(st *sqlstore.Store) (wakes chan time.Time) {
	s.Helper()
	wakes = make(chan time.Time, 1000)
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- st.Watch(ctx, func() { wakes <- time.Now() }) }()
	s.Cleanup(func() {
		cancel()
		require.NoError(s, <-ended)
	})
	s.woken(wakes) // It has begun to watch,
	s.woken(wakes) // and to listen.
	return wakes
}

func (s shop) woken(wakes <-chan time.Time) time.Time {
	s.Helper()
	select {
	case at := <-wakes:
		return at
	case <-time.After(10 * time.Second):
		s.Fatal("nobody was woken")
		return time.Time{}
	}
}

// listeners ends the sessions that listen for a shop, and counts them.
const listeners = `select count(*) filter (where pg_terminate_backend(a.pid)) from pg_stat_activity a
	where exists (select 1 from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.granted and l.mode = 'ShareLock'
		and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended($1, 7313))`

// A store without pgx wakes one in another process, for what it does and for what a
// transaction of the caller's has committed. When the connection is cut off, another one takes its place.
func TestListen(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	wakes := s.watch(s.process(s.db, pgxstore.Listen(newPool(t, sqltest.URL(t)), &pgxstore.ListenOptions{CheckInterval: time.Millisecond})))
	other := s.process(sqltest.Postgres(t, "postgres"), nil)

	s.publish(other, newEvent("one", "p"))
	s.woken(wakes)
	tx := s.begin(sql.LevelReadCommitted)
	s.publish(other.In(tx), newEvent("two", "p"))
	require.NoError(t, tx.Commit())
	other.Wake()
	s.woken(wakes)

	var cut int
	require.NoError(t, s.db.QueryRowContext(t.Context(), listeners, s.schema+"_wake").Scan(&cut))
	require.Equal(t, 1, cut)
	s.woken(wakes) // It listens again, and looks what it has missed.
	s.publish(other, newEvent("three", "p"))
	s.woken(wakes)
}

// A store does not hear itself, and tells nobody of a commit that somebody else's schema has.
func TestListenToOthersOnly(t *testing.T) {
	t.Parallel()
	s, stranger := newShop(t, sqltest.Postgres(t, "pgx")), newShop(t, sqltest.Postgres(t, "pgx"))
	pool := newPool(t, sqltest.URL(t))
	st := s.process(s.db, pgxstore.Listen(pool, nil))
	wakes := s.watch(st)
	stranger.watch(stranger.process(stranger.db, pgxstore.Listen(pool, nil))) // So its bell rings.
	stranger.Wake()
	st.Wake()
	s.woken(wakes)              // in the process
	s.process(s.db, nil).Wake() // the next message of the channel
	s.woken(wakes)
	require.Empty(t, wakes)
	require.Zero(t, pool.Stat().TotalConns(), "a connection that listens is none of the pool's")
}

// A dead server is a warning, and the poll goes on.
func TestListenWithoutServer(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	s.publish(s, newEvent("zero", "p")) // So the first poll finds something.
	warned := make(chan string, 100)
	listen := pgxstore.Listen(newPool(t, "postgres://127.0.0.1:1/none"), &pgxstore.ListenOptions{Logger: slog.New(slog.NewTextHandler(writer(warned), nil))})
	st, err := sqlstore.Open(t.Context(), s.db, &sqlstore.Options{Schema: s.schema, PollInterval: time.Millisecond, Listen: listen})
	require.NoError(t, err)
	wakes := s.watch(st) // The second one is of the first poll.
	require.Contains(t, <-warned, "webhook store does not listen")
	s.publish(s, newEvent("one", "p"))
	s.woken(wakes)
	require.Contains(t, <-warned, "webhook store does not listen")
}
