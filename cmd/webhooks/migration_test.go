//go:build !race

package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/examples/migration/shop"
)

// TestMigrationPage runs the commands of docs/migration.md, in their order, against the
// receivers of examples/migration. A line "…" stands for any lines. Those of jq need it:
// tools/install.sh brings it.
func TestMigrationPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/migration.md")
	require.NoError(t, err)
	dir := t.TempDir()
	move(t, dir)
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for example := range strings.SplitSeq(strings.TrimPrefix(block[1], "$ "), "\n$ ") {
			line, want, _ := strings.Cut(strings.TrimRight(example, "\n"), "\n")
			got := play(t, dir, line)
			if last, elided := strings.CutPrefix(want, "…\n"); elided {
				require.True(t, strings.HasSuffix(got, "\n"+last), "%s\n%s", line, got)
			} else {
				require.Equal(t, want, got, line)
			}
			shown++
		}
	}
	require.Equal(t, 6, shown)
}

// move puts what the commands need into a directory.
func move(t *testing.T, dir string) {
	t.Helper()
	receivers := &shop.Receivers{}
	server := httptest.NewServer(receivers)
	t.Cleanup(server.Close)
	table := shop.Table(server.URL)
	receivers.Use(table)
	var file bytes.Buffer
	require.NoError(t, shop.Export(&file, table, nil))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "webhooks.jsonl"), file.Bytes(), 0o600))
	const from = "../../examples/migration/"
	for _, name := range []string{"old-form.json", "catalog.json"} {
		text, err := os.ReadFile(from + name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	recipes, err := filepath.Abs(from + "recipes")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(recipes, filepath.Join(dir, "recipes")))
}

// play runs a command in a directory, and returns what it says.
func play(t *testing.T, dir, line string) string {
	t.Helper()
	if !strings.HasPrefix(line, "webhooks ") {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", line)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", line, out)
		return strings.TrimRight(string(out), "\n")
	}
	args := strings.Fields(line)[1:]
	for i, arg := range args {
		if strings.Contains(arg, ".json") {
			args[i] = filepath.Join(dir, arg)
		}
	}
	// The receivers are on this machine, all behind one port.
	more := []string{"--insecure-allow-http", "--insecure-allow-private-networks", "--secret-key", "k1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="}
	if strings.Contains(line, "--rehearse") {
		more = append(more, "--per-host", "32")
	} else {
		more = append(more, "--store", "sqlite:"+filepath.Join(dir, "webhooks.db"))
	}
	got := run(t, append(append([]string{args[0]}, more...), args[1:]...)...)
	return strings.TrimRight(got.stdout+got.stderr, "\n")
}
