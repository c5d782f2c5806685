//go:build !race

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMoves takes a webhook from one file of SQLite to another, under another key.
func TestMoves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "webhooks.jsonl")
	const key = "k1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
	const other = "k2:b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28="
	from, to := []string{"--store", "sqlite:" + filepath.Join(dir, "a.db"), "--secret-key", key}, []string{"-store", "sqlite:" + filepath.Join(dir, "b.db"), "-secret-key", other}
	webhooks := func(want int, args ...string) string {
		t.Helper()
		got := run(t, args...)
		require.Equal(t, want, got.code, "%s%s", got.stdout, got.stderr)
		return got.stdout + got.stderr
	}
	require.Contains(t, webhooks(1, append([]string{"export"}, from...)...), "-migrate")
	require.Equal(t, "the store is up to date\n", webhooks(0, append([]string{"migrate"}, from...)...))
	require.Equal(t, "1 created, 0 overwritten, 0 unchanged\n", webhooks(0, append([]string{"import", "--insecure-unsealed", "testdata/webhooks.jsonl"}, from...)...))
	require.Equal(t, "1 webhook of 1 merchant written\n", webhooks(0, append([]string{"export", "--out", file, "--seal-with", other}, from...)...))
	webhooks(1, append([]string{"export", "--out", file, "--seal-with", other}, from...)...) // It is there already.
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(text), "whsec_")
	require.True(t, json.Valid([]byte(strings.Split(string(text), "\n")[0])))

	require.Equal(t, "dry run: 1 created, 0 overwritten, 0 unchanged\n", webhooks(0, append([]string{"import", file, "--migrate", "--dry-run"}, to...)...))
	require.Equal(t, "1 created, 0 overwritten, 0 unchanged\n", webhooks(0, append([]string{"import", file}, to...)...))
	require.Equal(t, "0 created, 0 overwritten, 1 unchanged\n", webhooks(0, append([]string{"import", file}, to...)...))
	require.NoError(t, os.WriteFile(file, text[:len(text)-20], 0o600))
	require.Contains(t, webhooks(1, append([]string{"import", file}, to...)...), "line")
}

func init() { //nolint:gochecknoinits // this file is left out of race builds
	runbookStores["sqlite"] = func(t *testing.T) string {
		t.Helper()
		return "sqlite:" + filepath.Join(t.TempDir(), "webhooks.db")
	}
}
