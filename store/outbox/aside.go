package outbox

import (
	"context"
	"fmt"
	"time"
)

// Aside is an event that cannot be published as it is, and is kept until somebody puts it back
// or drops it.
type Aside struct {
	ID         int64 // its number in the table
	MerchantID string
	EventID    string
	EventType  string
	Bytes      int       // of the body
	Written    time.Time // in the transaction
	Since      time.Time // when it was set aside
	Why        string
}

// SetAside lists up to limit events that were set aside and whose ID is above after, in the
// order of their IDs. So the next page is after the last one's ID.
func (b *Box) SetAside(ctx context.Context, after int64, limit int) (out []Aside, err error) {
	err = b.each(ctx, b.db, "select id, merchant, eid, type, length(body), at, due, why from @outbox where state = 1 and id > ? order by id limit ?", 0,
		func(scan func(...any) error) error {
			var a Aside
			var at, since int64
			err := scan(&a.ID, &a.MerchantID, &a.EventID, &a.EventType, &a.Bytes, &at, &since, &a.Why)
			a.Written, a.Since = time.UnixMilli(at), time.UnixMilli(since)
			out = append(out, a)
			return err
		}, after, limit)
	if err != nil {
		return nil, fmt.Errorf("outbox: list what is set aside: %w", err)
	}
	return out, nil
}

// PutBack lets events that were set aside be relayed again, once their reason is mended, and
// says how many of the IDs it has found.
func (b *Box) PutBack(ctx context.Context, ids ...int64) (int, error) {
	n, err := b.byID(ctx, "update @outbox set state = 0, due = @now, tries = 0, why = '' where id in (@ids) and state = 1", ids)
	if err != nil {
		return n, fmt.Errorf("outbox: put back: %w", err)
	}
	b.Wake()
	return n, nil
}

// Drop deletes events that were set aside, and says how many of the IDs it has found.
func (b *Box) Drop(ctx context.Context, ids ...int64) (int, error) {
	n, err := b.byID(ctx, "delete from @outbox where id in (@ids) and state = 1", ids)
	if err != nil {
		return n, fmt.Errorf("outbox: drop: %w", err)
	}
	return n, nil
}

// byID runs a statement on a hundred ids at a time.
func (b *Box) byID(ctx context.Context, statement string, ids []int64) (n int, err error) {
	for len(ids) > 0 && err == nil {
		some := ids[:min(batch, len(ids))]
		ids = ids[len(some):]
		var changed int
		err = b.transact(ctx, func(tx Tx) error {
			changed, err = b.exec(ctx, tx, statement, len(some), anys(some)...)
			return err
		})
		n += changed
	}
	return n, err
}

// maxPruned is how much one step of retention forgets.
const maxPruned = 1000

// prune forgets up to maxPruned of what was relayed longer ago than keep, and says how many.
func (b *Box) prune(ctx context.Context, keep time.Duration) (n int, err error) {
	var ids []int64
	err = b.each(ctx, b.db, "select id from @outbox where state = 2 and due <= @now - ? order by due limit ?", 0, func(scan func(...any) error) error {
		ids = append(ids, 0)
		return scan(&ids[len(ids)-1])
	}, keep.Milliseconds(), maxPruned)
	if err == nil {
		_, err = b.byID(ctx, "delete from @outbox where id in (@ids) and state = 2", ids)
	}
	return len(ids), err
}
