package pgxstore_test //nolint:testableexamples // There may be no PostgreSQL.

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/rag-assistant/webhooks/store/sqlstore"
	pgxstore "github.com/rag-assistant/webhooks/store/sqlstore/pgx"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const orderPlaced = "order.placed"

// shop takes orders, and tells merchants of them.
type shop struct {
	pool *pgxpool.Pool
	st   *sqlstore.Store
	svc  *webhook.Service
}

// open prepares the tables and the service. A dispatcher, in this process or another one,
// opens its store in the same way.
func open(ctx context.Context, url string, keys []webhook.SecretKey) (*shop, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	if err := sqlstore.Migrate(ctx, db, nil); err != nil {
		return nil, err
	}
	st, err := sqlstore.Open(ctx, db, &sqlstore.Options{Listen: pgxstore.Listen(pool, nil)})
	if err != nil {
		return nil, err
	}
	catalog, err := event.DefaultCatalog().With(event.Entry{Type: orderPlaced, Description: "An order was placed", Frequency: event.High})
	if err != nil {
		return nil, err
	}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys, Catalog: catalog})
	return &shop{pool, st, svc}, err
}

// order stores an order and its webhook, or neither.
func (s *shop) order(ctx context.Context, merchant string, id int) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // After a commit it does nothing.
	if _, err := tx.Exec(ctx, "insert into orders (id, merchant) values ($1, $2)", id, merchant); err != nil {
		return err
	}
	e := event.NewRaw(orderPlaced, map[string]any{"orderId": id})
	if _, err := s.svc.PublishTo(ctx, pgxstore.In(s.st, tx), merchant, e); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	s.st.Wake() // Dispatchers look at once, those of other processes too.
	return nil
}

func ExampleIn() {
	ctx := context.Background()
	s, err := open(ctx, os.Getenv("DATABASE_URL"), []webhook.SecretKey{{ID: "2026-11", Key: [32]byte{1}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.pool.Close()
	if err := s.order(ctx, "merchant_42", 7); err != nil {
		fmt.Println(err)
	}
}
