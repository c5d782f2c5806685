package sqlstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// migration is one step of the tables and functions.
type migration struct {
	number int
	name   string
	files  []string
}

// migrations only grows: a step that was released never changes.
func migrations(d Dialect) []migration {
	if d == SQLite {
		return []migration{{1, "first", []string{"tables"}}}
	}
	return []migration{
		{1, "first", []string{"tables", "clock", "publish", "intake", "enqueue", "claim", "finish", "prune", "damage", "backlog"}},
	}
}

// text returns the SQL of a migration for a schema.
func (m migration) text(d Dialect, schema string) string {
	var b strings.Builder
	if d == Postgres {
		fmt.Fprintf(&b, "create schema if not exists %s;\nset local search_path = %[1]s, pg_temp;\n\n", quoted(schema))
	}
	for _, name := range m.files {
		text, err := files.ReadFile(string(d) + "/" + name + ".sql")
		if err != nil {
			panic(err) // It is embedded.
		}
		b.WriteString(strings.NewReplacer("@settings", settings, "@.", schema+"_").Replace(string(text)))
		b.WriteByte('\n')
	}
	return b.String()
}

// settings are those of every function of PostgreSQL that is called from outside: its
// tables are the schema's, and its plans are made for indexes, also while the tables are
// empty.
const settings = `set search_path from current
	set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off`

// migrationTable makes the table of what was applied.
func migrationTable(d Dialect, schema string) string {
	const columns = " (number integer primary key, name text not null, checksum text not null, at "
	if d == SQLite {
		return "create table if not exists " + schema + "_migration" + columns + "text not null default current_timestamp)"
	}
	return "create table if not exists " + quoted(schema) + ".migration" + columns + "timestamptz not null default now())"
}

func (m migration) checksum(d Dialect) string {
	sum := sha256.Sum256([]byte(m.text(d, "webhooks")))
	return hex.EncodeToString(sum[:])
}

// Migrate prepares a database for [Open], or brings it up to date. It may be called by
// several processes at once: one does the work and the others wait. Each step is one
// transaction. A nil opts is the default.
func Migrate(ctx context.Context, db *sql.DB, opts *Options) error {
	s, err := newStore(ctx, db, opts)
	if err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	if s.opts.Dialect == SQLite {
		if err := s.engine.fit(ctx); err != nil {
			return fmt.Errorf("sqlstore: migrate: %w", err)
		}
	}
	for _, m := range migrations(s.opts.Dialect) {
		if err := s.migrate(ctx, m); err != nil {
			return fmt.Errorf("sqlstore: migrate: step %d (%s): %w", m.number, m.name, explain(err))
		}
	}
	return nil
}

func (s *Store) migrate(ctx context.Context, m migration) error {
	d := s.opts.Dialect
	return s.engine.migrating(ctx, func(tx querier) error {
		done, err := s.applied(ctx, tx)
		if err != nil {
			return err
		}
		if sum, ok := done[m.number]; ok {
			return m.same(d, sum)
		}
		if _, err := tx.ExecContext(ctx, m.text(d, s.opts.Schema)); err != nil {
			return err
		}
		if m.number == 1 {
			key := make([]byte, 16)
			_, _ = rand.Read(key) // It never fails.
			if _, err := s.exec(ctx, tx, "meta_insert", key); err != nil {
				return err
			}
		}
		_, err = s.exec(ctx, tx, "migration_insert", m.number, m.name, m.checksum(d))
		return err
	})
}

func (m migration) same(d Dialect, checksum string) error {
	if checksum != m.checksum(d) {
		return fmt.Errorf("migration %d (%s) was applied with another text: this program is not of the same release", m.number, m.name)
	}
	return nil
}

// applied returns the checksums of the migrations that a schema has, by number.
func (s *Store) applied(ctx context.Context, q querier) (map[int]string, error) {
	out := map[int]string{}
	err := s.each(ctx, q, "migrations", func(r scan) error {
		var n int
		var sum string
		err := r(&n, &sum)
		out[n] = sum
		return err
	})
	return out, err
}

// upToDate says what to do if the tables are of another release.
func (s *Store) upToDate(ctx context.Context) error {
	done, err := s.applied(ctx, s.db)
	if s.engine.missing(err) {
		return fmt.Errorf("schema %s has no tables: %w", s.opts.Schema, ErrMigrate)
	}
	if err != nil {
		return err
	}
	all := migrations(s.opts.Dialect)
	for _, m := range all {
		sum, ok := done[m.number]
		if !ok {
			return fmt.Errorf("schema %s is at migration %d of %d: %w", s.opts.Schema, len(done), len(all), ErrMigrate)
		}
		if err := m.same(s.opts.Dialect, sum); err != nil {
			return err
		}
	}
	if len(done) > len(all) {
		return fmt.Errorf("schema %s is at migration %d, and this program knows %d: use a newer one", s.opts.Schema, len(done), len(all))
	}
	return nil
}
