package storetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contract is every comment of package store, with single spaces.
func contract(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	var b strings.Builder
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, c := range f.Comments {
			b.WriteString((&ast.CommentGroup{List: c.List}).Text())
			b.WriteString(" ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestPromisesAreQuoted keeps what a failure quotes equal to what the contract
// says.
func TestPromisesAreQuoted(t *testing.T) {
	t.Parallel()
	text := contract(t)
	quoted := func(where, promise string) {
		for part := range strings.SplitSeq(promise, "…") {
			part = strings.Join(strings.Fields(part), " ")
			assert.Truef(t, strings.Contains(text, part), "%s quotes %q, which the contract does not say", where, part)
		}
	}
	for _, g := range groups() {
		for _, c := range g.cases {
			require.NotEmpty(t, c.promise, c.name)
			quoted(g.name+"/"+c.name, c.promise)
		}
	}
	for i, op := range operations() {
		quoted(nth("operation", i), op.promise)
	}
}
