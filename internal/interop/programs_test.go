//go:build interop

package interop_test

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	rawDir           = "../../examples/receivers"
	reserialisingDir = "reserialising"
	lambdaDir        = "../../examples/lambda"

	// startTime is how long a program may take until it listens.
	startTime = 2 * time.Minute
)

// program is a receiver that can be started.
type program struct {
	name    string
	dir     string
	command []string
	speaks  string // as portable.Issue.Receiver, whose way of verifying it has; "": raw bytes
	lambda  bool   // a function behind a gateway, which listens for it
	fixed   bool   // it takes no port 0
}

// programs returns all receivers. It fails if something is not there to run them.
func programs(t *testing.T) []program {
	t.Helper()
	node := interpreter(t, "node", "-e", `require("express")`)
	python := interpreter(t, "python3", "-c", "import flask")
	ruby := interpreter(t, "ruby", "-e", `require "sinatra/base"; require "puma"`)
	php := interpreter(t, "php", "--version")
	java := interpreter(t, "java", "--version")
	mono := interpreter(t, "mono", "--version")
	server := []string{php, "-S", "127.0.0.1:0", "receiver.php"}
	frameworks, err := installFrameworks()
	require.NoError(t, err)
	compiled, err := compile()
	require.NoError(t, err)
	return []program{
		{name: "node", dir: reserialisingDir, command: []string{node, "receiver.js"}, speaks: "Node.js"},
		{name: "python", dir: reserialisingDir, command: []string{python, "receiver.py"}, speaks: "Python"},
		{name: "php", dir: reserialisingDir, command: server, speaks: "PHP"},
		{name: "ruby", dir: reserialisingDir, command: []string{ruby, "receiver.rb"}, speaks: "Ruby"},
		{name: "go", dir: reserialisingDir, command: []string{build(t, reserialisingDir)}, speaks: "Go"},

		{name: "node raw", dir: rawDir, command: []string{node, "receiver.js"}},
		{name: "python raw", dir: rawDir, command: []string{python, "receiver.py"}},
		{name: "php raw", dir: rawDir, command: server},
		{name: "ruby raw", dir: rawDir, command: []string{ruby, "receiver.rb"}},
		{name: "java raw", dir: rawDir, command: []string{java, "Receiver.java"}},
		{name: "go raw", dir: rawDir, command: []string{build(t, rawDir)}},
		{name: "csharp raw", dir: rawDir, command: []string{mono, filepath.Join(compiled, "Program.exe")}, fixed: true},
		{name: "rust raw", dir: rawDir, command: []string{filepath.Join(compiled, "debug/receiver")}},

		{name: "next", dir: frameworks, command: []string{node, "next.mjs"}},
		{name: "nest", dir: frameworks, command: []string{node, "nest.mjs"}},
		{name: "fastify", dir: frameworks, command: []string{node, "fastify.mjs"}},
		{name: "worker", dir: frameworks, command: []string{filepath.Join(frameworks, "workerd"), "serve", "--control-fd=1", "workerd.capnp"}},
		{name: "node lambda", dir: frameworks, command: []string{node, "lambda-runtime.mjs"}, lambda: true},
		{name: "go lambda", dir: lambdaDir, command: []string{build(t, lambdaDir)}, lambda: true},
	}
}

// modules is where Debian and its descendants have Node.js modules.
const modules = "NODE_PATH=/usr/share/nodejs"

// interpreter returns the program on PATH, or else the system's own, that can do a
// thing which needs its libraries.
func interpreter(t *testing.T, name string, able ...string) string {
	t.Helper()
	var out []byte
	for _, path := range []string{name, "/usr/bin/" + name} {
		cmd := exec.CommandContext(t.Context(), path, able...)
		cmd.Env = append(os.Environ(), modules)
		var err error
		if out, err = cmd.CombinedOutput(); err == nil {
			return path
		}
	}
	require.FailNow(t, "make interop installs what is missing", "%s %q: %s", name, able, out)
	return ""
}

// build compiles a program in Go and returns its path.
func build(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "receiver")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// process is a running program.
type process struct {
	name   string
	ready  chan string // the address, once it listens there
	ended  chan struct{}
	output *tail
}

// start runs a program that knows a secret. It lives no longer than the test does.
func (p program) start(t *testing.T, secret string) *process {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Dir = p.dir
	port := "0"
	if p.fixed {
		free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		_, port, err = net.SplitHostPort(free.Addr().String())
		require.NoError(t, err)
		require.NoError(t, free.Close())
	}
	cmd.Env = append(os.Environ(), modules, "WEBHOOK_SECRET="+secret, "PORT="+port)
	c := &process{name: p.name, ready: make(chan string, 1), ended: make(chan struct{}), output: &tail{}}
	if p.lambda {
		cmd.Env = append(cmd.Env, "AWS_LAMBDA_RUNTIME_API="+newGateway(t, c))
	}
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	go func() {
		defer close(c.ended)
		c.follow(read)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-c.ended
		_ = read.Close()
	})
	return c
}

// listening finds where a server says that it listens. workerd says it in JSON.
var listening = regexp.MustCompile(`(?:127\.0\.0\.1:|"port":)([1-9]\d*)`)

// follow reads what the program prints until it ends.
func (c *process) follow(read *os.File) {
	told := false
	for lines := bufio.NewScanner(read); lines.Scan(); {
		c.output.add(lines.Bytes())
		if m := listening.FindSubmatch(lines.Bytes()); m != nil && !told {
			told = true
			c.ready <- "127.0.0.1:" + string(m[1])
		}
	}
}

// address waits until the program listens.
func (c *process) address(t *testing.T) string {
	t.Helper()
	select {
	case address := <-c.ready:
		return address
	case <-c.ended:
		require.FailNow(t, "it has ended", "%s: %s", c.name, c.output)
	case <-time.After(startTime):
		require.FailNow(t, "it does not listen", "%s: %s", c.name, c.output)
	}
	return ""
}

// tail keeps the last that a program has printed.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 8 << 10

func (b *tail) add(line []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(append(b.text, line...), '\n')
	b.text = bytes.Clone(b.text[max(0, len(b.text)-tailSize):])
}

// String returns what is kept.
func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
