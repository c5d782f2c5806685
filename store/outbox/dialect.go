package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
)

// Dialect is a kind of database.
type Dialect string

// The databases that can keep a box.
const (
	Postgres Dialect = "postgres" // 13 or later
	MySQL    Dialect = "mysql"    // MySQL 8 or later, MariaDB 10.6 or later
	SQLite   Dialect = "sqlite"   // 3.35 or later
)

// detect asks a database what it is. Of SQLite's functions none has this name.
func detect(ctx context.Context, db *sql.DB) (Dialect, error) {
	var version string
	err := db.QueryRowContext(ctx, "select version()").Scan(&version)
	if err == nil {
		return dialectOf(version)
	}
	if e := db.QueryRowContext(ctx, "select sqlite_version()").Scan(&version); e == nil {
		return SQLite, nil
	}
	return "", fmt.Errorf("ask the database what it is: %w", err)
}

var versions = regexp.MustCompile(`^(PostgreSQL )?(\d+)(?:\.(\d+))?(.*)$`)

// dialectOf reads what a server says of itself: "PostgreSQL 15.4 on …", "8.0.36" or
// "10.11.19-MariaDB-…".
func dialectOf(version string) (Dialect, error) {
	m := versions.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("the database is neither PostgreSQL, MySQL, MariaDB nor SQLite: %s", version)
	}
	d, least := MySQL, [2]int{8, 0}
	switch {
	case m[1] != "":
		d, least = Postgres, [2]int{13, 0}
	case strings.Contains(version, "MariaDB"):
		least = [2]int{10, 6}
	}
	var is [2]int
	_, _ = fmt.Sscan(m[2], &is[0]) // Digits.
	_, _ = fmt.Sscan(m[3], &is[1]) // Digits or nothing.
	if is[0] < least[0] || is[0] == least[0] && is[1] < least[1] {
		return "", fmt.Errorf("the database is too old: %s; use PostgreSQL 13, MySQL 8.0 or MariaDB 10.6, or later", version)
	}
	return d, nil
}

// clock is the time in Unix milliseconds. It goes on during a transaction.
func (d Dialect) clock() string {
	switch d {
	case Postgres:
		return "(extract(epoch from clock_timestamp()) * 1000)::bigint"
	case MySQL:
		return "timestampdiff(microsecond, '1970-01-01', utc_timestamp(3)) div 1000" // unix_timestamp is ambiguous in one hour of a year
	default:
		return "cast((julianday('now') - 2440587.5) * 86400000 as integer)"
	}
}

// lock is what a query ends with that takes rows, and leaves those that others take or have
// not committed. In SQLite there is one writer.
func (d Dialect) lock() string {
	if d == SQLite {
		return ""
	}
	return " for update skip locked"
}
