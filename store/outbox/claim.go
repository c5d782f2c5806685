package outbox

import (
	"context"
	"database/sql"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// The states of a record.
const (
	waiting  = 0
	setAside = 1
	relayed  = 2
)

// record is an event of the table, in the hands of a relay.
type record struct {
	store.NewEvent

	id       int64
	merchant string
	raw      bool // Body is the event's data, which nobody has checked
	at       time.Time
	tries    int
}

// claimed are the records that a relay has until their lease ends.
type claimed struct {
	records []record
	until   int64 // the lease's end, by which the table knows whose they are
	last    int64 // when the last of them was due
}

// due says whether there is something to claim that was due no earlier than floor. An idle
// relay asks nothing else.
func (b *Box) due(ctx context.Context, floor int64) (there bool, err error) {
	statement := "select exists (select 1 from @outbox where state = 0 and due >= ? and due <= @now)"
	if b.opts.Dialect == Postgres {
		statement = "select @outbox_due_1(?, @now)"
	}
	err = b.each(ctx, b.db, statement, 0, func(scan func(...any) error) error { return scan(&there) }, floor)
	return there, err
}

// claim takes up to limit records that are due, and were no earlier than floor. Nobody else
// gets them until the lease ends.
func (b *Box) claim(ctx context.Context, floor int64, limit int, lease time.Duration) (out claimed, err error) {
	if there, err := b.due(ctx, floor); err != nil || !there {
		return out, err
	}
	err = b.transact(ctx, func(tx Tx) error {
		out, err = b.take(ctx, tx, floor, limit, lease)
		return err
	})
	return out, err
}

// transact runs f in a transaction of the relay's own.
func (b *Box) transact(ctx context.Context, f func(tx Tx) error) error {
	first, o := "", &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	switch b.opts.Dialect {
	case Postgres: // A plan that was made while the table was small scans all of it later on.
		first = "set local enable_seqscan = off"
	case SQLite: // The first statement that writes waits for the writer's place.
		first, o = b.text("update @outbox set due = due where id = 0", 0), nil
	case MySQL:
	}
	tx, err := b.db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	if first != "" {
		_, err = tx.ExecContext(ctx, first)
	}
	if err == nil {
		err = f(tx)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

func (b *Box) take(ctx context.Context, tx Tx, floor int64, limit int, lease time.Duration) (out claimed, err error) {
	var ids []int64
	err = b.each(ctx, tx, "select id, merchant, eid, type, fp, trace, test, forged, most, body, raw, at, tries, due, @now from @outbox "+
		"where state = 0 and due >= ? and due <= @now order by due limit ?"+b.opts.Dialect.lock(), 0, func(scan func(...any) error) error {
		var r record
		var forged, raw int
		var at, now int64
		err := scan(&r.id, &r.merchant, &r.ID, &r.Type, &r.Fingerprint, &r.Trace, &r.Test, &forged, &r.MaxPending, &r.Body, &raw, &at, &r.tries, &out.last, &now)
		r.Forged, r.raw, r.at = forged != 0, raw != 0, time.UnixMilli(at)
		out.records, ids = append(out.records, r), append(ids, r.id)
		out.until = max(out.until, now+lease.Milliseconds())
		return err
	}, floor, limit)
	if err == nil && len(ids) > 0 {
		_, err = b.exec(ctx, tx, "update @outbox set due = ? where id in (@ids)", len(ids), anys(ids, out.until)...)
	}
	return out, err
}

// verdict is what became of a record.
type verdict struct {
	state int
	tries int    // that count
	why   string // it is set aside, or goes on waiting
}

// settle writes down what became of records. What is relayed is so for good, also when the
// lease has ended meanwhile.
func (b *Box) settle(ctx context.Context, c claimed, verdicts []verdict) error {
	ids := map[verdict][]int64{} // Many fail for one reason.
	for i, v := range verdicts {
		ids[v] = append(ids[v], c.records[i].id)
	}
	return b.transact(ctx, func(tx Tx) error {
		for v, ids := range ids {
			var err error
			if v.state == relayed {
				_, err = b.exec(ctx, tx, "update @outbox set state = 2, due = @now, body = '', why = '' where id in (@ids)", len(ids), anys(ids)...)
			} else {
				args := append(anys(ids, v.state, v.pause().Milliseconds(), v.tries, v.why), c.until)
				_, err = b.exec(ctx, tx, "update @outbox set state = ?, due = @now + ?, tries = ?, why = ? where id in (@ids) and state = 0 and due = ?", len(ids), args...)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// pause is how long a record waits before it is tried again: a second, and longer if others
// go through.
func (v verdict) pause() time.Duration {
	if v.state != waiting {
		return 0
	}
	return min(time.Second<<min(v.tries, 9), 5*time.Minute)
}
