package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// state returns the SQLSTATE of an error of pgx or lib/pq, or an empty string.
func state(err error) string {
	var of interface{ SQLState() string }
	if errors.As(err, &of) {
		return of.SQLState()
	}
	return ""
}

// explain marks an error that the database may not have the next time: it is out of
// reach, shutting down, full, read-only, or has no room for another connection.
func explain(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) || !unavailable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// code returns SQLite's result code of an error, without its extension, or 0. modernc tells
// it by a method; other drivers are known by SQLite's own words.
func code(err error) int {
	var of interface{ Code() int }
	if errors.As(err, &of) {
		return of.Code() & 0xff
	}
	for code, words := range words {
		if strings.Contains(err.Error(), words) {
			return code
		}
	}
	return 0
}

// SQLite's result codes of errors that it may not have the next time, in its words. They do
// not change.
const (
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteIO       = 10
	sqliteFull     = 13
	sqliteCantOpen = 14
)

var words = map[int]string{ //nolint:gochecknoglobals // a constant
	sqliteBusy: "database is locked", sqliteLocked: "database table is locked", sqliteReadOnly: "attempt to write a readonly database",
	sqliteIO: "disk I/O error", sqliteFull: "database or disk is full", sqliteCantOpen: "unable to open database file",
}

func unavailable(err error) bool {
	switch code(err) {
	case sqliteBusy, sqliteLocked, sqliteReadOnly, sqliteIO, sqliteFull, sqliteCantOpen:
		return true
	}
	if code := state(err); code != "" {
		switch code[:2] {
		case "08", "53", "57", "58", "40", "28": // connection, resources, operator, system, rollback, authorization
			return true
		}
		return code == "25006" || code == "55P03" || code == "XX000" // read-only, lock timeout, internal error
	}
	var network net.Error // which a driver of SQLite implements with all its errors
	var op *net.OpError
	var name *net.DNSError
	return errors.As(err, &network) && network.Timeout() || errors.As(err, &op) || errors.As(err, &name) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// again reports whether a call has changed nothing and may be made once more at once: it
// was chosen to end a deadlock, or could not be serialised.
func again(err error) bool {
	code := state(err)
	return code == "40P01" || code == "40001"
}

// insist makes a call again that was chosen to end a deadlock or could not be serialised,
// some times and after short pauses.
func insist(ctx context.Context, f func() error) error {
	err := f()
	for pause := time.Millisecond; again(err) && pause < time.Second; pause *= 2 {
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			err = f()
		}
	}
	return err
}

// unfit reports whether it is the call's own records that the database cannot take.
func unfit(err error) bool {
	code := state(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23") || strings.HasPrefix(code, "54")
}

// ErrMigrate says that [Open] has found no tables, or those of an older release, and that
// [Migrate] is to be called first.
var ErrMigrate = errors.New("call Migrate first")
