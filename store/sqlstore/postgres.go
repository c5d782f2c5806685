package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/rag-assistant/webhooks/store"
)

// postgres keeps a store in PostgreSQL. What moves deliveries is functions there: see
// postgres/*.sql.
type postgres struct {
	*Store

	group  group
	width  width
	intake atomic.Bool  // something was there when a claim looked last
	calls  atomic.Int64 // of publish
}

func newPostgres(s *Store) {
	s.engine = &postgres{Store: s}
	s.bell = &bell{ring: s.notify}
	texts := named("postgres/statements.sql")
	maps.Copy(texts, map[string]string{
		"publish":    "select * from @.publish_1($1, $2::json, $3)",
		"intake":     "select * from @.intake_1($1::json, $2)",
		"relay":      "select @.relay_1($1, $2)",
		"set_aside":  "select @.set_aside_1($1, $2)",
		"fold":       "select @.fold_1($1, $2)",
		"enqueue":    "select * from @.enqueue_1($1, $2, $3, $4::json, $5, $6, $7)",
		"claim":      "select * from @.claim_1($1, $2, $3, $4, $5, $6, $7)",
		"finish":     "select * from @.finish_1($1, $2::json)",
		"cancel":     "select * from @.cancel_1($1, $2, $3, $4, $5, $6, $7)",
		"expedite":   "select @.expedite_1($1, $2, $3)",
		"backlog":    "select * from @.backlog_1($1)",
		"notify":     "select " + notifying,
		"watch":      "select * from @.watch_1()",
		prunedPaused: "select @.prune_paused_1($1, @.clock_1($1) - $2, $3, $4)",
		prunedAge:    "select @.prune_ended_1(@.clock_1($1) - $2, 0, $3)",
		prunedCount:  "select @.prune_ended_1(null, $1, $2)",
		prunedEvents: "select @.prune_events_1(@.clock_1($1) - $2, $3)",
		"prune_rest": "select @.prune_rest_1($1, $2)",
		"sweep":      "select @.sweep_1($1, $2, $3)",
	})
	maps.Copy(texts, named("postgres/audit.sql"))
	names := strings.NewReplacer("@webhook", webhookColumns, "@.", quoted(s.opts.Schema)+".")
	s.sql = map[string][]step{}
	for name, text := range texts {
		s.sql[name] = []step{{text: names.Replace(text)}}
	}
}

func (s *postgres) prepare(context.Context) error { return nil }

func (s *postgres) fit(ctx context.Context) error {
	var version int
	var isolation, commit string
	err := s.db.QueryRowContext(ctx, `select current_setting('server_version_num')::integer, current_setting('transaction_isolation'), current_setting('synchronous_commit')`).
		Scan(&version, &isolation, &commit)
	if err != nil {
		return fmt.Errorf("ask for its settings: %w", explain(err))
	}
	if version < 130000 {
		return fmt.Errorf("PostgreSQL %d is too old: use 13 or later", version/10000)
	}
	if isolation != "read committed" {
		return fmt.Errorf("transactions are %s by default: open the database with default_transaction_isolation='read committed'", isolation)
	}
	if commit == "off" {
		return errors.New("synchronous_commit is off, so a crash loses what was acknowledged: open the database with synchronous_commit=on")
	}
	return nil
}

func (s *postgres) missing(err error) bool {
	code := state(err)
	return code == "42P01" || code == "3F000" // no such table, no such schema
}

