package sqlstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Options configures a [Store] and [Migrate].
type Options struct {
	// Dialect is what the database is. Defaults to what the database says.
	Dialect Dialect

	// Schema holds all tables and functions; in SQLite, which has none, it is what
	// the names of tables begin with. Stores with different ones share a database
	// without seeing each other. It has up to 40 lower-case letters, digits and underscores.
	// Defaults to "webhooks".
	Schema string

	// PollInterval is how often Watch asks whether another process has something
	// for this one to claim. Defaults to 1 second.
	PollInterval time.Duration

	// Listen hears what other processes have for this one to claim, at once instead of at
	// the next poll: see package pgxstore, in the folder pgx. It is for PostgreSQL. Each call
	// of Watch, and so each running dispatcher, listens once. Defaults to nobody.
	Listen ListenFunc

	// Now replaces the database's clock; it is read to the millisecond. It is for
	// tests: processes that share a store must agree on the time. Defaults to the
	// database's clock, which in SQLite is that of the machine.
	Now func() time.Time
}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Schema == "" {
		out.Schema = "webhooks"
	}
	if out.PollInterval <= 0 {
		out.PollInterval = time.Second
	}
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`).MatchString(out.Schema) || strings.HasPrefix(out.Schema, "pg_") || strings.HasPrefix(out.Schema, "sqlite") {
		return out, fmt.Errorf("schema %q: must have up to 40 lower-case letters, digits and underscores, begin with a letter, and not with pg_ or sqlite", out.Schema)
	}
	if out.Dialect != "" && out.Dialect != Postgres && out.Dialect != SQLite {
		return out, fmt.Errorf("dialect %q: must be %q or %q", out.Dialect, Postgres, SQLite)
	}
	return out, nil
}

// Store keeps everything in a SQL database. It is safe for concurrent use and needs no
// closing; the database handle belongs to the caller.
type Store struct {
	db     *sql.DB
	opts   Options
	sql    map[string][]step // statements by name
	cipher cipher.Block      // of the ids of deliveries

	engine  engine
	reads   querier // for statements that change nothing
	watches watches
	self    string // tells our own NOTIFY from others'
	bell    *bell  // nil where nobody can listen

	sweeping sweeping
}

var _ store.Store = (*Store)(nil)

// Open returns a store in a database that [Migrate] has prepared. A nil opts is the
// default. It checks that the database is fit for the store: its version, its tables, and
// how it commits. Each error names the remedy.
func Open(ctx context.Context, db *sql.DB, opts *Options) (*Store, error) {
	s, err := newStore(ctx, db, opts)
	if err == nil {
		err = s.open(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	return s, nil
}

// newStore returns a store of a database that may not be fit.
func newStore(ctx context.Context, db *sql.DB, opts *Options) (*Store, error) {
	o, err := opts.withDefaults()
	if db == nil {
		err = errors.Join(errors.New("db: must not be nil"), err)
	}
	if err == nil && o.Dialect == "" {
		o.Dialect, err = detect(ctx, db)
	}
	if err != nil {
		return nil, err
	}
	if o.Listen != nil && o.Dialect == SQLite {
		return nil, errors.New("listen: SQLite tells nobody anything")
	}
	s := &Store{db: db, opts: o, reads: db, self: rand.Text()}
	if o.Dialect == SQLite {
		newSQLite(s)
	} else {
		newPostgres(s)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := s.engine.fit(ctx); err != nil {
		return err
	}
	if err := s.upToDate(ctx); err != nil {
		return err
	}
	var key []byte
	if _, err := s.one(ctx, s.db, "meta", func(r scan) error { return r(&key) }); err != nil {
		return err
	}
	var err error
	if s.cipher, err = aes.NewCipher(key); err != nil {
		return fmt.Errorf("meta: %w", err)
	}
	return s.engine.prepare(ctx)
}

// now is the argument of every statement that asks for the time: nil leaves it to the
// database.
func (s *Store) now() any {
	if s.opts.Now == nil {
		return nil
	}
	return s.opts.Now().UnixMilli()
}

func (s *Store) deliveryID(p place) string { return deliveryID(s.cipher, p) }

func (s *Store) placeOf(id string) place { return placeOf(s.cipher, id) }

// querier is what a call needs of a database or of a transaction.
type querier = Tx

// exec runs a statement by name, and says how many rows its last step has changed.
func (s *Store) exec(ctx context.Context, q querier, name string, args ...any) (n int64, err error) {
	for _, t := range s.sql[name] {
		r, err := q.ExecContext(ctx, t.text, t.pick(args)...)
		if err == nil {
			n, err = r.RowsAffected()
		}
		if err != nil {
			return 0, fmt.Errorf("sqlstore: %s: %w", name, explain(err))
		}
	}
	return n, nil
}

// each runs a query by name and calls f for each row.
func (s *Store) each(ctx context.Context, q querier, name string, f func(scan) error, args ...any) error {
	return s.eachOf(ctx, over(q), name, f, args...)
}

// eachOf is each over whatever runs queries.
func (s *Store) eachOf(ctx context.Context, query QueryFunc, name string, f func(scan) error, args ...any) error {
	t := s.sql[name][0]
	if err := query(ctx, t.text, t.pick(args), f); err != nil {
		return fmt.Errorf("sqlstore: %s: %w", name, explain(err))
	}
	return nil
}

// over runs queries on a database or in a transaction.
func over(q querier) QueryFunc {
	return func(ctx context.Context, query string, args []any, row func(scan) error) error {
		rows, err := q.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for err == nil && rows.Next() {
			err = row(rows.Scan)
		}
		return errors.Join(err, rows.Err())
	}
}

// one runs a query by name that has one row at most, and says if it has one.
func (s *Store) one(ctx context.Context, q querier, name string, f func(scan) error, args ...any) (found bool, err error) {
	err = s.each(ctx, q, name, func(row scan) error {
		found = true
		return f(row)
	}, args...)
	return found, err
}

// scan reads the columns of a row.
type scan = func(dest ...any) error

// transact runs f in a transaction.
func (s *Store) transact(ctx context.Context, doing string, f func(tx querier) error) error {
	var of error
	err := s.engine.transact(ctx, func(tx querier) error {
		of = f(tx)
		return of
	})
	if err != nil && of == nil {
		err = fmt.Errorf("sqlstore: %s: %w", doing, explain(err))
	}
	return err
}
