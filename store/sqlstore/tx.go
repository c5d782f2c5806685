package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/rag-assistant/webhooks/store"
)

// Tx is a transaction of the host's: *sql.Tx, *sql.Conn, or what other packages make of
// these.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// In returns a [store.Publisher] that publishes in a transaction of the same database. An
// event is delivered after the commit, and nothing of it is seen before. While the
// transaction is open, it holds up nobody: no delivery, update, deletion or retention. In
// SQLite it holds up everybody who writes, as any transaction does that has written.
//
// Its answers are Deferred. They are Duplicate or Conflict, neither of which ends the
// transaction, for what was committed before and what the same transaction has published,
// and in a serializable one of PostgreSQL for the same call only. An id that two open transactions
// publish is decided when both have committed: see [store.Publisher].
//
// Call [Store.Wake] after the commit to deliver at once.
func (s *Store) In(tx Tx) store.Publisher { return inTx{s, tx} }

type inTx struct {
	s  *Store
	tx Tx
}

// QueryFunc runs a query in a transaction and calls row for each row of its result, in their
// order, with what reads the columns. It returns the first error of the query or of row. The
// transaction's errors have a method SQLState.
type QueryFunc func(ctx context.Context, query string, args []any, row func(scan func(dest ...any) error) error) error

// InFunc is [Store.In] for transactions of PostgreSQL that are not of database/sql, such as
// pgx's: see package pgxstore, in the folder pgx. All that is said of In is true of it. A store in
// SQLite publishes nothing there.
func (s *Store) InFunc(query QueryFunc) store.Publisher { return inFunc{s, query} }

type inFunc struct {
	s     *Store
	query QueryFunc
}

// Publish implements [store.Publisher].
func (p inFunc) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	e, ok := p.s.engine.(*postgres)
	if !ok {
		return nil, errors.New("sqlstore: publish in a transaction: the store is not in PostgreSQL; use Store.In")
	}
	return inParts(merchantID, events, func(some []newEvent) ([]store.Published, error) {
		return e.publishOver(ctx, p.query, some)
	})
}

// Publish implements [store.Publisher].
func (p inTx) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	return inParts(merchantID, events, func(some []newEvent) ([]store.Published, error) {
		return p.s.engine.publishIn(ctx, p.tx, some)
	})
}

// inParts publishes as many events at a time as go in one call.
func inParts(merchantID string, events []store.NewEvent, publish func([]newEvent) ([]store.Published, error)) ([]store.Published, error) {
	out := make([]store.Published, 0, len(events))
	for len(events) > 0 {
		list := newEvents(merchantID, events)
		list = list[:cut(list)]
		some, err := publish(list)
		if err != nil {
			return nil, err
		}
		out, events = append(out, some...), events[len(list):]
	}
	return out, nil
}
