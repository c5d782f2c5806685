package sqlstore

import (
	"context"
	"database/sql"

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

// Publish implements [store.Publisher].
func (p inTx) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	out := make([]store.Published, 0, len(events))
	for len(events) > 0 {
		list := newEvents(merchantID, events)
		list = list[:cut(list)]
		some, err := p.s.engine.publishIn(ctx, p.tx, list)
		if err != nil {
			return nil, err
		}
		out, events = append(out, some...), events[len(list):]
	}
	return out, nil
}
