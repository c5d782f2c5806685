package sqltest_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// opening opens a store by a clock; nil is the database's.
type opening = func(now func() time.Time) *sqlstore.Store

// bothDatabases runs a test on each database, with up to that many connections.
func bothDatabases(t *testing.T, connections int, test func(t *testing.T, db *sql.DB, open opening)) {
	t.Helper()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db := sqltest.Postgres(t, "pgx")
		db.SetMaxOpenConns(connections)
		test(t, db, func(now func() time.Time) *sqlstore.Store { return sqltest.Open(t, db, now) })
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db := sqltest.SQLite(t, connections)
		test(t, db, func(now func() time.Time) *sqlstore.Store { return sqltest.OpenSQLite(t, db, now) })
	})
}

// beginOnce begins a transaction with the mark of an event, and says if it was the first.
func beginOnce(t *testing.T, st *sqlstore.Store, scope, id string) (tx *sql.Tx, first bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	tx, first, err := st.BeginOnce(ctx, scope, id, time.Hour)
	require.NoError(t, err)
	require.Equal(t, first, tx != nil)
	return tx, first
}

func TestBeginOnce(t *testing.T) {
	t.Parallel()
	bothDatabases(t, 1, func(t *testing.T, _ *sql.DB, open opening) {
		t.Helper()
		c := newClock()
		st := open(c.now)
		lost, first := beginOnce(t, st, "a", "evt\x00\xff")
		require.True(t, first)
		require.NoError(t, lost.Rollback())
		tx, first := beginOnce(t, st, "a", "evt\x00\xff")
		require.True(t, first, "what was rolled back is not there")
		require.NoError(t, tx.Commit())
		_, first = beginOnce(t, st, "a", "evt\x00\xff")
		require.False(t, first)
		for scope, id := range map[string]string{"a": "other", "b": "evt\x00\xff"} {
			tx, first := beginOnce(t, st, scope, id)
			require.True(t, first)
			require.NoError(t, tx.Commit())
		}

		c.advance(time.Hour - time.Millisecond)
		_, first = beginOnce(t, st, "a", "other")
		require.False(t, first)
		c.advance(time.Millisecond)
		tx, first = beginOnce(t, st, "a", "other")
		require.True(t, first, "a mark that is over keeps nobody away")
		require.NoError(t, tx.Commit())
		_, err := st.Prune(t.Context(), store.PruneRequest{})
		require.NoError(t, err)
		_, first = beginOnce(t, st, "a", "other")
		require.False(t, first, "only what is over is pruned")

		_, _, err = st.BeginOnce(t.Context(), "a", "evt", time.Microsecond)
		require.ErrorContains(t, err, "keep is shorter")
	})
}

// Marks and what Seen knows are apart, whatever their scopes are called.
func TestBeginOnceBesideSeen(t *testing.T) {
	t.Parallel()
	bothDatabases(t, 1, func(t *testing.T, _ *sql.DB, open opening) {
		t.Helper()
		st := open(nil)
		for _, scope := range []string{"a", "once:a", "\x1bonce:a"} {
			answer, err := st.BeginSeen(t.Context(), scope, "evt", store.SeenBegin{Holder: "h", Lease: time.Minute})
			require.NoError(t, err)
			require.Equal(t, store.SeenNew, answer.State)
			require.NoError(t, st.CommitSeen(t.Context(), scope, "evt", "h", nil, time.Hour))
		}
		tx, first := beginOnce(t, st, "a", "evt")
		require.True(t, first)
		require.NoError(t, tx.Commit())
	})
}

// A second one waits for the first one's transaction, and is first only if that is rolled back.
func TestBeginOnceWaits(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*sql.Tx) error{"commit": (*sql.Tx).Commit, "rollback": (*sql.Tx).Rollback} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothDatabases(t, 4, func(t *testing.T, _ *sql.DB, open opening) {
				t.Helper()
				st := open(nil)
				tx, first := beginOnce(t, st, "a", "evt")
				require.True(t, first)
				type answer struct {
					first bool
					err   error
				}
				answers := make(chan answer)
				for range 2 {
					go func() {
						tx, first, err := st.BeginOnce(context.Background(), "a", "evt", time.Hour)
						if first {
							err = tx.Commit()
						}
						answers <- answer{first, err}
					}()
				}
				select {
				case <-answers:
					t.Fatal("it has not waited")
				case <-time.After(50 * time.Millisecond): // Too short a time fails no good store.
				}
				require.NoError(t, end(tx))
				firsts := 0
				for range 2 {
					a := <-answers
					require.NoError(t, a.err)
					if a.first {
						firsts++
					}
				}
				require.Equal(t, map[string]int{"commit": 0, "rollback": 1}[name], firsts)
			})
		})
	}
}

// While a mark is held, all that a store in PostgreSQL does goes on; who waits for it can go.
func TestBeginOnceHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	tx, first := beginOnce(t, s.Store, "a", "evt")
	require.True(t, first)
	s.publish(s, newEvent("plain", "p"))
	require.Equal(t, []string{"plain"}, s.claim())
	_, err := s.Prune(t.Context(), store.PruneRequest{DeliveryAge: time.Nanosecond, EventAge: time.Nanosecond, Limit: 100})
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err = s.BeginOnce(ctx, "a", "evt", time.Hour)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NoError(t, tx.Commit())
}

// In a caller's own transaction the mark commits with the rest, and one that cannot be serialised
// is made again.
func TestOnceInACallersTransaction(t *testing.T) {
	t.Parallel()
	for _, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			s := newShop(t, sqltest.Postgres(t, "pgx"))
			tx, late := s.begin(level), s.begin(level)
			_, err := late.ExecContext(t.Context(), "select 1 from "+s.schema+".meta") // From here it sees nothing new.
			require.NoError(t, err)
			s.publish(s.In(tx), newEvent("effect", "p"))
			first, err := s.Once(t.Context(), tx, "a", "evt", time.Hour)
			require.NoError(t, err)
			require.True(t, first)
			require.NoError(t, tx.Commit())
			require.Equal(t, []string{"effect"}, s.claim())

			first, err = s.Once(t.Context(), late, "a", "evt", time.Hour)
			if level == sql.LevelReadCommitted {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, store.ErrUnavailable)
				var of interface{ SQLState() string }
				require.ErrorAs(t, err, &of)
				require.Equal(t, "40001", of.SQLState())
			}
			require.False(t, first)
			require.NoError(t, late.Rollback())
			first, err = s.Once(t.Context(), s.begin(level), "a", "evt", time.Hour)
			require.NoError(t, err)
			require.False(t, first)
		})
	}
}
