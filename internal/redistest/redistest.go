// Package redistest gives tests a Redis of their own.
//
// It uses the server that WEBHOOK_TEST_REDIS_URL names, or else starts a private
// redis-server from PATH on a free port of the loopback interface, with its files
// in the test's directory, and kills it when the test ends. Without either, tests
// skip, unless WEBHOOK_TEST_REQUIRE_REDIS is set: then they fail.
//
// Tests that share a server keep apart by [Prefix]. Nothing here flushes a
// database.
package redistest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	urlVariable     = "WEBHOOK_TEST_REDIS_URL"
	requireVariable = "WEBHOOK_TEST_REQUIRE_REDIS"

	// serverTimeout bounds the wait for a server.
	serverTimeout = 20 * time.Second
	pollInterval  = 5 * time.Millisecond
)

// Prefix returns a key prefix that no other test has.
func Prefix() string { return "test-" + strings.ToLower(rand.Text()[:12]) }

// Client returns a client of the server that tests share, or of a private one.
func Client(tb testing.TB) *redis.Client {
	tb.Helper()
	if url := os.Getenv(urlVariable); url != "" {
		o, err := redis.ParseURL(url)
		if err != nil {
			tb.Fatalf("redistest: %s: %v", urlVariable, err)
		}
		return connect(tb, o)
	}
	return Start(tb).Client(tb)
}

func connect(tb testing.TB, o *redis.Options) *redis.Client {
	tb.Helper()
	o.ContextTimeoutEnabled = true
	c := redis.NewClient(o)
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("redistest: %v", err)
		}
	})
	return c
}

// Server is a private redis-server.
type Server struct {
	Addr string
	Dir  string // where its append-only file is

	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start starts a private redis-server. Each setting is a name and a value, such
// as "appendonly yes".
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	return StartIn(tb, tb.TempDir(), settings...)
}

// StartIn is Start with the files that dir already has.
func StartIn(tb testing.TB, dir string, settings ...string) *Server {
	tb.Helper()
	s := &Server{Dir: dir}
	for _, line := range settings {
		name, value, _ := strings.Cut(line, " ")
		s.args = append(append(s.args, "--"+name), strings.Fields(value)...)
	}
	tb.Cleanup(func() { s.Kill(tb) })
	s.Restart(tb)
	return s
}

// binary finds redis-server.
func binary(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err == nil {
		return path
	}
	if os.Getenv(requireVariable) != "" {
		tb.Fatalf("redistest: no redis-server on PATH, no %s, and %s is set", urlVariable, requireVariable)
	}
	tb.Skipf("redistest: SKIPPED, nothing was tested: install redis-server or set %s", urlVariable)
	return ""
}

// Restart starts the server again with its files, repaired as docs/redis.md says, and with
// its port if that is still free.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	path := binary(tb)
	s.repair(tb, path)
	var last error
	for range 5 { // Another process may take the port first.
		if s.Addr == "" {
			s.Addr = freeAddr(tb)
		}
		if last = s.launch(path); last == nil {
			return
		}
		if s.done != nil {
			s.Kill(tb)
		}
		if strings.Contains(last.Error(), "loading") {
			break
		}
		s.Addr = ""
	}
	tb.Fatalf("redistest: %v", last)
}

// repair cuts off a transaction that a kill has left without its end. Redis would keep what
// the append-only file has of it, and do that at the restart after the next.
func (s *Server) repair(tb testing.TB, server string) {
	tb.Helper()
	manifests, _ := filepath.Glob(filepath.Join(s.Dir, "appendonlydir", "*.manifest")) // The pattern is right.
	for _, m := range manifests {
		cmd := exec.CommandContext(tb.Context(), filepath.Join(filepath.Dir(server), "redis-check-aof"), "--fix", m) //nolint:gosec // beside redis-server
		cmd.Stdin = strings.NewReader("y\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			tb.Fatalf("redistest: redis-check-aof: %v: %s", err, out)
		}
	}
}

func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) launch(path string) error {
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	args := append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--appendonly", "no",
		"--logfile", filepath.Join(s.Dir, "redis.log"), "--daemonize", "no",
	}, s.args...)
	cmd := exec.CommandContext(context.Background(), path, args...) //nolint:gosec // redis-server from PATH
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // Killed in the end.
		close(done)
	}()
	return s.await()
}

// await waits until the server answers.
func (s *Server) await() error {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, PoolSize: 1})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	for {
		err := c.Ping(ctx).Err()
		if err == nil {
			return s.checkPort(ctx, c)
		}
		select {
		case <-s.done:
			return fmt.Errorf("redis-server has ended: %s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", err)
		case <-time.After(pollInterval):
		}
	}
}

// checkPort fails if another server has the port.
func (s *Server) checkPort(ctx context.Context, c *redis.Client) error {
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	if !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", s.cmd.Process.Pid)) {
		return fmt.Errorf("another server has %s", s.Addr)
	}
	return nil
}

func (s *Server) logTail() string {
	b, err := os.ReadFile(filepath.Join(s.Dir, "redis.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-500):])
}

// Kill kills the server as a crash would, and waits for its end.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // It may have ended already.
	<-s.done
	s.cmd = nil
}

// Signal sends the server a signal. SIGSTOP freezes it with its connections
// until SIGCONT.
func (s *Server) Signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	must(tb, s.cmd.Process.Signal(sig))
}

// Client returns a client of this server, which is closed when the test ends.
func (s *Server) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	return connect(tb, &redis.Options{Addr: s.Addr})
}
