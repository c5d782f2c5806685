package consume_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const root = "../.."

// theModule returns the module at root, in a version that nobody else has.
func theModule(t *testing.T) (module.Version, []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	return module.Version{Path: modfile.ModulePath(text), Version: "v0.0.0-consumed"}, text
}

// file is a file of the work tree, in the form that package zip takes.
type file struct{ path string }

func (f file) Path() string                 { return f.path }
func (f file) Lstat() (os.FileInfo, error)  { return os.Lstat(filepath.Join(root, f.path)) }
func (f file) Open() (io.ReadCloser, error) { return os.Open(filepath.Join(root, f.path)) }

// files are what would be in the next commit, without the modules within.
func files(t *testing.T) []zip.File {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []zip.File
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil || within(name) {
			continue
		}
		all = append(all, file{name})
	}
	return all
}

// within reports whether a file belongs to a module below the root.
func within(name string) bool {
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

// user is somebody with an empty module cache and a proxy that has the module.
type user struct {
	env []string
	as  module.Version
}

func newUser(t *testing.T) user {
	t.Helper()
	m, text := theModule(t)
	proxy := t.TempDir()
	dir := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	write(t, filepath.Join(dir, m.Version+".mod"), string(text))
	write(t, filepath.Join(dir, m.Version+".info"), `{"Version":"`+m.Version+`"}`)
	write(t, filepath.Join(dir, "list"), m.Version+"\n")
	archive, err := os.Create(filepath.Join(dir, m.Version+".zip"))
	require.NoError(t, err)
	require.NoError(t, zip.Create(archive, m, files(t)))
	require.NoError(t, archive.Close())

	// Other modules come from this machine's cache, or from its usual proxy.
	proxies := []string{"file://" + proxy, "file://" + filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download"), goEnv(t, "GOPROXY")}
	return user{as: m, env: append(
		os.Environ(), "GOPROXY="+strings.Join(proxies, ","), "GOMODCACHE="+t.TempDir(), "GONOSUMDB="+m.Path,
		"GOFLAGS=-modcacherw", "GOWORK=off", "GO111MODULE=on",
	)}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// program makes a fresh module with one program, runs `go get` for our module, and
// returns a function that runs the program.
func (u user) program(t *testing.T, source string) func(args ...string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"), source)
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, u.env
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
		return string(out)
	}
	run("mod", "init", "example.com/user")
	run("get", u.as.Path+"@"+u.as.Version)
	run("mod", "tidy")
	return run
}

func TestSender(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("testdata/sender.go.txt")
	require.NoError(t, err)
	out := newUser(t).program(t, string(source))("run", ".")
	require.Equal(t, "document.created Café <nil>\n", out)
}

// The receiver of the README adds nothing but this module to a user's go.mod.
func TestReceiver(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "## Receive\n")
	require.True(t, found)
	source := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindStringSubmatch(section)
	require.NotNil(t, source)
	u := newUser(t)
	run := u.program(t, source[1])
	run("build", "-o", os.DevNull, ".")
	modules := strings.FieldsSeq(run("list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}}{{end}}", "."))
	for m := range modules {
		require.Contains(t, []string{"example.com/user", u.as.Path}, m)
	}
	required := regexp.MustCompile(`(?m)^\s*(?:require )?(\S+) v\S+`).FindAllStringSubmatch(run("mod", "edit", "-print"), -1)
	require.Len(t, required, 1)
	require.Equal(t, u.as.Path, required[0][1])
}
