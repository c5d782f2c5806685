package docs_test

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// A page is a Markdown file, parsed as far as the checks need.
type page struct {
	path     string // From the module's root.
	blocks   []block
	prose    string // All that is outside fenced blocks.
	headings map[string]bool
}

// A block is a fenced block of code.
type block struct {
	line int    // Of its first line of code, from 1.
	lang string // The first word after the fence, or "".
	code []string
	mark string // What <!-- … --> on the line before it says.
}

// run reports whether b is to be run: <!-- run -->.
func (b block) run() bool { return b.mark == "run" }

// file returns the path, from the module's root, of the file that b shows, if it does:
// <!-- file path -->.
func (b block) file() (string, bool) { return strings.CutPrefix(b.mark, "file ") }

const root = "../.."

// pages returns every Markdown file of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var out []page
	for _, path := range files(t, func(path string) bool { return strings.HasSuffix(path, ".md") }) {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		out = append(out, parse(path, string(text)))
	}
	return out
}

// files returns the paths, from the module's root, of the files that want accepts.
// It leaves out hidden directories and test data.
func files(t *testing.T, want func(path string) bool) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if hidden := strings.HasPrefix(d.Name(), ".") && path != root; hidden || d.Name() == "testdata" || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if rel = filepath.ToSlash(rel); err == nil && want(rel) {
			out = append(out, rel)
		}
		return err
	}))
	return out
}

var comment = regexp.MustCompile(`^\s*<!-- (.*?) -->\s*$`)

var fence = regexp.MustCompile("^\\s*(```+|~~~+)\\s*([^\\s`]*)")

func parse(path, text string) page {
	p := page{path: path, headings: map[string]bool{}}
	var prose strings.Builder
	var open *block
	marker, previous := "", ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			marker = m[1]
			open = &block{line: i + 2, lang: m[2]}
			if mark := comment.FindStringSubmatch(previous); mark != nil {
				open.mark = mark[1]
			}
		case open != nil && m != nil && m[2] == "" && strings.HasPrefix(m[1], marker):
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.code = append(open.code, line)
		default:
			prose.WriteString(line + "\n")
			if title := strings.TrimLeft(line, "#"); title != line && strings.HasPrefix(title, " ") {
				p.headings[slug(title)] = true
			}
		}
		previous = line
	}
	p.prose = prose.String()
	return p
}

// slug returns the anchor that GitHub gives to a heading.
func slug(title string) string {
	title = linkText.ReplaceAllString(strings.TrimSpace(title), "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, title)
}

var linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// dedent takes the indentation that all lines share off each, blanks off their
// ends, and blank lines off both ends.
func dedent(lines []string) []string {
	blank := func(line string) bool { return strings.TrimSpace(line) == "" }
	for len(lines) > 0 && blank(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	shared := math.MaxInt
	for _, line := range lines {
		if !blank(line) {
			shared = min(shared, len(line)-len(strings.TrimLeft(line, " \t")))
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimRight(line[min(shared, len(line)):], " \t")
	}
	return out
}

// contains reports whether the lines of snippet, which is dedented, stand one
// after another in source, all indented alike.
func contains(source, snippet []string) bool {
	for i := 0; i+len(snippet) <= len(source); i++ {
		if slices.Equal(dedent(source[i:i+len(snippet)]), snippet) {
			return true
		}
	}
	return false
}
