package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

func TestSteps(t *testing.T) {
	t.Parallel()
	got := steps("-- It has a ?9; and\nupdate a set b = ?2 where c = ?1 or d = ?2;\ndelete from a where b = ?1\n\n")
	require.Equal(t, []step{
		{"update a set b = ? where c = ? or d = ?", []int{1, 0, 1}},
		{"delete from a where b = ?", []int{0}},
	}, got)
	require.Equal(t, []any{"y", "x", "y"}, got[0].pick([]any{"x", "y"}))
	require.Empty(t, steps("-- nothing\n"))
}

func TestSoundSQLite(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"3.54.1": true, "3.51.3": true, "3.51.2": false, "3.50.7": true, "3.50.6": false, "3.45.1": false, "3.44.6": true, "3.44.5": false, "?": false,
	} {
		require.Equal(t, want, sound(version), version)
	}
}

type coded struct{ error }

func (coded) Code() int { return sqliteBusy | 2<<8 }

func TestUnavailableSQLite(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		coded{errors.New("?")},
		errors.New("sqlite3: database is locked"),
		errors.New("database or disk is full"),
		errors.New("attempt to write a readonly database"),
	} {
		require.ErrorIs(t, explain(fmt.Errorf("begin: %w", err)), store.ErrUnavailable)
	}
	require.NotErrorIs(t, explain(errors.New("SQL logic error")), store.ErrUnavailable)
}

// stated has an SQLSTATE, as errors of pgx and lib/pq have.
type stated string

func (s stated) Error() string    { return "SQLSTATE " + string(s) }
func (s stated) SQLState() string { return string(s) }

func TestUnavailablePostgres(t *testing.T) {
	t.Parallel()
	for _, state := range []stated{
		"08006", // connection failure
		"25006", // read-only: it has become a replica, or was told to
		"28P01", // invalid password
		"40001", // could not serialise
		"40P01", // deadlock
		"53100", // disk full
		"53300", // too many connections
		"55P03", // lock not available
		"57P01", // shutting down
		"57014", // cancelled
		"58030", // I/O error
	} {
		require.ErrorIs(t, explain(fmt.Errorf("claim: %w", state)), store.ErrUnavailable, state)
	}
	for _, state := range []stated{"22P05", "23505", "42P01"} { // its data, a conflict, no such table
		require.NotErrorIs(t, explain(state), store.ErrUnavailable, state)
	}
}

func TestNamedStatements(t *testing.T) {
	t.Parallel()
	var p, l Store
	p.opts.Schema, l.opts.Schema = "s", "s"
	newPostgres(&p)
	newSQLite(&l)
	own := map[string]bool{
		"publish": true, "intake": true, "relay": true, "enqueue": true, "claim": true, "finish": true, "info": true, "webhook_lock": true, "line_up": true,
		"cancel": true, "set_aside": true, "fold": true, "notify": true, "sweep": true,
	}
	for name := range p.sql {
		if !own[name] && name != prunedPaused && name != prunedAge && name != prunedCount && name != "prune_rest" {
			_, ok := l.sql[name]
			require.True(t, ok, "%s: what is shared has a name in both dialects", name)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []*Options{{Dialect: "mysql"}, {Schema: "a-b"}} {
		_, err := Open(t.Context(), &sql.DB{}, o)
		require.Error(t, err)
	}
	_, err := Open(t.Context(), nil, nil)
	require.ErrorContains(t, err, "must not be nil")
}
