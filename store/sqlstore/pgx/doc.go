// Package pgxstore is what package sqlstore does with pgx that database/sql cannot: it
// publishes in a pgx.Tx, and it hears at once what other processes have published.
//
//	pool, err := pgxpool.New(ctx, "postgres://localhost/shop")
//	if err != nil {
//		return err
//	}
//	db := stdlib.OpenDBFromPool(pool) // The store shares the pool's connections.
//	if err := sqlstore.Migrate(ctx, db, nil); err != nil {
//		return err
//	}
//	st, err := sqlstore.Open(ctx, db, &sqlstore.Options{Listen: pgxstore.Listen(pool, nil)})
//
// # Transactions of the caller
//
// [In] does for a pgx.Tx what [sqlstore.Store.In] does for a *sql.Tx. The row of the caller's and
// its event commit together or not at all:
//
//	tx, err := pool.Begin(ctx)
//	…
//	_, err = tx.Exec(ctx, "insert into orders …")
//	_, err = svc.PublishTo(ctx, pgxstore.In(st, tx), "merchant_42", e)
//	err = tx.Commit(ctx)
//	st.Wake()
//
// # Other processes
//
// Without this package a dispatcher finds what another process has published within a second.
// With [Listen] it is told by NOTIFY, which any process sends whose store is in PostgreSQL, whatever
// its driver: after its commits, outside of the caller's transactions, at most once each 10
// milliseconds, and never while nobody listens. A message that is lost costs a second.
//
// # Poolers
//
// LISTEN needs a session, so [Listen] refuses to go through a pooler such as PgBouncer. Give it a
// pool with the server's own address; it opens one connection. All else goes through a pooler in
// transaction mode, by a driver that prepares no statements: pgx with
// default_query_exec_mode=exec, lib/pq with binary_parameters=yes.
package pgxstore
