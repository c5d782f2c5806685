//go:build interop

package interop_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	document   = "../../docs/receivers.md"
	tableStart = "<!-- table -->\n"
	tableEnd   = "<!-- /table -->\n"
)

// table says which receiver verified which payload, as Markdown.
type table struct {
	head []string
	rows []tableRow
	raw  []int // the columns that are shown as one
}

type tableRow struct {
	names []string // of payloads with the same outcome
	cells []string
}

func newTable(receivers []*receiver) *table {
	t := &table{head: []string{"payload"}}
	for i, r := range receivers {
		if r.speaks == "" {
			t.raw = append(t.raw, i)
		} else {
			t.head = append(t.head, r.name)
		}
	}
	t.head = append(t.head, "raw bytes")
	return t
}

// add adds a payload. If it has the same outcome as the last row, it joins that row.
func (t *table) add(name string, verified []string) {
	var cells, raw []string
	for i, v := range verified {
		if v != refused && v != "-" {
			v = strings.Join(strings.Split(v, ""), " ")
		}
		if slices.Contains(t.raw, i) {
			if !slices.Contains(raw, v) {
				raw = append(raw, v)
			}
			continue
		}
		cells = append(cells, v)
	}
	cells = append(cells, strings.Join(raw, "; "))
	if n := len(t.rows); n > 0 && slices.Equal(t.rows[n-1].cells, cells) {
		t.rows[n-1].names = append(t.rows[n-1].names, name)
		return
	}
	t.rows = append(t.rows, tableRow{[]string{name}, cells})
}

// String returns the table in Markdown.
func (t *table) String() string {
	var b strings.Builder
	line := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head...)
	line(slices.Repeat([]string{"---"}, len(t.head))...)
	for _, r := range t.rows {
		line(append([]string{strings.Join(r.names, " · ")}, r.cells...)...)
	}
	return b.String()
}

// isDocumented requires that the documentation has the same table, or writes it there.
func (t *table) isDocumented(tb testing.TB) {
	tb.Helper()
	text, err := os.ReadFile(document)
	require.NoError(tb, err)
	before, rest, ok := strings.Cut(string(text), tableStart)
	require.True(tb, ok, "%s has no table", document)
	old, after, ok := strings.Cut(rest, tableEnd)
	require.True(tb, ok, "the table of %s has no end", document)
	fresh := "\n" + t.String() + "\n"
	if os.Getenv("WEBHOOK_INTEROP_UPDATE") == "1" {
		require.NoError(tb, os.WriteFile(document, []byte(before+tableStart+fresh+tableEnd+after), 0o600))
		return
	}
	require.Equal(tb, fresh, old, "%s: WEBHOOK_INTEROP_UPDATE=1 make interop writes it", document)
}
