package signer_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoComparisonLeaksTime reads this package's source. The one comparison that
// may touch a MAC is crypto/subtle's: so no operator and no function of another
// package compares two values of which neither is a constant, unless they are
// numbers, booleans, or one is nil.
func TestNoComparisonLeaksTime(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			text, err := os.ReadFile(e.Name())
			require.NoError(t, err)
			files[e.Name()] = string(text)
		}
	}
	require.NotEmpty(t, files)
	require.Empty(t, leaks(t, files))
}

func TestLeaksFindsComparisons(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code string
		want int
	}{
		{`return string(a) == string(b)`, 1},
		{`return string(a) == "x"`, 0},
		{`return [32]byte(a) != [32]byte(b)`, 1},
		{`var x, y any = a, b; return x == y`, 1},
		{`return a[0] == b[0]`, 1},
		{`return len(a) == len(b) && a != nil`, 0},
		{`return bytes.Equal(a, b)`, 1},
		{`return strings.EqualFold(string(a), string(b))`, 1},
		{`return strings.HasPrefix(string(a), "v1,")`, 0},
		{`return strings.HasPrefix(string(a), string(b))`, 1},
		{`switch string(a) { case string(b): return true }; return false`, 1},
		{`switch string(a) { case "x": return true }; return false`, 0},
		{`return slices.Equal(a, b)`, 1},
		{`_, ok := map[string]bool{string(a): true}[string(b)]; return ok`, 1},
		{`return subtle.ConstantTimeCompare(a, b) == 1`, 0},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			src := "package p\nimport (\"bytes\"; \"crypto/subtle\"; \"slices\"; \"strings\")\n" +
				"var _, _, _, _ = bytes.Equal, subtle.ConstantTimeCompare, slices.Equal[[]byte], strings.EqualFold\n" +
				"func f(a, b []byte) bool { " + tt.code + " }\n"
			require.Len(t, leaks(t, map[string]string{"p.go": src}), tt.want)
		})
	}
}

// comparers compare what they are given.
var comparers = []string{
	"bytes.Equal", "bytes.EqualFold", "bytes.Compare", "bytes.HasPrefix", "bytes.HasSuffix", "bytes.Contains", "bytes.Index",
	"strings.EqualFold", "strings.Compare", "strings.HasPrefix", "strings.HasSuffix", "strings.Contains", "strings.Index",
	"slices.Equal", "slices.Compare", "slices.Contains", "slices.Index", "cmp.Compare", "maps.Equal", "reflect.DeepEqual",
}

// imports reads the source of what is imported, once for all tests, which takes seconds.
var (
	importing sync.Mutex
	imports   = importer.ForCompiler(token.NewFileSet(), "source", nil)
)

// leaks returns where files, the source of one package, compare data.
func leaks(t *testing.T, files map[string]string) []string {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	for name, text := range files {
		f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		parsed = append(parsed, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	importing.Lock()
	_, err := (&types.Config{Importer: imports}).Check("p", fset, parsed, info)
	importing.Unlock()
	require.NoError(t, err)

	public := func(e ast.Expr) bool { // A constant, nil, a number of a whole word, a boolean.
		tv := info.Types[e]
		basic, ok := tv.Type.Underlying().(*types.Basic)
		return tv.Value != nil || tv.IsNil() || types.Identical(tv.Type, types.Universe.Lookup("error").Type()) ||
			ok && basic.Info()&(types.IsBoolean|types.IsNumeric) != 0 && basic.Kind() != types.Uint8
	}
	var found []string
	check := func(pos token.Pos, operands ...ast.Expr) {
		if !slices.ContainsFunc(operands, public) {
			found = append(found, fset.Position(pos).String())
		}
	}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if slices.Contains([]token.Token{token.EQL, token.NEQ, token.LSS, token.GTR, token.LEQ, token.GEQ}, n.Op) {
					check(n.OpPos, n.X, n.Y)
				}
			case *ast.SwitchStmt:
				for _, stmt := range n.Body.List {
					if clause, ok := stmt.(*ast.CaseClause); ok && n.Tag != nil {
						for _, e := range clause.List {
							check(e.Pos(), n.Tag, e)
						}
					}
				}
			case *ast.IndexExpr:
				if _, isMap := info.Types[n.X].Type.Underlying().(*types.Map); isMap {
					check(n.Lbrack, n.Index)
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
					if f, ok := info.Uses[sel.Sel].(*types.Func); ok && slices.Contains(comparers, f.FullName()) {
						check(n.Lparen, n.Args...)
					}
				}
			}
			return true
		})
	}
	return found
}
