// Package docs_test checks that the Markdown files are right. Their Go programs build,
// their other Go code stands in an Example that is tested, programs in other languages
// are files that are run, links lead somewhere, and commands exist.
package docs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runTime is how long a program may take that is marked with <!-- run -->.
const runTime = 30 * time.Second

func TestPrograms(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if _, shown := b.file(); shown || b.lang != "go" || !b.program() {
				continue // What is shown is built where it stands, in its module.
			}
			t.Run(fmt.Sprintf("%s:%d", p.path, b.line), func(t *testing.T) {
				t.Parallel()
				binary := build(t, p, b)
				if !b.run() {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), runTime)
				defer cancel()
				out, err := exec.CommandContext(ctx, binary).CombinedOutput()
				require.NoError(t, err, "%s", out)
			})
		}
	}
}

func TestSnippetsStandInExamples(t *testing.T) {
	t.Parallel()
	sources := examples(t)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.lang != "go" || b.program() {
				continue
			}
			snippet := dedent(b.code)
			found := slices.ContainsFunc(sources, func(source []string) bool { return contains(source, snippet) })
			require.True(t, found, "%s:%d: this code is in no Example and in no file of examples/:\n%s",
				p.path, b.line, strings.Join(snippet, "\n"))
		}
	}
}

// TestFilesAreShownAsTheyAre compares code in other languages with the file that is run.
// Code that is not run has to be marked as such.
func TestFilesAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	others := []string{"js", "javascript", "ts", "python", "php", "ruby", "java", "csharp", "rust"}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			name, shown := b.file()
			if !shown {
				require.False(t, slices.Contains(others, b.lang) && b.mark != "not run",
					"%s:%d: mark this code with <!-- file path --> or <!-- not run -->", p.path, b.line)
				continue
			}
			text, err := os.ReadFile(filepath.Join(root, name))
			require.NoError(t, err, "%s:%d", p.path, b.line)
			require.Equal(t, string(text), strings.Join(b.code, "\n")+"\n", "%s:%d is not %s", p.path, b.line, name)
		}
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	all := map[string]page{}
	for _, p := range pages(t) {
		all[p.path] = p
	}
	for _, p := range all {
		for _, link := range links(p.prose) {
			target, anchor, _ := strings.Cut(link, "#")
			switch {
			case target == "":
				target = p.path
			case strings.HasPrefix(target, "/"):
				target = path.Clean(target[1:])
			default:
				target = path.Join(path.Dir(p.path), target)
			}
			_, err := os.Stat(filepath.Join(root, target))
			require.NoError(t, err, "%s links to %s", p.path, link)
			if linked, ok := all[target]; ok && anchor != "" {
				require.True(t, linked.headings[anchor], "%s links to %s: no heading has that anchor", p.path, link)
			}
		}
	}
}

func TestCommandsExist(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z-]*):`).FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	for _, p := range pages(t) {
		for _, c := range commands(p) {
			switch c.kind {
			case "make":
				require.Contains(t, targets, c.arg, "%s tells to run make %s", p.path, c.arg)
			case "go":
				matches, err := filepath.Glob(filepath.Join(root, c.arg, "*.go"))
				require.NoError(t, err)
				require.NotEmpty(t, matches, "%s names the package %s, which has no Go file", p.path, c.arg)
				require.Equal(t, moduleOf(c.arg), moduleOf(c.from), "%s runs the package %s from another module", p.path, c.arg)
			case "path":
				_, err := os.Stat(filepath.Join(root, c.arg))
				require.NoError(t, err, "%s names %s", p.path, c.arg)
			}
		}
	}
}

// moduleOf returns the directory of the module that a directory is in.
func moduleOf(dir string) string {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			break
		}
	}
	return dir
}

// program reports whether b is a whole program.
func (b block) program() bool { return slices.Contains(b.code, "package main") }

// build builds the program b inside the module without writing to it, and
// returns where the binary is.
func build(t *testing.T, p page, b block) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	// The compiler's errors then name the page.
	code := fmt.Sprintf("//line %s:%d\n%s\n", p.path, b.line, strings.Join(b.code, "\n"))
	require.NoError(t, os.WriteFile(source, []byte(code), 0o600))

	name := fmt.Sprintf("internal/docs/program%d", b.line)
	base, err := filepath.Abs(root)
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{
		"Replace": map[string]string{filepath.Join(base, name, "main.go"): source},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))

	binary := filepath.Join(dir, "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./"+name)
	cmd.Dir = base
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// examples returns the lines of all the code that may stand in a page: Example
// functions, files of Examples, and whole programs under examples/.
func examples(t *testing.T) [][]string {
	t.Helper()
	var out [][]string
	for _, name := range files(t, func(name string) bool { return strings.HasSuffix(name, ".go") }) {
		whole := strings.HasPrefix(name, "examples/") || strings.HasPrefix(path.Base(name), "example_")
		if !whole && !strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		lines := strings.Split(string(text), "\n")
		if whole {
			out = append(out, lines)
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Example") {
				out = append(out, lines[fset.Position(fn.Pos()).Line-1:fset.Position(fn.End()).Line])
			}
		}
	}
	return out
}

var (
	linkTarget = regexp.MustCompile(`\]\(\s*<?([^)>\s]+)|(?m:^\[[^\]]+\]:\s*<?([^>\s]+))|(?:src|href)="([^"]+)"`)
	codeSpan   = regexp.MustCompile("`[^`\n]+`")
	scheme     = regexp.MustCompile(`^([a-zA-Z][a-zA-Z+.-]*:|//)`)
)

