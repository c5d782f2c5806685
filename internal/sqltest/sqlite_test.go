package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

func openDSN(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestUnfitSQLite(t *testing.T) {
	t.Parallel()
	file := "file:" + filepath.Join(t.TempDir(), "webhooks.db")
	for _, c := range []struct{ name, dsn, says string }{
		{"memory", ":memory:?_pragma=busy_timeout(5000)", "the database has no file"},
		{"no timeout", file, "_pragma=busy_timeout(5000)"},
		{"not durable", file + "?_pragma=busy_timeout(5000)&_pragma=synchronous(normal)", "synchronous is less than full"},
		{"not migrated", file + "?_pragma=busy_timeout(5000)&_pragma=synchronous(full)", "call Migrate first"},
	} {
		db := openDSN(t, c.dsn)
		_, err := sqlstore.Open(t.Context(), db, nil)
		require.ErrorContains(t, err, c.says, c.name)
	}
}

func TestOpenSetsJournalMode(t *testing.T) {
	t.Parallel()
	db := sqltest.SQLite(t, 1)
	st := sqltest.OpenSQLite(t, db, nil)
	var mode string
	require.NoError(t, db.QueryRowContext(t.Context(), "pragma journal_mode").Scan(&mode))
	require.Equal(t, "wal", mode)
	info, err := st.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, sqlstore.SQLite, info.Dialect)
	require.Contains(t, info.Durability, "nothing is lost when a process or the power fails")
}

func TestMigrateSQLiteTwice(t *testing.T) {
	t.Parallel()
	db := sqltest.SQLite(t, 8)
	errs := make(chan error)
	for range 4 {
		go func() { errs <- sqlstore.Migrate(context.Background(), db, nil) }()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
	a := sqltest.OpenSQLite(t, db, nil)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, &sqlstore.Options{Schema: "other"}))
	b, err := sqlstore.Open(t.Context(), db, &sqlstore.Options{Schema: "other"})
	require.NoError(t, err)
	_, err = a.CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk"}, 0)
	require.NoError(t, err)
	_, err = b.Webhook(t.Context(), "m", "whk")
	require.ErrorIs(t, err, store.ErrNotFound, "stores with other prefixes do not see each other")
}

// newShopIn makes a store in a database of SQLite.
func newShopIn(t *testing.T, db *sql.DB) shop {
	t.Helper()
	s := shop{t, sqltest.OpenSQLite(t, db, nil), db, ""}
	_, err := s.CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk", Events: []string{"*"}, Status: store.Active}, 0)
	require.NoError(t, err)
	return s
}

func TestPublishInATransactionOfSQLite(t *testing.T) {
	t.Parallel()
	s := newShopIn(t, sqltest.SQLite(t, 8))
	s.publish(s, newEvent("old", "p"))
	require.Equal(t, []string{"old"}, s.claim())
	tx := s.begin(sql.LevelDefault)
	got := s.publish(s.In(tx), newEvent("one", "p"), newEvent("two", "p"), newEvent("one", "p"), newEvent("one", "q"), newEvent("old", "p"), newEvent("old", "q"))
	require.Equal(t, []store.Published{{Deferred: true}, {Deferred: true}, {Duplicate: true}, {Conflict: true}, {Duplicate: true}, {Conflict: true}}, got)
	require.Equal(t, []store.Published{{Duplicate: true}}, s.publish(s.In(tx), newEvent("one", "p")))
	_, err := s.In(tx).Publish(t.Context(), "m", []store.NewEvent{{ID: "test", Type: "t", Test: "nobody"}})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Empty(t, s.claim(), "nothing is seen before the commit")
	require.NoError(t, tx.Commit(), "no answer ends the transaction")
	require.Equal(t, []string{"one", "two"}, s.claim())

	lost := s.begin(sql.LevelDefault)
	s.publish(s.In(lost), newEvent("three", "p"))
	require.NoError(t, lost.Rollback())
	require.Empty(t, s.claim(), "nothing is seen after a rollback")
	_, err = s.In(s.db).Publish(t.Context(), "m", []store.NewEvent{newEvent("four", "p")})
	require.ErrorContains(t, err, "*sql.DB", "a pool is no transaction")
}

// While a transaction is open that has published, who reads goes on, and who writes waits for
// as long as busy_timeout says.
func TestAnOpenTransactionIsTheWriter(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhooks.db")
	s := newShopIn(t, sqltest.SQLiteFile(t, file, 8))
	hasty := openDSN(t, "file:"+file+"?_pragma=busy_timeout(1)&_pragma=synchronous(full)")
	st, err := sqlstore.Open(t.Context(), hasty, nil)
	require.NoError(t, err)

	tx := s.begin(sql.LevelDefault)
	s.publish(s.In(tx), newEvent("held", "p"))
	_, err = st.Publish(t.Context(), "m", []store.NewEvent{newEvent("plain", "p")})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = st.Webhook(t.Context(), "m", "whk")
	require.NoError(t, err)
	_, err = st.Claim(t.Context(), store.ClaimRequest{Limit: 1, Lease: time.Minute, PerWebhook: 1})
	require.NoError(t, err, "a claim that finds nothing does not write")

	waits := make(chan error)
	go func() {
		_, err := s.Publish(context.Background(), "m", []store.NewEvent{newEvent("patient", "p")})
		waits <- err
	}()
	require.NoError(t, tx.Commit())
	require.NoError(t, <-waits)
	require.ElementsMatch(t, []string{"held", "patient"}, s.claim())
}

