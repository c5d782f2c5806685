package sqlstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Options configures a [Store] and [Migrate].
type Options struct {
	// Schema holds all tables and functions. Stores with different ones share a
	// database without seeing each other. It has lower-case letters, digits and
	// underscores. Defaults to "webhooks".
	Schema string

	// PollInterval is how often Watch asks whether another process has something
	// for this one to claim. Defaults to 1 second.
	PollInterval time.Duration

	// Now replaces the database's clock; it is read to the millisecond. It is for
	// tests: processes that share a store must agree on the time. Defaults to the
	// database's clock.
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
	for _, r := range out.Schema {
		if r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return out, fmt.Errorf("schema %q: must have lower-case letters, digits and underscores only", out.Schema)
		}
	}
	return out, nil
}

// Store keeps everything in a SQL database. It is safe for concurrent use and needs no
// closing; the database handle belongs to the caller.
type Store struct {
	db     *sql.DB
	opts   Options
	sql    map[string]string // statements by name
	cipher cipher.Block      // of the ids of deliveries

	group   group
	width   width
	watches watches
}

var _ store.Store = (*Store)(nil)

// Open returns a store in a database that [Migrate] has prepared. A nil opts is the
// default. It checks that the database is fit for the store: its version, its tables, and
// how it commits. Each error names the remedy.
func Open(ctx context.Context, db *sql.DB, opts *Options) (*Store, error) {
	o, err := opts.withDefaults()
	if db == nil {
		err = errors.Join(errors.New("db: must not be nil"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	s := &Store{db: db, opts: o, sql: statements(o.Schema)}
	if err := s.check(ctx); err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	var key []byte
	if err := db.QueryRowContext(ctx, "select cipher from "+o.Schema+".meta").Scan(&key); err != nil {
		return nil, fmt.Errorf("sqlstore: open: read meta: %w", explain(err))
	}
	if s.cipher, err = aes.NewCipher(key); err != nil {
		return nil, fmt.Errorf("sqlstore: open: meta: %w", err)
	}
	return s, nil
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
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// exec runs a statement by name.
func (s *Store) exec(ctx context.Context, q querier, name string, args ...any) (int64, error) {
	r, err := q.ExecContext(ctx, s.sql[name], args...)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %s: %w", name, explain(err))
	}
	return r.RowsAffected()
}

// each runs a query by name and calls f for each row.
func (s *Store) each(ctx context.Context, q querier, name string, f func(scan) error, args ...any) error {
	rows, err := q.QueryContext(ctx, s.sql[name], args...)
	if err == nil {
		defer rows.Close()
		for err == nil && rows.Next() {
			err = f(rows.Scan)
		}
		err = errors.Join(err, rows.Err())
	}
	if err != nil {
		return fmt.Errorf("sqlstore: %s: %w", name, explain(err))
	}
	return nil
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
type scan func(dest ...any) error

// transact runs f in a transaction.
func (s *Store) transact(ctx context.Context, doing string, f func(tx querier) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("sqlstore: %s: %w", doing, explain(err))
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // The first error says more.
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlstore: %s: %w", doing, explain(err))
	}
	return nil
}