// links returns the targets of prose's links that lead into this repository.
func links(prose string) []string {
	var out []string
	for _, m := range linkTarget.FindAllStringSubmatch(codeSpan.ReplaceAllString(prose, ""), -1) {
		if target := m[1] + m[2] + m[3]; !scheme.MatchString(target) {
			out = append(out, target)
		}
	}
	return out
}

// A command is something of this repository that a page tells to run.
type command struct {
	kind string // "make", "go" or "path".
	arg  string // A target, or a directory or file from the module's root.
	from string // Where go runs, from the module's root.
}

// commands returns the commands of this repository in p's shell blocks and code spans.
func commands(p page) []command {
	var lines []string
	for _, b := range p.blocks {
		if slices.Contains([]string{"sh", "bash", "shell", "console"}, b.lang) {
			lines = append(lines, b.code...)
		}
	}
	for _, span := range codeSpan.FindAllString(p.prose, -1) {
		lines = append(lines, strings.Trim(span, "`"))
	}
	var out []command
	for _, line := range lines {
		out = append(out, parseCommands(line)...)
	}
	return out
}

var (
	separator = regexp.MustCompile(`&&|\|\||\$\(|[;|&()]`)
	assigned  = regexp.MustCompile(`^[A-Za-z_]+=`)
	target    = regexp.MustCompile(`^[a-z][a-z-]*$`)
	quoted    = regexp.MustCompile(`'[^']*'`)
)

// parseCommands reads the commands of one line of shell, without its comment.
func parseCommands(line string) []command {
	var out []command
	dir := "."
	line = quoted.ReplaceAllString(line, "''")
	line, _, _ = strings.Cut(" "+line, " #")
	for _, part := range separator.Split(line, -1) {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(part), "$ "))
		for len(words) > 0 && assigned.MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		switch name := words[0]; {
		case name == "cd" && len(words) > 1:
			dir = path.Join(dir, words[1])
		case name == "make":
			for _, word := range words[1:] {
				if target.MatchString(word) {
					out = append(out, command{kind: "make", arg: word})
				}
			}
		case name == "go":
			in := dir
			for i, word := range words[1:] {
				switch below, all := strings.CutSuffix(word, "..."); {
				case words[i] == "-C":
					in = path.Join(dir, word)
				case word != "." && !strings.HasPrefix(word, "./"):
				case all:
					out = append(out, command{kind: "path", arg: path.Join(in, below)})
				default:
					out = append(out, command{"go", path.Join(in, word), in})
				}
			}
		case strings.HasPrefix(name, "tools/"), strings.HasPrefix(name, "./tools/"), strings.HasPrefix(strings.TrimPrefix(name, "./"), ".ci/"):
			out = append(out, command{kind: "path", arg: path.Join(dir, name)})
		}
	}
	return out
}

// TestNamedTestsExist looks for each test that the threat model names, and for one in
// each row.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`").FindAllSubmatch(page, -1)
	require.Greater(t, len(named), 40)
	for row := range strings.Lines(string(page)) {
		if cells := strings.Split(row, "|"); len(cells) > 1 && !strings.HasPrefix(row, "|---") && !strings.HasPrefix(row, "| asset") {
			require.Len(t, cells, 6, row)
			require.Regexp(t, "`(Test|Fuzz)", cells[4], "no test holds this wall: %s", row)
		}
	}
	declared := map[string]bool{}
	require.NoError(t, filepath.WalkDir("../..", func(file string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(source, -1) {
			declared[string(m[1])] = true
		}
		return err
	}))
	for _, m := range named {
		require.True(t, declared[string(m[1])], "%s is named and not there", m[1])
	}
}

// TestSelectedTestsExist looks for each test that a command of the checks selects, in the
// packages that the command names: a -run that matches nothing passes.
func TestSelectedTestsExist(t *testing.T) {
	t.Parallel()
	selected := 0
	for _, name := range []string{"Makefile", ".github/workflows/ci.yml"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			_, command, ok := strings.Cut(line, "go test ")
			if !ok {
				continue
			}
			dirs := regexp.MustCompile(`\./[\w/]+`).FindAllString(command, -1)
			if cd := regexp.MustCompile(`cd ([\w/]+) &&`).FindStringSubmatch(line); cd != nil {
				dirs = append(dirs, cd[1])
			}
			for _, test := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(command, -1) {
				selected++
				require.NotEmpty(t, files(t, func(file string) bool {
					in := slices.ContainsFunc(dirs, func(dir string) bool { return path.Clean(dir) == path.Dir(file) })
					if !in || !strings.HasSuffix(file, "_test.go") {
						return false
					}
					source, err := os.ReadFile(filepath.Join(root, file))
					return err == nil && strings.Contains(string(source), "func "+test+"(")
				}), "%s selects %s, which is not there: %s", name, test, line)
			}
		}
	}
	require.GreaterOrEqual(t, selected, 6)
}
