package sqlstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

//go:embed postgres/*.sql
var files embed.FS

// migration is one step of the tables and functions, in the order of their numbers.
type migration struct {
	number int
	name   string
	files  []string
}

// migrations only grows: a step that was released never changes.
func migrations() []migration {
	return []migration{
		{1, "first", []string{"tables", "clock", "publish", "intake", "enqueue", "claim", "finish", "prune", "backlog"}},
	}
}

// text returns the SQL of a migration for a schema.
func (m migration) text(schema string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "create schema if not exists %s;\nset local search_path = %[1]s, pg_temp;\n\n", schema)
	for _, name := range m.files {
		text, err := files.ReadFile("postgres/" + name + ".sql")
		if err != nil {
			panic(err) // It is embedded.
		}
		b.WriteString(strings.ReplaceAll(string(text), "@settings", settings))
		b.WriteByte('\n')
	}
	return b.String()
}

// settings are those of every function that is called from outside: its tables are the
// schema's, and its plans are made for indexes, also while the tables are empty.
const settings = `set search_path from current
	set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off`

func (m migration) checksum() string {
	sum := sha256.Sum256([]byte(m.text("webhooks")))
	return hex.EncodeToString(sum[:])
}

// Migrate prepares a database for [Open], or brings it up to date. It may be called by
// several processes at once: one does the work and the others wait. Each step is one
// transaction. A nil opts is the default.
func Migrate(ctx context.Context, db *sql.DB, opts *Options) error {
	o, err := opts.withDefaults()
	if db == nil {
		err = errors.Join(errors.New("db: must not be nil"), err)
	}
	if err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	for _, m := range migrations() {
		if err := migrate(ctx, db, o.Schema, m); err != nil {
			return fmt.Errorf("sqlstore: migrate: step %d (%s): %w", m.number, m.name, explain(err))
		}
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB, schema string, m migration) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After a commit it does nothing.
	for _, text := range []string{
		"select pg_advisory_xact_lock(hashtextextended('" + schema + "', 7312))",
		"create schema if not exists " + schema,
		"create table if not exists " + schema + ".migration (number integer primary key, name text not null, checksum text not null, at timestamptz not null default now())",
	} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	done, err := applied(ctx, tx, schema)
	if err != nil {
		return err
	}
	if sum, ok := done[m.number]; ok {
		return m.same(sum)
	}
	if _, err := tx.ExecContext(ctx, m.text(schema)); err != nil {
		return err
	}
	if m.number == 1 {
		key := make([]byte, 16)
		_, _ = rand.Read(key) // It never fails.
		if _, err := tx.ExecContext(ctx, "insert into "+schema+".meta (cipher) values ($1)", key); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "insert into "+schema+".migration (number, name, checksum) values ($1, $2, $3)", m.number, m.name, m.checksum())
	if err != nil {
		return err
	}
	return tx.Commit()
}

func (m migration) same(checksum string) error {
	if checksum != m.checksum() {
		return fmt.Errorf("migration %d (%s) was applied with another text: this program is not of the same release", m.number, m.name)
	}
	return nil
}

// applied returns the checksums of the migrations that a schema has, by number.
func applied(ctx context.Context, q querier, schema string) (map[int]string, error) {
	rows, err := q.QueryContext(ctx, "select number, checksum from "+schema+".migration")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int]string{}
	for rows.Next() {
		var n int
		var sum string
		if err := rows.Scan(&n, &sum); err != nil {
			return nil, err
		}
		out[n] = sum
	}
	return out, rows.Err()
}

// statements reads the named statements, and the calls of functions, for a schema.
func statements(schema string) map[string]string {
	text, err := files.ReadFile("postgres/statements.sql")
	if err != nil {
		panic(err) // It is embedded.
	}
	out := map[string]string{
		"publish":      "select * from @.publish_1($1, $2::json, $3)",
		"intake":       "select * from @.intake_1($1::json, $2)",
		"relay":        "select @.relay_1($1, $2)",
		"enqueue":      "select * from @.enqueue_1($1, $2, $3, $4::json, $5, $6)",
		"claim":        "select * from @.claim_1($1, $2, $3, $4, $5, $6, $7)",
		"finish":       "select * from @.finish_1($1, $2::json)",
		"backlog":      "select * from @.backlog_1($1)",
		"watch":        "select * from @.watch_1()",
		"prune_paused": "select @.prune_paused_1($1, @.clock($1) - $2, $3, $4)",
		"prune_age":    "select @.prune_ended_1(@.clock($1) - $2, 0, $3)",
		"prune_count":  "select @.prune_ended_1(null, $1, $2)",
		"prune_events": "select @.prune_events_1(@.clock($1) - $2, $3)",
		"prune_rest":   "select @.prune_rest_1($1, $2)",
	}
	audit, err := files.ReadFile("postgres/audit.sql")
	if err != nil {
		panic(err) // It is embedded.
	}
	out["audit"] = string(audit)
	for _, part := range strings.Split(string(text), "-- name: ")[1:] {
		name, statement, _ := strings.Cut(part, "\n")
		out[name] = statement
	}
	for name, statement := range out {
		out[name] = strings.ReplaceAll(statement, "@.", schema+".")
	}
	return out
}

// check says whether a database is fit.
func (s *Store) check(ctx context.Context) error {
	var version int
	var isolation, commit string
	err := s.db.QueryRowContext(ctx, `select current_setting('server_version_num')::integer, current_setting('transaction_isolation'), current_setting('synchronous_commit')`).
		Scan(&version, &isolation, &commit)
	if err != nil {
		return fmt.Errorf("ask for its settings: %w", explain(err))
	}
	if version < 130000 {
		return fmt.Errorf("PostgreSQL %d is too old: use 13 or later", version/10000)
	}
	if isolation != "read committed" {
		return fmt.Errorf("transactions are %s by default: open the database with default_transaction_isolation='read committed'", isolation)
	}
	if commit == "off" {
		return errors.New("synchronous_commit is off, so a crash loses what was acknowledged: open the database with synchronous_commit=on")
	}
	done, err := applied(ctx, s.db, s.opts.Schema)
	if code := state(err); code == "42P01" || code == "3F000" {
		return fmt.Errorf("schema %s has no tables: call Migrate first", s.opts.Schema)
	}
	if err != nil {
		return explain(err)
	}
	all := migrations()
	for _, m := range all {
		sum, ok := done[m.number]
		if !ok {
			return fmt.Errorf("schema %s is at migration %d of %d: call Migrate first", s.opts.Schema, len(done), len(all))
		}
		if err := m.same(sum); err != nil {
			return err
		}
	}
	if len(done) > len(all) {
		return fmt.Errorf("schema %s is at migration %d, and this program knows %d: use a newer one", s.opts.Schema, len(done), len(all))
	}
	return nil
}
