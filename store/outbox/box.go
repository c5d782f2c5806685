package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Options configures a [Box] and [Migrate].
type Options struct {
	// Dialect is what the database is. Defaults to what the database says.
	Dialect Dialect

	// Schema holds the table and, in PostgreSQL, the function publish. In MySQL and SQLite
	// it is what the name of the table begins with. It may be that of a store in the same
	// database. It has up to 40 lower-case letters, digits and underscores. Defaults to
	// "webhooks".
	Schema string

	// Now replaces the database's clock; it is read to the millisecond. It is for tests.
	// Defaults to the database's clock, which in SQLite is that of the machine.
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
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`).MatchString(out.Schema) || strings.HasPrefix(out.Schema, "pg_") || strings.HasPrefix(out.Schema, "sqlite") {
		return out, fmt.Errorf("schema %q: must have up to 40 lower-case letters, digits and underscores, begin with a letter, and not with pg_ or sqlite", out.Schema)
	}
	switch out.Dialect {
	case "", Postgres, MySQL, SQLite:
		return out, nil
	}
	return out, fmt.Errorf("dialect %q: must be %q, %q or %q", out.Dialect, Postgres, MySQL, SQLite)
}

// Tx is a transaction of the host's: *sql.Tx, *sql.Conn, or what other packages make of
// these.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Box is a table of events in the host's database, which relays publish. It is safe for
// concurrent use and needs no closing; the database handle belongs to the caller.
type Box struct {
	db   *sql.DB
	opts Options
	wake chan struct{} // holds one
}

// askTimeout bounds how long New waits for the database.
const askTimeout = 10 * time.Second

// New returns the box of a database that [Migrate] has prepared. A nil opts is the default.
// It asks the database for what it is and for the table, within 10 seconds, and each error
// names the remedy: [ErrMigrate] is one.
func New(db *sql.DB, opts *Options) (*Box, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	b, err := newBox(ctx, db, opts)
	if err == nil {
		err = b.upToDate(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return b, nil
}

// newBox returns the box of a database that may have no table.
func newBox(ctx context.Context, db *sql.DB, opts *Options) (*Box, error) {
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
	return &Box{db: db, opts: o, wake: make(chan struct{}, 1)}, nil
}

// In returns a [store.Publisher] that writes events in a transaction of the database. They
// are published after the commit, by a [Relay], and nothing of them is seen before. It
// writes new rows only, and waits for no other transaction.
//
// Its answers are Deferred. They are Duplicate or Conflict, neither of which ends the
// transaction, for what the table has, which is what was committed before and what the same
// transaction has published; in a serializable one of PostgreSQL for the same call only, for a
// look would make it fail later. What was published otherwise is found when the event is
// relayed: a repetition is dropped then, and a conflict set aside.
//
// Call [Box.Wake] after the commit to have it relayed at once.
func (b *Box) In(tx Tx) store.Publisher { return inTx{b, tx} }

// Wake tells a relay of this Box, in this process, that there may be something to relay. It
// never blocks. Without it, relays find what was committed within their PollInterval.
func (b *Box) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// text completes a statement: @outbox is the table, @now the time. Its parameters are written
// as ?, and @ids stands for n of them.
func (b *Box) text(statement string, n int) string {
	now := b.opts.Dialect.clock()
	if b.opts.Now != nil {
		now = strconv.FormatInt(b.opts.Now().UnixMilli(), 10)
	}
	ids := strings.TrimSuffix(strings.Repeat("?, ", n), ", ")
	text := strings.NewReplacer("@outbox", b.table("outbox"), "@now", now, "@ids", ids).Replace(statement)
	if b.opts.Dialect != Postgres {
		return text
	}
	var out strings.Builder
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			out.WriteString("$" + strconv.Itoa(i))
		}
		out.WriteString(part)
	}
	return out.String()
}

// table is the name of a table in statements.
func (b *Box) table(name string) string {
	if b.opts.Dialect == Postgres {
		return `"` + b.opts.Schema + `".` + name
	}
	return b.opts.Schema + "_" + name
}

// exec runs a statement, and says how many rows it has changed.
func (b *Box) exec(ctx context.Context, q Tx, statement string, n int, args ...any) (int, error) {
	r, err := q.ExecContext(ctx, b.text(statement, n), args...)
	if err != nil {
		return 0, err
	}
	changed, err := r.RowsAffected()
	return int(changed), err
}

// each runs a query and calls f for each row.
func (b *Box) each(ctx context.Context, q Tx, statement string, n int, f func(scan func(dest ...any) error) error, args ...any) error {
	rows, err := q.QueryContext(ctx, b.text(statement, n), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// anys are the arguments that a list of ids is.
func anys[T any](list []T, before ...any) []any {
	for _, v := range list {
		before = append(before, v)
	}
	return before
}
