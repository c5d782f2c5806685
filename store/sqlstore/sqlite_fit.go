package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// asked is what a connection says of itself.
type asked struct {
	version     string
	file        string // empty: in memory, or temporary
	timeout     int    // in milliseconds
	journal     string
	synchronous int
}

// Values of PRAGMA synchronous.
const (
	synchronousOff = iota
	synchronousNormal
	synchronousFull
)

func ask(ctx context.Context, q *sql.Conn) (out asked, err error) {
	var seq int
	var name string
	for text, into := range map[string][]any{
		"select sqlite_version()": {&out.version},
		"pragma busy_timeout":     {&out.timeout},
		"pragma journal_mode":     {&out.journal},
		"pragma synchronous":      {&out.synchronous},
		"pragma database_list":    {&seq, &name, &out.file}, // The first is the main one.
	} {
		if e := q.QueryRowContext(ctx, text).Scan(into...); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", text, explain(e)))
		}
	}
	return out, err
}

// dsn says how drivers are told a setting of connections.
const dsn = `open the database with busy_timeout of 5 seconds, transactions that begin immediate, and synchronous full: ` +
	`with modernc.org/sqlite "file:NAME?_pragma=busy_timeout(5000)&_pragma=synchronous(full)&_txlock=immediate", ` +
	`with github.com/ncruces/go-sqlite3 the same, ` +
	`with github.com/mattn/go-sqlite3 "file:NAME?_busy_timeout=5000&_synchronous=full&_txlock=immediate"`

func (s *sqlite) fit(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return explain(err)
	}
	defer conn.Close()
	is, err := ask(ctx, conn)
	if err != nil {
		return err
	}
	switch {
	case !sound(is.version):
		return fmt.Errorf("SQLite %s can damage a file in WAL mode: use a driver with 3.51.3 or later, or 3.50.7, or 3.44.6", is.version)
	case is.file == "":
		return errors.New("the database has no file, so each connection has its own and all of it ends with the process: name a file, or use memstore")
	case is.timeout == 0:
		return fmt.Errorf("busy_timeout is 0, so connections would fail instead of waiting for each other: %s", dsn)
	case is.synchronous < synchronousFull:
		return fmt.Errorf("synchronous is less than full, so a power failure loses what was acknowledged: %s", dsn)
	case is.journal == "wal":
		return nil
	}
	// SQLite does not wait here for another connection that does the same.
	err = conn.QueryRowContext(ctx, "pragma journal_mode = wal").Scan(&is.journal)
	for waited := time.Duration(0); err != nil && errors.Is(explain(err), store.ErrUnavailable) && waited < walTimeout; waited += walPause {
		select {
		case <-ctx.Done():
			return fmt.Errorf("set journal_mode to wal: %w", ctx.Err())
		case <-time.After(walPause):
		}
		err = conn.QueryRowContext(ctx, "pragma journal_mode = wal").Scan(&is.journal)
	}
	if err != nil {
		return fmt.Errorf("set journal_mode to wal: %w", explain(err))
	}
	if is.journal != "wal" {
		return fmt.Errorf("journal_mode is %s and cannot be wal here: put the file on a local disk", is.journal)
	}
	return nil
}

// walTimeout bounds how often a file is asked, walPause apart, to be in WAL mode.
const walTimeout, walPause = 5 * time.Second, 10 * time.Millisecond

// sound says whether a version has the fix of SQLite's WAL-reset bug, by which two
// connections that write and checkpoint at one moment damage the file.
func sound(version string) bool {
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return false
	}
	n := major*1_000_000 + minor*1000 + patch
	return n >= 3_051_003 || n >= 3_050_007 && n < 3_051_000 || n >= 3_044_006 && n < 3_045_000
}

func (s *sqlite) missing(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no such table")
}

func (s *sqlite) migrating(ctx context.Context, f func(tx querier) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	// It makes the transaction the writer, too.
	_, err = tx.ExecContext(ctx, migrationTable(SQLite, s.opts.Schema))
	if err == nil {
		err = f(tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	return err
}
