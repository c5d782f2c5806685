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

// unheard is a version that nobody else has.
const unheard = "v0.0.0-consumed"

// read returns the go.mod of a module of this repository.
func read(t *testing.T, dir string) *modfile.File {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, dir, "go.mod"))
	require.NoError(t, err)
	f, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	return f
}

// file is a file of the work tree, in the form that package zip takes: its name within its
// module, and where it is.
type file struct{ name, at string }

func (f file) Path() string                 { return f.name }
func (f file) Lstat() (os.FileInfo, error)  { return os.Lstat(f.at) }
func (f file) Open() (io.ReadCloser, error) { return os.Open(f.at) }

// files are what of a module would be in the next commit, without the modules within.
func files(t *testing.T, dir string) []zip.File {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	cmd.Dir = filepath.Join(root, dir)
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []zip.File
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		at := filepath.Join(root, dir, name)
		if _, err := os.Lstat(at); err != nil || within(dir, name) {
			continue
		}
		all = append(all, file{name, at})
	}
	return all
}

// within reports whether a file of a module belongs to a module below it.
func within(dir, name string) bool {
	for below := filepath.Dir(name); below != "."; below = filepath.Dir(below) {
		if _, err := os.Stat(filepath.Join(root, dir, below, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

// user is somebody with an empty module cache and a proxy that has modules of ours.
type user struct {
	env []string
	as  module.Version // of the root module
}

// newUser returns one whose proxy has the root module, in a version, and other modules in one
// that is unheard of.
func newUser(t *testing.T, version string, others ...string) user {
	t.Helper()
	proxy := t.TempDir()
	u := user{as: module.Version{Path: read(t, "").Module.Mod.Path, Version: version}}
	publish(t, proxy, "", u.as)
	for _, dir := range others {
		publish(t, proxy, dir, module.Version{Path: read(t, dir).Module.Mod.Path, Version: unheard})
	}
	// Other modules come from this machine's cache, or from its usual proxy.
	proxies := []string{"file://" + proxy, "file://" + filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download"), goEnv(t, "GOPROXY")}
	u.env = append(
		os.Environ(), "GOPROXY="+strings.Join(proxies, ","), "GOMODCACHE="+t.TempDir(), "GONOSUMDB="+u.as.Path,
		"GOFLAGS=-modcacherw -trimpath", "GOWORK=off", "GO111MODULE=on", "CGO_ENABLED=0", "GOBIN="+t.TempDir(),
	)
	return u
}

// publish puts a module of this repository into a proxy of files.
func publish(t *testing.T, proxy, from string, m module.Version) {
	t.Helper()
	dir := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	text, err := os.ReadFile(filepath.Join(root, from, "go.mod"))
	require.NoError(t, err)
	write(t, filepath.Join(dir, m.Version+".mod"), string(text))
	write(t, filepath.Join(dir, m.Version+".info"), `{"Version":"`+m.Version+`"}`)
	write(t, filepath.Join(dir, "list"), m.Version+"\n")
	archive, err := os.Create(filepath.Join(dir, m.Version+".zip"))
	require.NoError(t, err)
	require.NoError(t, zip.Create(archive, m, files(t, from)))
	require.NoError(t, archive.Close())
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
	out := newUser(t, unheard).program(t, string(source))("run", ".")
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
	u := newUser(t, unheard)
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

// The command installs as its users do it: go install refuses a go.mod with a replace. Of
// the root module it takes the release that it names.
func TestInstall(t *testing.T) {
	t.Parallel()
	const dir = "cmd/webhooks"
	command := read(t, dir)
	u := newUser(t, required(t, command, read(t, "").Module.Mod.Path), dir)
	cmd := exec.CommandContext(t.Context(), "go", "install", command.Module.Mod.Path+"@"+unheard)
	cmd.Dir, cmd.Env = t.TempDir(), u.env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	bin, _ := strings.CutPrefix(u.env[len(u.env)-1], "GOBIN=")
	out, err = exec.CommandContext(t.Context(), filepath.Join(bin, "webhooks"), "version").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "webhooks "+unheard+" go")
}

// required returns the version of a module that another one asks for.
func required(t *testing.T, f *modfile.File, path string) string {
	t.Helper()
	for _, r := range f.Require {
		if r.Mod.Path == path {
			return r.Mod.Version
		}
	}
	require.FailNow(t, "it is not required", path)
	return ""
}
