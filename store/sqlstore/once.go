package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// onceScope begins the scope of every mark of Once among those of [store.Seen], which encode
// lets begin with no such thing.
const onceScope = string(escape) + "once:"

// Once marks an id in a transaction of the same database, and says if it was the first to
// do so: whoever comes with the same scope and id within keep, which is at least a millisecond, is not. A mark is
// there once the transaction is committed. After a rollback the next one is first. It changes
// nothing else of the store, and scopes of [store.Seen] are others.
//
// One that comes while another's transaction is open waits for its end. If that is a commit, it
// is not first where transactions are read committed. In PostgreSQL, where they are repeatable read
// or serializable, it fails with an error whose SQLState is 40001, and the caller makes the whole
// transaction again. In SQLite it waits for as long as the busy_timeout of the connection says.
//
// Errors wrap [store.ErrUnavailable] where a repetition may help, and the transaction is of no more use.
func (s *Store) Once(ctx context.Context, tx Tx, scope, id string, keep time.Duration) (first bool, err error) {
	if keep < time.Millisecond {
		return false, errors.New("sqlstore: once: keep is shorter than a millisecond")
	}
	n, err := s.exec(ctx, tx, "seen_once", onceScope+encode(scope), encode(id), s.now(), keep.Milliseconds())
	return n == 1, err
}

// BeginOnce begins a transaction of the store's database, read committed, with the mark of
// [Store.Once] in it. So what the caller does in it is done once, whatever dies when: it
// commits together with the mark. There is no tx if first is false: somebody has committed the
// mark before. The caller ends the transaction; so does the end of ctx, by a rollback.
//
// If a commit fails, it may have happened nevertheless; BeginOnce tells. The transaction takes
// a connection of the database's for as long as it is open, and a call that waits for the mark takes
// another. In SQLite it is the only writer: see [Store.In].
func (s *Store) BeginOnce(ctx context.Context, scope, id string, keep time.Duration) (tx *sql.Tx, first bool, err error) {
	o := &sql.TxOptions{}
	if s.opts.Dialect == Postgres {
		o.Isolation = sql.LevelReadCommitted
	}
	if tx, err = s.db.BeginTx(ctx, o); err != nil {
		return nil, false, fmt.Errorf("sqlstore: begin once: %w", explain(err))
	}
	if first, err = s.Once(ctx, tx, scope, id, keep); err != nil || !first {
		_ = tx.Rollback() // It has changed nothing.
		return nil, false, err
	}
	return tx, true, nil
}
