package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

var (
	// ErrHandled is the error of [Tx] for an event whose transaction was committed before. A
	// handler returns it, and the event counts as handled.
	ErrHandled = errors.New("inbox: the event was handled before")

	// ErrNoTx is the error of [Tx] where there is none.
	ErrNoTx = errors.New("inbox: there is no transaction: the store is not in SQL, or this is not a handler of an inbox")
)

// transactor is a store that begins transactions with the mark of an event: see
// sqlstore.Store.BeginOnce.
type transactor interface {
	BeginOnce(ctx context.Context, scope, id string, keep time.Duration) (tx *sql.Tx, first bool, err error)
}

// handling is one call of a handler.
type handling struct {
	Delivery

	source *source
	event  event.Event
	begin  func(asker context.Context, st transactor) (tx *sql.Tx, first bool, err error)

	mu    sync.Mutex
	tx    *sql.Tx
	ended bool
}

// Tx returns the transaction of a handler, in the database of the inbox's store. The first
// call begins it and inserts in it a mark of the event, under a unique key; further ones return
// the same. When the handler returns nil, or an error of receiver.Acknowledge, the transaction is
// committed, and only then does the event count as handled; after any other error, and a panic, it is
// rolled back. So what the handler does in it is done exactly once, whatever dies when. The
// handler neither commits it nor rolls it back. It lives as long as the handler, whatever ctx was
// derived from the handler's for the call, which bounds only the wait for another copy of the event.
//
// It fails with [ErrHandled] if the mark is there already, and with [ErrNoTx]. A mark is kept
// for Options.Keep. On SQLite an open transaction is the only writer, so keep it short.
func Tx(ctx context.Context) (*sql.Tx, error) {
	h, ok := ctx.Value(contextKey{}).(*handling)
	if !ok {
		return nil, ErrNoTx
	}
	st, ok := h.source.store.(transactor)
	if !ok {
		return nil, ErrNoTx
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended:
		return nil, errors.New("inbox: the handler has returned")
	case h.tx != nil:
		return h.tx, nil
	}
	tx, first, err := h.begin(ctx, st)
	switch {
	case err != nil:
		return nil, fmt.Errorf("inbox: begin: %w", err)
	case !first:
		return nil, ErrHandled
	}
	h.tx = tx
	return tx, nil
}

// beginner returns what begins the transaction of a handler, whose context is ctx.
func (h *handling) beginner(ctx context.Context) func(context.Context, transactor) (*sql.Tx, bool, error) {
	return func(asker context.Context, st transactor) (*sql.Tx, bool, error) {
		ctx, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(asker, cancel)
		tx, first, err := st.BeginOnce(ctx, "inbox:"+h.source.name, h.event.ID, h.source.opts.Keep)
		if !stop() && err == nil {
			err = context.Cause(asker) // The transaction is rolled back.
		}
		return tx, first, err
	}
}

// commit ends the transaction of a handler that has returned err, if it began one.
func (h *handling) commit(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	if errors.Is(err, ErrHandled) && h.tx == nil {
		return nil
	}
	if h.tx == nil || err != nil && !receiver.IsAcknowledged(err) {
		return err
	}
	tx := h.tx
	h.tx = nil
	if failed := tx.Commit(); failed != nil {
		return fmt.Errorf("inbox: commit: %w", failed)
	}
	return err
}

// rollback gives up a transaction that was not committed.
func (h *handling) rollback() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	if h.tx != nil {
		_ = h.tx.Rollback() // It has ended, or the database ends it.
		h.tx = nil
	}
}