// Of what shares a transaction, each call that fails fails for itself.
func TestSharedTransactionOfSQLite(t *testing.T) {
	t.Parallel()
	s := newShopIn(t, sqltest.SQLite(t, 8))
	const callers = 64
	errs := make(chan error)
	for i := range callers {
		go func() {
			if i%2 == 0 {
				_, err := s.Publish(context.Background(), "m", []store.NewEvent{newEvent(fmt.Sprint("evt_", i), "p")})
				errs <- err
				return
			}
			err := s.CommitSeen(context.Background(), "scope", fmt.Sprint(i), "nobody", nil, time.Hour)
			if errors.Is(err, store.ErrStale) {
				err = nil
			} else if err == nil {
				err = errors.New("committed what nobody holds")
			}
			errs <- err
		}()
	}
	for range callers {
		require.NoError(t, <-errs)
	}
	require.Len(t, s.claim(), callers/2)
}

// A caller that waits for the writer and goes leaves the others alone.
func TestCallerThatGoes(t *testing.T) {
	t.Parallel()
	s := newShopIn(t, sqltest.SQLite(t, 2))
	held, err := s.db.Conn(t.Context()) // With the transaction's they are all.
	require.NoError(t, err)
	tx := s.begin(sql.LevelDefault)
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	for range 2 {
		go func() {
			_, err := s.Publish(ctx, "m", []store.NewEvent{newEvent("gone", "p")})
			waits <- err
		}()
	}
	cancel()
	for range 2 {
		require.ErrorIs(t, <-waits, context.Canceled)
	}
	require.NoError(t, held.Close())
	require.NoError(t, tx.Rollback())
	s.publish(s, newEvent("here", "p"))
	require.Equal(t, []string{"here"}, s.claim())
}

func TestReadOnlySQLiteIsUnavailable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhooks.db")
	newShopIn(t, sqltest.SQLiteFile(t, file, 1))
	db := openDSN(t, "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=synchronous(full)&_pragma=query_only(1)")
	st, err := sqlstore.Open(t.Context(), db, nil)
	require.NoError(t, err)
	_, err = st.Publish(t.Context(), "m", []store.NewEvent{newEvent("evt", "p")})
	require.ErrorIs(t, err, store.ErrUnavailable)
}

func TestFullSQLiteIsUnavailable(t *testing.T) {
	t.Parallel()
	db := sqltest.SQLite(t, 1)
	s := newShopIn(t, db)
	_, err := db.ExecContext(t.Context(), "pragma max_page_count = 1") // It becomes as many as there are.
	require.NoError(t, err)
	big := store.NewEvent{ID: "big", Type: "a", Body: make([]byte, 1<<20)}
	_, err = s.Publish(t.Context(), "m", []store.NewEvent{big})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = db.ExecContext(t.Context(), "pragma max_page_count = 100000")
	require.NoError(t, err)
	_, err = s.Publish(t.Context(), "m", []store.NewEvent{big})
	require.NoError(t, err, "the connection is in order")
}

// Watch tells of what another store does on the file.
func TestWatchOfSQLite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhooks.db")
	s := newShopIn(t, sqltest.SQLiteFile(t, file, 2))
	st, err := sqlstore.Open(t.Context(), sqltest.SQLiteFile(t, file, 2), &sqlstore.Options{PollInterval: time.Millisecond})
	require.NoError(t, err)
	woken := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- st.Watch(ctx, func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
	}()
	<-woken
	s.publish(s, newEvent("evt", "p"))
	<-woken
	cancel()
	require.NoError(t, <-ended)
}

// TestAPageLooksAtSoMuch asks a long log for what is not in it.
func TestAPageLooksAtSoMuch(t *testing.T) {
	t.Parallel()
	st := sqltest.OpenSQLite(t, sqltest.SQLite(t, 1), nil)
	_, err := st.CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk", Events: []string{"a"}, Status: store.Active}, 0)
	require.NoError(t, err)
	events := make([]store.NewEvent, 1200)
	for i := range events {
		id := fmt.Sprint("evt_", i)
		events[i] = store.NewEvent{ID: id, Type: "a", Body: []byte("{}"), Fingerprint: id}
	}
	_, err = st.Publish(t.Context(), "m", events)
	require.NoError(t, err)
	for _, q := range []store.DeliveryQuery{{Limit: 10, EventType: "none"}, {Limit: 10, Status: store.DeliveryFailed}} {
		pages := 0
		for more := true; more; more = q.Cursor != "" {
			page, err := st.Deliveries(t.Context(), "m", "whk", q)
			require.NoError(t, err)
			require.Empty(t, page.Deliveries)
			q.Cursor = page.Next
			pages++
		}
		require.Greater(t, pages, 2)
	}
}
