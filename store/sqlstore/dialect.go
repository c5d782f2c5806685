package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

// Dialect is a kind of database.
type Dialect string

// The databases that can keep a store.
const (
	Postgres Dialect = "postgres"
	SQLite   Dialect = "sqlite"
)

// detect asks a database what it is. Of SQLite's functions none has this name.
func detect(ctx context.Context, db *sql.DB) (Dialect, error) {
	var version string
	err := db.QueryRowContext(ctx, "select version()").Scan(&version)
	if err == nil && strings.HasPrefix(version, "PostgreSQL") {
		return Postgres, nil
	}
	if err == nil {
		return "", fmt.Errorf("the database is neither PostgreSQL nor SQLite: %s", version)
	}
	if e := db.QueryRowContext(ctx, "select sqlite_version()").Scan(&version); e == nil {
		return SQLite, nil
	}
	return "", fmt.Errorf("ask the database what it is: %w", explain(err))
}

// engine is what the dialects do in different ways. All else is the same statements, by
// name, in the words of each.
type engine interface {
	// prepare is called once the tables are known to be there.
	prepare(ctx context.Context) error

	// fit says how the database has to be opened or configured, if it is not fit.
	fit(ctx context.Context) error
	// migrating runs f in a transaction in which nobody else migrates.
	migrating(ctx context.Context, f func(tx querier) error) error
	// missing says whether a statement failed because there are no tables.
	missing(err error) bool
	info(ctx context.Context) (Info, error)

	// write runs f, which makes one statement.
	write(ctx context.Context, f func(q querier) error) error
	// transact runs f in a transaction, which ends with f's error.
	transact(ctx context.Context, f func(tx querier) error) error
	// lock locks a webhook against all that moves its deliveries.
	lock(ctx context.Context, tx querier, merchantID, webhookID string) (found bool, err error)
	// lineUp puts a webhook that is locked in line after a change.
	lineUp(ctx context.Context, tx querier, wh int64) error

	// publish publishes events, and others may share the transaction.
	publish(ctx context.Context, events []newEvent) ([]store.Published, error)
	// publishIn publishes events in a caller's transaction.
	publishIn(ctx context.Context, tx Tx, events []newEvent) ([]store.Published, error)
	// enqueue answers nothing if there is no such webhook.
	enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error)
	// cancel ends the delivery at one, or if that is nowhere a step of all.
	cancel(ctx context.Context, wh int64, one place, c cancelling) (cancelled, error)
	expedite(ctx context.Context, at place) (pending bool, err error)
	claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error)
	finish(ctx context.Context, results []store.Result) ([]store.Finished, error)

	// prune does a step of retention on up to limit records, and says on how many.
	prune(ctx context.Context, step pruneStep, limit int) (int, error)
	// pruneRest removes what nobody can ask for.
	pruneRest(ctx context.Context, limit int) (more bool, err error)
	// sweep mends, of up to limit webhooks after one, what is damaged and would stay so. It
	// says which was the last, 0 at the end.
	sweep(ctx context.Context, after int64, limit int) (last int64, err error)
}

// pruneStep is one kind of retention.
type pruneStep struct {
	kind string // one of the following
	age  int64  // in milliseconds
	keep int    // of prunedCount
	code string // of prunedPaused
}

const (
	prunedPaused  = "prune_paused"
	prunedAge     = "prune_age"
	prunedCount   = "prune_count"
	prunedEvents  = "prune_events"
	prunedNotices = "notice_prune"
	prunedJobs    = "job_prune"
)

// step is a statement and which of the arguments it takes: all if that is nil.
type step struct {
	text string
	args []int
}

func (t step) pick(args []any) []any {
	if t.args == nil {
		return args
	}
	out := make([]any, len(t.args))
	for i, at := range t.args {
		out[i] = args[at]
	}
	return out
}

// named reads the statements of a file, each of which begins with "-- name: ".
func named(file string) map[string]string {
	text, err := files.ReadFile(file)
	if err != nil {
		panic(err) // It is embedded.
	}
	out := map[string]string{}
	for _, part := range strings.Split(string(text), "-- name: ")[1:] {
		name, statement, _ := strings.Cut(part, "\n")
		out[name] = statement
	}
	return out
}
