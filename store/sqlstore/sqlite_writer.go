package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// Whatever writes goes through one connection of the process at a time, and what waits for it
// goes along in one transaction: a commit costs much more than what it commits. Who finds
// nobody leading leads, with its own work and that of those who wait, and then lets one of
// these lead. So nothing runs but in a caller's goroutine.
const (
	// alongWorks and alongRecords are how many calls, and how many records of them, go in
	// one transaction.
	alongWorks   = 128
	alongRecords = 1024
)

// work is a call that writes.
type work struct {
	do   func(w *writing) error // may be called again after a failure
	size int                    // in records
	lead chan struct{}          // closed when it is to lead
	done chan struct{}          // closed when another has done it
	err  error                  // once done
}

// writer is where works wait.
type writer struct {
	mu      sync.Mutex
	led     bool
	waiting []*work
}

// enter lets k lead, or wait.
func (q *writer) enter(k *work) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.led {
		q.led = true
		return true
	}
	q.waiting = append(q.waiting, k)
	return false
}

// leave forgets one that waits no longer, and says if it was not too late.
func (q *writer) leave(k *work) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, k)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// take returns what goes along with k.
func (q *writer) take(k *work) []*work {
	q.mu.Lock()
	defer q.mu.Unlock()
	out, size := []*work{k}, k.size
	for len(q.waiting) > 0 && len(out) < alongWorks && size+q.waiting[0].size <= alongRecords {
		out, size = append(out, q.waiting[0]), size+q.waiting[0].size
		q.waiting = q.waiting[1:]
	}
	return out
}

// next lets another lead.
func (q *writer) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.led = false
		return
	}
	close(q.waiting[0].lead)
	q.waiting = q.waiting[1:]
}

// run does a piece of work in a transaction that others may share. It returns before the end
// of that only while nothing of the work was begun.
func (s *sqlite) run(ctx context.Context, size int, do func(w *writing) error) error {
	k := &work{do: do, size: size, lead: make(chan struct{}), done: make(chan struct{})}
	if s.writer.enter(k) {
		return s.lead(ctx, k)
	}
	ended := ctx.Done()
	for {
		select {
		case <-k.done:
			return k.err
		case <-k.lead:
			return s.lead(ctx, k)
		case <-ended:
			if s.writer.leave(k) {
				return ctx.Err()
			}
			ended = nil
		}
	}
}

// lead does k and what waits.
func (s *sqlite) lead(ctx context.Context, k *work) error {
	defer s.writer.next()
	conn, err := s.db.Conn(ctx)
	if err != nil { // The others may have more time.
		return fmt.Errorf("sqlstore: connect: %w", explain(err))
	}
	defer func() { _ = conn.Close() }() // It goes back to the pool.
	ctx = context.WithoutCancel(ctx)    // The work of others must not end with it.
	tx, err := s.begin(ctx, conn)
	runtime.Gosched() // Who was just served and comes again goes along.
	list := s.writer.take(k)
	if err == nil {
		err = s.together(ctx, conn, tx, list)
	}
	for _, each := range list {
		each.err = err
		if err != nil && tx != nil && len(list) > 1 {
			each.err = s.alone(ctx, conn, each)
		}
		if each != k {
			close(each.done)
		}
	}
	return k.err
}

// begin begins a transaction as the writer. It waits for other processes, and for the
// host's transactions, as long as the connection's busy_timeout says.
func (s *sqlite) begin(ctx context.Context, conn *sql.Conn) (*writing, error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: begin: %w", explain(err))
	}
	w := s.writing(&prepared{stmts: s.stmts, tx: tx, own: map[string]*sql.Stmt{}})
	w.tx = tx
	if _, err := s.exec(ctx, w, "begin"); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	w.now = s.opts.Now().UnixMilli() // not before it is the writer
	return w, nil
}

// together does a list of works in one transaction.
func (s *sqlite) together(ctx context.Context, conn *sql.Conn, w *writing, list []*work) error {
	err := error(nil)
	for i := 0; i < len(list) && err == nil; i++ {
		err = list[i].do(w)
	}
	if err == nil {
		err = w.flush(ctx)
	}
	if err != nil {
		_ = w.tx.Rollback() // The first error says more.
		return err
	}
	if err := w.tx.Commit(); err != nil {
		_, _ = conn.ExecContext(ctx, "rollback") // A commit that fails may leave it open.
		return fmt.Errorf("sqlstore: commit: %w", explain(err))
	}
	return nil
}

// alone does a work in a transaction of its own, after one with others has failed.
func (s *sqlite) alone(ctx context.Context, conn *sql.Conn, k *work) error {
	w, err := s.begin(ctx, conn)
	if err != nil {
		return err
	}
	return s.together(ctx, conn, w, []*work{k})
}

// prepared runs prepared statements in a transaction. Contexts do not end them, for they are
// short and the transaction is not one caller's alone.
type prepared struct {
	stmts map[string]*sql.Stmt
	tx    *sql.Tx
	own   map[string]*sql.Stmt
}

func (p *prepared) stmt(ctx context.Context, text string) *sql.Stmt {
	out := p.own[text]
	if out == nil {
		out = p.tx.StmtContext(ctx, p.stmts[text])
		p.own[text] = out
	}
	return out
}

// ExecContext implements [Tx].
func (p *prepared) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	ctx = context.WithoutCancel(ctx)
	return p.stmt(ctx, text).ExecContext(ctx, args...)
}

// QueryContext implements [Tx].
func (p *prepared) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	ctx = context.WithoutCancel(ctx)
	return p.stmt(ctx, text).QueryContext(ctx, args...)
}
