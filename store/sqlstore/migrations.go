package sqlstore

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Migrations returns what [Migrate] does as files, for a host that has a tool for such things:
// goose, golang-migrate, or what applies files in the order of their names. They are called
// 00001_first.up.sql and so on, have goose's annotations, and note in the store's own table that
// they were applied, so that [Open] accepts the tables and Migrate has nothing to do. Use Migrate
// or the files; a later release adds files and never changes one.
//
// opts.Dialect has to say for which database they are, and opts.Schema is in their text. Each file
// has to run as one transaction, as these tools do: psql does with -1. None takes anything back.
// A later file may be chosen to end a deadlock with a program that runs; apply it again then, as
// Migrate does.
func Migrations(opts *Options) (fs.FS, error) {
	o, err := opts.withDefaults()
	if o.Dialect == "" {
		err = errors.Join(errors.New("dialect: must be given"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: migrations: %w", err)
	}
	files := map[string]string{}
	for _, m := range migrations(o.Dialect) {
		files[fmt.Sprintf("%05d_%s.up.sql", m.number, m.name)] = m.file(o.Dialect, o.Schema)
	}
	return folder(files)
}

// folder is files by name. An archive in memory has all that a file system has.
func folder(files map[string]string) (fs.FS, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
}

// file is a migration with what Migrate does around it.
func (m migration) file(d Dialect, schema string) string {
	var b strings.Builder
	b.WriteString("-- +goose Up\n-- +goose StatementBegin\n")
	table, key := schema+"_", "randomblob(16)"
	if d == Postgres {
		table, key = quoted(schema)+".", "uuid_send(gen_random_uuid())"
		// The tool's own statements follow in the same transaction.
		b.WriteString("select set_config('webhooks.search_path', current_setting('search_path'), true);\n")
		fmt.Fprintf(&b, "create schema if not exists %s;\n", quoted(schema))
	}
	b.WriteString(migrationTable(d, schema) + ";\n\n")
	b.WriteString(m.text(d, schema))
	if m.number == 1 {
		fmt.Fprintf(&b, "insert into %smeta (cipher) values (%s);\n", table, key)
	}
	fmt.Fprintf(&b, "insert into %smigration (number, name, checksum) values (%d, '%s', '%s');\n", table, m.number, m.name, m.checksum(d))
	if d == Postgres {
		b.WriteString("select set_config('search_path', current_setting('webhooks.search_path'), true);\n")
	}
	b.WriteString("-- +goose StatementEnd\n")
	return b.String()
}