func (s *postgres) migrating(ctx context.Context, f func(tx querier) error) error {
	return s.transact(ctx, func(tx querier) error {
		for _, text := range []string{
			"select pg_advisory_xact_lock(hashtextextended('" + s.opts.Schema + "', 7312))",
			"create schema if not exists " + quoted(s.opts.Schema),
			migrationTable(Postgres, s.opts.Schema),
		} {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

func (s *postgres) write(ctx context.Context, f func(q querier) error) error {
	return insist(ctx, func() error { return f(s.db) })
}

func (s *postgres) transact(ctx context.Context, f func(tx querier) error) error {
	return insist(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

func (s *postgres) lock(ctx context.Context, tx querier, merchantID, webhookID string) (bool, error) {
	return s.one(ctx, tx, "webhook_lock", func(row scan) error { return row(new(int64)) }, encode(merchantID), encode(webhookID))
}

func (s *postgres) lineUp(ctx context.Context, tx querier, wh int64) error {
	_, err := s.exec(ctx, tx, "line_up", wh, s.now())
	return err
}

func (s *postgres) prune(ctx context.Context, p pruneStep, limit int) (n int, err error) {
	var args []any
	switch p.kind {
	case prunedPaused:
		args = []any{s.now(), p.age, p.code, limit}
	case prunedCount:
		args = []any{p.keep, limit}
	case prunedNotices, prunedJobs:
		gone, err := s.change(ctx, p.kind, s.now(), p.age, limit)
		return int(gone), err
	default:
		args = []any{s.now(), p.age, limit}
	}
	err = s.call(ctx, p.kind, func(r scan) error { return r(&n) }, args...)
	return n, err
}

func (s *postgres) pruneRest(ctx context.Context, limit int) (more bool, err error) {
	err = s.call(ctx, "prune_rest", func(r scan) error { return r(&more) }, s.now(), limit)
	return more, err
}

func (s *postgres) sweep(ctx context.Context, after int64, limit int) (last int64, err error) {
	err = s.call(ctx, "sweep", func(r scan) error { return r(&last) }, s.now(), after, limit)
	return last, err
}

// call calls a function whose answer is one row.
func (s *postgres) call(ctx context.Context, name string, f func(scan) error, args ...any) error {
	return insist(ctx, func() error {
		_, err := s.one(ctx, s.db, name, f, args...)
		return err
	})
}

// publishIn leaves events in intake, for whoever claims after the commit.
func (s *postgres) publishIn(ctx context.Context, tx Tx, events []newEvent) ([]store.Published, error) {
	return s.publishOver(ctx, over(tx), events)
}

func (s *postgres) publishOver(ctx context.Context, query QueryFunc, events []newEvent) (out []store.Published, err error) {
	rows, bodies := write(events)
	var nobody error
	err = s.eachOf(ctx, query, "intake", func(r scan) error {
		var state string
		err := r(&state)
		if state == stateNobody {
			nobody = errNobody
		}
		out = append(out, store.Published{Deferred: state == stateNew, Duplicate: state == stateOld, Conflict: state == stateConflict})
		return err
	}, rows, bodies)
	if err == nil {
		err = nobody
	}
	return out, err
}

// relayed is how many events of callers' transactions are published in one.
const relayed = 100

// relay publishes what was committed in callers' transactions, up to a batch of it. If that
// fails it tries less, and sets an event aside that the database cannot take by itself.
func (s *postgres) relay(ctx context.Context) error {
	for n := relayed; ; n /= 2 {
		err := s.call(ctx, "relay", func(r scan) error { return r(new(int)) }, s.now(), n)
		switch {
		case err == nil:
			return nil
		case n == 1 && unfit(err):
			return s.call(ctx, "set_aside", func(r scan) error { return r(new(int)) }, s.now(), state(err))
		case n == 1 || ctx.Err() != nil:
			return err
		}
	}
}

func (s *postgres) cancel(ctx context.Context, wh int64, one place, c cancelling) (out cancelled, err error) {
	var id, through any
	if one != (place{}) {
		id = one.id
	}
	if c.through != 0 {
		through = c.through
	}
	var last *int64
	err = s.call(ctx, "cancel", func(r scan) error { return r(&out.deliveries, &out.through, &last) },
		s.now(), wh, id, c.code, c.limit, c.after, through)
	if last != nil {
		out.last = *last
	}
	return out, err
}

func (s *postgres) expedite(ctx context.Context, at place) (pending bool, err error) {
	err = s.call(ctx, "expedite", func(r scan) error { return r(&pending) }, s.now(), at.wh, at.id)
	return pending, err
}

// quoted is a name of a schema as SQL wants it, whatever words are its own.
func quoted(schema string) string { return `"` + schema + `"` }
