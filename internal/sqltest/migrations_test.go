package sqltest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// onDialects runs a test on an empty schema of each.
func onDialects(t *testing.T, f func(t *testing.T, db *sql.DB, o sqlstore.Options)) {
	t.Helper()
	for _, d := range []sqlstore.Dialect{sqlstore.Postgres, sqlstore.SQLite} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			o := sqlstore.Options{Dialect: d, Schema: "test_" + strings.ToLower(rand.Text()[:16])}
			if d == sqlstore.SQLite {
				f(t, sqltest.SQLite(t, 2), o)
				return
			}
			db := sqltest.Postgres(t, "pgx")
			t.Cleanup(func() {
				_, err := db.Exec("drop schema if exists " + o.Schema + " cascade")
				require.NoError(t, err)
			})
			f(t, db, o)
		})
	}
}

// apply runs the files of Migrations as a tool does: each in a transaction with a row of its
// own table.
func apply(t *testing.T, db *sql.DB, o sqlstore.Options) {
	t.Helper()
	files, err := sqlstore.Migrations(&o)
	require.NoError(t, err)
	names, err := fs.Glob(files, "*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	require.NoError(t, fstest.TestFS(files, names...))
	tool := o.Schema + "_tool"
	_, err = db.ExecContext(t.Context(), "create table "+tool+" (name text)")
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = db.Exec("drop table " + tool) })
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), string(text))
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "insert into "+tool+" values ('"+name+"')")
		require.NoError(t, err, "the tool finds its own table")
		require.NoError(t, tx.Commit())
	}
}

// What a tool applies is what Migrate makes, in both orders.
func TestMigrations(t *testing.T) {
	t.Parallel()
	onDialects(t, func(t *testing.T, db *sql.DB, o sqlstore.Options) {
		t.Helper()
		apply(t, db, o)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, &o), "it does nothing")
		c := newClock()
		o.Now = c.now
		st, err := sqlstore.Open(t.Context(), db, &o)
		require.NoError(t, err)
		taken := false
		storetest.RunDifferential(t, func(t *testing.T) storetest.Harness {
			t.Helper()
			require.False(t, taken)
			taken = true
			return storetest.Harness{Store: st, Advance: c.advance, Audit: st.Audit}
		}, 1)
	})
	_, err := sqlstore.Migrations(nil)
	require.ErrorContains(t, err, "dialect: must be given")
}

// A process that runs goes on while a later release migrates, and one of its release that
// starts afterwards is refused in words.
func TestOldReleaseBesideANewOne(t *testing.T) {
	t.Parallel()
	onDialects(t, func(t *testing.T, db *sql.DB, o sqlstore.Options) {
		t.Helper()
		require.NoError(t, sqlstore.Migrate(t.Context(), db, &o))
		st, err := sqlstore.Open(t.Context(), db, &o)
		require.NoError(t, err)
		s := shop{t, st, db, o.Schema}
		_, err = s.CreateWebhook(t.Context(), "m", store.Webhook{ID: "whk", Events: []string{"*"}, Status: store.Active}, 0)
		require.NoError(t, err)

		in := o.Schema + "."
		if o.Dialect == sqlstore.SQLite {
			in = o.Schema + "_"
		}
		ended := make(chan error, 1)
		go func() {
			err := later(t.Context(), db, in)
			for deadlocked(err) {
				err = later(t.Context(), db, in)
			}
			ended <- err
		}()
		for i := 0; ; i++ {
			id := rand.Text()
			s.publish(s, newEvent(id, "p"))
			c, err := s.Claim(t.Context(), store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 10})
			require.NoError(t, err)
			require.Len(t, c.Leases, 1)
			l := c.Leases[0]
			got, err := s.Finish(t.Context(), []store.Result{{MerchantID: "m", WebhookID: "whk", DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Succeeded}})
			require.NoError(t, err)
			require.Equal(t, store.FinishAccepted, got[0].State)
			if len(ended) > 0 && i > 20 {
				break
			}
		}
		require.NoError(t, <-ended)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, &o), "there is nothing that it could do")
		_, err = sqlstore.Open(t.Context(), db, &o)
		require.ErrorContains(t, err, "is at migration 2, and this program knows 1: use a newer one")
	})
}

// deadlocked reports whether a migration was chosen to end a deadlock with a call that has
// the same tables the other way round. Migrate begins again then, and so does whoever applies
// the files.
func deadlocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "40P01"
}

// later is a migration as those to come are: it adds.
func later(ctx context.Context, db *sql.DB, in string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, text := range []string{
		"create table " + in + "more (id integer primary key)",
		"alter table " + in + "webhook add column more integer not null default 0",
		"alter table " + in + "queue add column more integer",
		"insert into " + in + "migration (number, name, checksum) values (2, 'more', '')",
	} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Functions of two releases live in one schema while processes of both run, so each has a
// number in its name, and a later release makes another one instead of changing it.
func TestFunctionsHaveANumber(t *testing.T) {
	t.Parallel()
	db := sqltest.Postgres(t, "pgx")
	_, schema := sqltest.OpenSchema(t, db, newClock().now)
	rows, err := db.QueryContext(t.Context(), "select proname from pg_proc where pronamespace = to_regnamespace($1)", schema)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	n := 0
	for ; rows.Next(); n++ {
		var name string
		require.NoError(t, rows.Scan(&name))
		require.Regexp(t, `_[1-9][0-9]*$`, name)
	}
	require.NoError(t, rows.Err())
	require.Greater(t, n, 30)
}
