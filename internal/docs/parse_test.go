package docs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	p := parse("a.md", strings.Join([]string{
		"# The `make` file, and [more](x.md)!",
		"",
		"<!-- run -->",
		"```go",
		"package main",
		"```",
		"1. A list:",
		"   ```sh",
		"   make ci # not prose",
		"   ```",
	}, "\n"))
	require.Equal(t, []block{
		{line: 5, lang: "go", code: []string{"package main"}, mark: "run"},
		{line: 9, lang: "sh", code: []string{"   make ci # not prose"}},
	}, p.blocks)
	require.Equal(t, map[string]bool{"the-make-file-and-more": true}, p.headings)
	require.NotContains(t, p.prose, "not prose")
	require.Equal(t, []command{{kind: "make", arg: "ci"}}, commands(p)[:1])
}

func TestContains(t *testing.T) {
	t.Parallel()
	source := strings.Split("func Example() {\n\tif a {\n\t\tb()\n\n\t\tc()\n\t}\n}", "\n")
	require.True(t, contains(source, dedent([]string{"", "  if a {", "  \tb()", "", "  \tc()", "  }", ""})))
	require.True(t, contains(source, []string{"b()", "", "c()"}))
	require.False(t, contains(source, []string{"b()", "c()"}), "nothing may be left out")
	require.False(t, contains(source, []string{"if a {", "b()"}), "indentation counts")
}

func TestParseCommands(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]command{
		"make fmt lint FUZZTIME=1m # make sure":    {{kind: "make", arg: "fmt"}, {kind: "make", arg: "lint"}},
		"$ SECRET=x go run ./examples/quickstart":  {{"go", "examples/quickstart", "."}},
		"KEY=$(go run -C examples/server . -h)":    {{"go", "examples/server", "examples/server"}},
		"make bench BENCH='-only latency'":         {{kind: "make", arg: "bench"}},
		"cd bench && go test -v ./...":             {{kind: "path", arg: "bench"}},
		"go get github.com/rag-assistant/webhooks": nil,
		".ci/run | tee log":                        {{kind: "path", arg: ".ci/run"}},
		"tools/with-redis.sh go test ./store":      {{kind: "path", arg: "tools/with-redis.sh"}},
	} {
		require.Equal(t, want, parseCommands(line), line)
	}
}

func TestLinkTargets(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"a.png", "b.md#c", "#d", "e.md"}, links(strings.Join([]string{
		"[![x](a.png)](https://example.com) [`b`](b.md#c \"title\") [d](#d) <a href=\"mailto:x@example.com\">",
		"`[not](this.md)`",
		"[e]: e.md",
	}, "\n")))
}
