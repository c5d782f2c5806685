// Package sqlstore keeps the state of the webhook service in PostgreSQL 13 or later, or in a
// file of SQLite, over database/sql. It imports no driver: the handle is the caller's, and
// the tables lie beside the caller's own.
//
//	db, err := sql.Open("pgx", "postgres://localhost/shop")
//	if err != nil {
//		return err
//	}
//	if err := sqlstore.Migrate(ctx, db, nil); err != nil {
//		return err
//	}
//	st, err := sqlstore.Open(ctx, db, nil)
//	if err != nil {
//		return err
//	}
//	svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys})
//
// For SQLite, which needs no server, the first line is
//
//	db, err := sql.Open("sqlite", "file:shop.db?_pragma=busy_timeout(5000)&_pragma=synchronous(full)&_txlock=immediate")
//
// with modernc.org/sqlite. Open says what to change if a database is opened otherwise.
//
// # Transactions of the caller
//
// [Store.In] publishes in a transaction of the same database, so that a row of the caller's
// and its event commit together or not at all:
//
//	tx, err := db.BeginTx(ctx, nil)
//	…
//	_, err = tx.ExecContext(ctx, "insert into orders …")
//	_, err = svc.PublishTo(ctx, st.In(tx), "merchant_42", e)
//	err = tx.Commit()
//	st.Wake() // Without it the event is found within PollInterval.
//
// For a pgx.Tx, and to hear at once what other processes publish, there is package pgxstore in the
// folder pgx.
//
// [Store.BeginOnce] begins a transaction whose work is done once for an id, however often it is asked for.
//
// # Guarantees
//
// Every method happens whole or not at all, but for large batches, which take several
// transactions. What was acknowledged is as durable as the database's commit is: see
// [Store.Info]. Open refuses a database whose commits do not last. Any number of processes
// may share a database; those that share a file of SQLite run on one machine.
//
// In PostgreSQL a transaction of the caller's that has published holds up nobody.
//
// # Limits of PostgreSQL
//
//   - Transactions have to be read committed by default.
//   - The functions and tables are of one release of this package: see [Migrate].
//
// # Limits of SQLite
//
//   - There is one writer. While a transaction of the caller's is open that has written,
//     whether or not it has published, nothing is published, claimed, finished or updated, by
//     any process. Nothing fails and nothing is counted as long as that is shorter than the
//     busy_timeout of the connections; then calls fail with [store.ErrUnavailable], and a
//     dispatcher makes them again. So keep such transactions short. Reading, and a claim that
//     finds nothing, wait for nobody.
//   - A call of the store while the same goroutine has such a transaction open waits for it, and
//     so for itself. Use [Store.In] there, and nothing else that writes.
//   - Let the caller's transactions begin immediate, as the text above says. One that has
//     read before it publishes may otherwise fail to become the writer, without waiting.
//   - Calls that wait for the writer share its next transaction, so 16 callers cost little
//     more than one. Each call is still whole by itself. One whose context ends while it is
//     under way is answered when that transaction ends, or the busy_timeout.
//   - Times are those of the machine's clock.
//   - SQLite has to be 3.51.3 or later, or 3.50.7, or 3.44.6: what is older can damage a file
//     in WAL mode. The file has to be on a local disk. Migrate and Open set WAL mode.
//   - A reader that holds a transaction open keeps the WAL file from being emptied.
//   - After a crash of a process nothing is to be repaired. A copy of the file alone, without
//     its WAL file, is no backup: use VACUUM INTO, or SQLite's backup.
package sqlstore
