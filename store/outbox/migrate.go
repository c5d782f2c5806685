package outbox

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed *.sql
var files embed.FS

// release is the number of the table's form that this program knows.
const release = 1

// ErrMigrate says that [New] has found no table, and that [Migrate] is to be called first.
var ErrMigrate = errors.New("call Migrate first")

// Migrate prepares a database for [New]. It may be called again, and by several processes at
// once: one does the work and the others wait. A nil opts is the default.
func Migrate(ctx context.Context, db *sql.DB, opts *Options) error {
	b, err := newBox(ctx, db, opts)
	if err == nil {
		err = b.migrate(ctx)
	}
	if err != nil {
		return fmt.Errorf("outbox: migrate: %w", err)
	}
	return nil
}

// migrate uses one connection: MySQL's lock is its own, and there each step commits.
func (b *Box) migrate(ctx context.Context) error {
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if b.opts.Dialect == MySQL {
		unlock, err := b.lock(ctx, conn)
		if err != nil {
			return err
		}
		defer unlock()
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	steps, err := b.steps(ctx, tx)
	for _, step := range steps {
		if err == nil {
			_, err = tx.ExecContext(ctx, step)
		}
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// lock makes others wait who migrate a database of MySQL.
func (b *Box) lock(ctx context.Context, conn *sql.Conn) (unlock func(), err error) {
	name := b.table("outbox_migration")
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "select get_lock(?, 60)", name).Scan(&got); err != nil {
		return nil, err
	}
	if got.Int64 != 1 {
		return nil, errors.New("another process has been migrating for a minute")
	}
	return func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "do release_lock(?)", name) }, nil
}

// steps are what is still to be done, in a transaction that others wait for.
func (b *Box) steps(ctx context.Context, tx *sql.Tx) ([]string, error) {
	var first []string
	if b.opts.Dialect == Postgres {
		first = []string{"select pg_advisory_xact_lock(hashtextextended('" + b.opts.Schema + "', 7312))", `create schema if not exists "` + b.opts.Schema + `"`}
	}
	// In SQLite it makes the transaction the writer.
	first = append(first, "create table if not exists "+b.table("outbox_migration")+" (number integer primary key)")
	for _, step := range first {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return nil, err
		}
	}
	if n, err := b.found(ctx, tx); err != nil || n == release {
		return nil, err
	}
	text, err := files.ReadFile(string(b.opts.Dialect) + ".sql")
	if err != nil {
		return nil, err
	}
	names := strings.NewReplacer("@outbox", b.table("outbox"), "@schema", `"`+b.opts.Schema+`"`)
	steps := strings.Split(names.Replace(string(text)), "-- step\n")
	return append(steps, fmt.Sprintf("insert into %s (number) values (%d)", b.table("outbox_migration"), release)), nil
}

// found is the number of the form that a table has, or 0.
func (b *Box) found(ctx context.Context, q Tx) (n int, err error) {
	err = b.each(ctx, q, "select coalesce(max(number), 0) from "+b.table("outbox_migration"), 0, func(scan func(...any) error) error { return scan(&n) })
	if err == nil && n > release {
		err = fmt.Errorf("schema %s is of a newer release: use a newer program", b.opts.Schema)
	}
	return n, err
}

func (b *Box) upToDate(ctx context.Context) error {
	n, err := b.found(ctx, b.db)
	if missing(err) || err == nil && n == 0 {
		return fmt.Errorf("schema %s has no outbox: %w", b.opts.Schema, ErrMigrate)
	}
	return err
}

// missing says whether a statement failed because there is no such table. The drivers of
// PostgreSQL tell its code; those of the others are known by the databases' words.
func missing(err error) bool {
	if err == nil {
		return false
	}
	if of, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return of.SQLState() == "42P01" || of.SQLState() == "3F000" // no such table, no such schema
	}
	return strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "Error 1146")
}
