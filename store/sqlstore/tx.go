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
// transaction is open, it holds up nobody: no delivery, update, deletion or retention.
//
// Its answers are Deferred. They are Duplicate or Conflict, neither of which ends the
// transaction, for what was committed before and what the same transaction has published,
// and in a serializable one for the same call only. An id that two open transactions
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
		rows, bodies := write(list)
		var nobody error
		err := p.s.each(ctx, p.tx, "intake", func(r scan) error {
			var state string
			err := r(&state)
			if state == stateNobody {
				nobody = errNobody
			}
			out = append(out, store.Published{Deferred: state == "new", Duplicate: state == stateOld, Conflict: state == stateConflict})
			return err
		}, rows, bodies)
		if err == nil {
			err = nobody
		}
		if err != nil {
			return nil, err
		}
		events = events[len(list):]
	}
	return out, nil
}

// relayed is how many events of callers' transactions are published in one.
const relayed = 100

// relay publishes what was committed in callers' transactions.
func (s *Store) relay(ctx context.Context) error {
	for {
		n := 0
		_, err := s.one(ctx, s.db, "relay", func(r scan) error { return r(&n) }, s.now(), relayed)
		if again(err) {
			continue
		}
		if err != nil || n < relayed {
			return err
		}
	}
}
