package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"testing"

	"github.com/stretchr/testify/require"
)

// importing answers each import with one package.
type importing struct{ *types.Package }

func (i importing) Import(string) (*types.Package, error) { return i.Package, nil }

func fromSource(t *testing.T, source string) string {
	t.Helper()
	fset := token.NewFileSet()
	parse := func(source string) *ast.File {
		file, err := parser.ParseFile(fset, "source.go", source, 0)
		require.NoError(t, err)
		return file
	}
	said, err := new(types.Config).Check(words, fset, []*ast.File{parse("package words\ntype Text string\nfunc Say(Text, ...any) {}")}, nil)
	require.NoError(t, err)
	found := texts{}
	require.NoError(t, found.fromPackage(&types.Config{Importer: importing{said}}, fset, "p", []*ast.File{parse("package p\nimport \"words\"\n" + source)}))
	return found.String()
}

func TestCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, found string }{
		"an argument":               {`func f() { words.Say("one", "two") }`, "one\n"},
		"a constant":                {`const c words.Text = "one"`, "one\n"},
		"a constant without a type": {`const c = "one"; func f() { words.Say(c) }`, "one\n"},
		"a field":                   {`var v = struct{ T words.Text; S string }{"one", "two"}`, "one\n"},
		"a sum":                     {`func f() { words.Say("one" + " two") }`, "one two\n"},
		"a key":                     {`var v = map[words.Text]string{"one": "two"}`, "one\n"},
		"sorted, each once":         {`var v = []words.Text{"b", "a", "b"}`, "a\nb\n"},
		"two lines":                 {`var v = words.Text("one\ntwo")`, `one\ntwo` + "\n"},
		"none":                      {`var v words.Text = ""; type Text string; const c Text = "one"`, ""},
		"a text that is made later": {`func f(s string) { words.Say(words.Text(s)) }`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.found, fromSource(t, c.source))
		})
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ template, found string }{
		"t":          {`{{t "one"}}`, "one\n"},
		"arguments":  {`{{t "one of %s" "two"}}`, "one of %s\n"},
		"tn":         {`{{tn 3 "1 webhook" "%d webhooks" "x"}}`, "%d webhooks\n1 webhook\n"},
		"nested":     {`{{if .A}}{{range .B}}{{with .C}}{{t "a"}}{{else}}{{t "b"}}{{end}}{{end}}{{end}}`, "a\nb\n"},
		"in another": {`{{t "a %s" (t "b")}}{{template "x" (t "c")}}{{$v := t "d"}}`, "a %s\nb\nc\nd\n"},
		"a pipe":     {`{{"x" | printf "y" | t "a"}}`, "a\n"},
		"a block":    {`{{define "x"}}{{t "a"}}{{end}}{{block "y" .}}{{t "b"}}{{end}}`, "a\nb\n"},
		"none":       {`t "one" {{title "two"}} {{.t "three"}} {{/* t "four" */}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := texts{}
			require.NoError(t, found.fromTemplate("page", c.template))
			require.Equal(t, c.found, found.String())
		})
	}
	require.Error(t, texts{}.fromTemplate("x", `{{t "one"`))
}
