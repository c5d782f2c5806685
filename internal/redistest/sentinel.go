package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const sentinelGroup = "primary"

// Sentinel starts a sentinel that watches a server, and returns a client that
// finds the server through it.
func Sentinel(tb testing.TB, s *Server) *redis.Client {
	tb.Helper()
	addr, dir := freeAddr(tb), tb.TempDir()
	_, port, err := net.SplitHostPort(addr)
	must(tb, err)
	_, watched, err := net.SplitHostPort(s.Addr)
	must(tb, err)
	config := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\nsentinel monitor %s 127.0.0.1 %s 1\n",
		port, dir, filepath.Join(dir, "redis.log"), sentinelGroup, watched)
	must(tb, os.WriteFile(config, []byte(text), 0o600))

	cmd := exec.CommandContext(context.Background(), binary(tb), config, "--sentinel") //nolint:gosec // redis-server from PATH
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have ended already.
		_ = cmd.Wait()
	})
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: sentinelGroup, SentinelAddrs: []string{addr}, ContextTimeoutEnabled: true,
	})
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("redistest: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(tb.Context(), startPatience)
	defer cancel()
	for c.Ping(ctx).Err() != nil {
		select {
		case <-ctx.Done():
			tb.Fatalf("redistest: the sentinel does not come up")
		case <-time.After(pollInterval):
		}
	}
	return c
}
