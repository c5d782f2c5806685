// Package outbox publishes events in a transaction of the host's database, wherever its
// webhooks live. A row of the host's and its event commit together or not at all; a relay
// publishes the event afterwards, in any store.
//
//	err := outbox.Migrate(ctx, db, nil) // once; db is the host's *sql.DB
//	box, err := outbox.New(db, nil)
//	relay, err := outbox.NewRelay(box, svc, nil)
//	go relay.Run(ctx) // in one process or in many
//
//	tx, err := db.BeginTx(ctx, nil)
//	…
//	_, err = tx.ExecContext(ctx, "insert into orders …")
//	_, err = svc.PublishTo(ctx, box.In(tx), "merchant_42", e)
//	err = tx.Commit()
//	box.Wake() // Without it a relay finds the event within PollInterval.
//
// It works with PostgreSQL 13, MySQL 8, MariaDB 10.6 and SQLite 3.35, or later, over
// database/sql, and imports no driver. Where the webhooks live in the same database, by package
// store/sqlstore, that store does the same without a relay.
//
// # From SQL
//
// In PostgreSQL, Migrate also makes a function for whoever speaks SQL:
//
//	select webhooks.publish('merchant_42', 'order.paid', '{"orderId": "1042"}');
//
// The relay, whose service has the catalog, checks the event then. One that is refused is set
// aside, for the transaction is over.
//
// # Guarantees
//
// What was committed is published, also if any process dies at any moment, as soon as a relay
// runs and the store of webhooks takes it. It is published once: a relay that dies after
// publishing leaves the row behind, another one publishes it again with the same id, and the
// store answers the first result. That holds for as long as the store keeps the event.
//
// Relays keep no order. One that works on a batch holds no transaction open; it has a lease,
// after whose end another one takes the batch.
//
// What the service refuses, or the store again and again while it takes others, is set aside
// with its reason and holds up nobody: see [Box.SetAside], [Box.PutBack] and [Box.Drop].
//
// # Limits
//
//   - Subscribers are those of the moment at which the event is relayed.
//   - In SQLite a transaction that has written is the only writer, and relays wait for it.
//     Open the database with a busy_timeout, and transactions that begin immediate.
//   - In MySQL and MariaDB a serializable transaction locks what it looks at, and so may wait
//     for others that publish the same ids. With binlog_format=STATEMENT relays do not work.
package outbox
