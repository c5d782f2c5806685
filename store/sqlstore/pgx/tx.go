package pgxstore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// Tx is a transaction of the host's: pgx.Tx, *pgxpool.Tx, or a *pgx.Conn that has begun one.
type Tx interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// In returns a [store.Publisher] that publishes in a transaction of the store's database. All
// that is said of [sqlstore.Store.In] is true of it. Call [sqlstore.Store.Wake] after the commit to
// deliver at once.
func In(st *sqlstore.Store, tx Tx) store.Publisher {
	return st.InFunc(func(ctx context.Context, query string, args []any, row func(func(dest ...any) error) error) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		for err == nil && rows.Next() {
			err = row(rows.Scan)
		}
		rows.Close() // Before it, Err does not know.
		return errors.Join(err, rows.Err())
	})
}
