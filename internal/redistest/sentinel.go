package redistest

import (
	"context"
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

// SentinelGroup is the name under which a sentinel knows the server.
const SentinelGroup = "primary"

// Sentinel starts a sentinel that watches a server, and returns a client that
// finds the server through it.
func Sentinel(tb testing.TB, s *Server) *redis.Client {
	tb.Helper()
	return sentinelClient(tb, StartSentinel(tb, s))
}

// StartSentinel starts a sentinel that watches a server and promotes a replica
// when it is down. Each setting is a name and a value, such as
// "down-after-milliseconds 1000". It returns the sentinel's address.
func StartSentinel(tb testing.TB, s *Server, settings ...string) string {
	tb.Helper()
	addr, dir := freeAddr(tb), tb.TempDir()
	_, port, err := net.SplitHostPort(addr)
	must(tb, err)
	_, watched, err := net.SplitHostPort(s.Addr)
	must(tb, err)
	config := filepath.Join(dir, "sentinel.conf")
	var text strings.Builder
	fmt.Fprintf(&text, "port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\nsentinel monitor %s 127.0.0.1 %s 1\n",
		port, dir, filepath.Join(dir, "redis.log"), SentinelGroup, watched)
	for _, line := range settings {
		name, value, _ := strings.Cut(line, " ")
		fmt.Fprintf(&text, "sentinel %s %s %s\n", name, SentinelGroup, value)
	}
	must(tb, os.WriteFile(config, []byte(text.String()), 0o600))

	cmd := exec.CommandContext(context.Background(), binary(tb), config, "--sentinel") //nolint:gosec // redis-server from PATH
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have ended already.
		_ = cmd.Wait()
	})
	probe := sentinelClient(tb, addr)
	ctx, cancel := context.WithTimeout(tb.Context(), serverTimeout)
	defer cancel()
	for probe.Ping(ctx).Err() != nil {
		select {
		case <-ctx.Done():
			tb.Fatalf("redistest: the sentinel does not come up")
		case <-time.After(pollInterval):
		}
	}
	return addr
}

func sentinelClient(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: SentinelGroup, SentinelAddrs: []string{addr}, ContextTimeoutEnabled: true,
	})
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("redistest: %v", err)
		}
	})
	return c
}
