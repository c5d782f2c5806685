//go:build chaos

package chaos_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// postgres is a PostgreSQL of the test's own, which keeps what it has acknowledged: with
// fsync, and full pages in its log.
type postgres struct {
	url  string
	dir  string
	bin  string
	as   *syscall.Credential // A server refuses to run as root.
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// startPostgres makes a server in a directory of its own.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	// A socket's path is short, and the server's user must reach it.
	dir, err := os.MkdirTemp("", "webhooks-chaos") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	p := &postgres{dir: dir, bin: postgresBin(t), url: "postgres://webhooks@/postgres?connect_timeout=2&host=" + dir}
	if os.Getuid() == 0 {
		p.as = of(t, "postgres")
		require.NoError(t, os.Chown(dir, int(p.as.Uid), int(p.as.Gid)))
	}
	out, err := p.command("initdb", "-D", p.data(), "-A", "trust", "-U", "webhooks", "-E", "UTF8", "--no-locale").CombinedOutput()
	require.NoError(t, err, string(out))
	t.Cleanup(func() { p.kill(t) })
	p.start(t)
	return p
}

// postgresBin is where the newest server is. Debian keeps them off PATH.
func postgresBin(t *testing.T) string {
	t.Helper()
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	require.NoError(t, err)
	if len(all) == 0 {
		path, err := exec.LookPath("postgres")
		require.NoError(t, err)
		all = append(all, path)
	}
	return filepath.Dir(slices.Max(all))
}

func of(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: p.as}
	return cmd
}

// start starts the server and waits until it has recovered and answers. What a killed
// server has left may keep the next one from starting for a moment.
func (p *postgres) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	require.Eventually(t, func() bool {
		p.cmd = p.command("postgres", "-D", p.data(), "-c", "listen_addresses=", "-c", "unix_socket_directories="+p.dir,
			"-c", "deadlock_timeout=50ms", "-c", "max_connections=200")
		p.cmd.Stdout, p.cmd.Stderr = log, log
		require.NoError(t, p.cmd.Start())
		done := make(chan struct{})
		p.done = done
		go func() {
			_ = p.cmd.Wait() // It is killed in the end.
			close(done)
		}()
		return p.answers(t)
	}, 20*time.Second, 50*time.Millisecond, "look into %s", p.dir)
}

// answers waits until the server answers, or has ended.
func (p *postgres) answers(t *testing.T) bool {
	t.Helper()
	db := p.connect(t, "")
	defer db.Close()
	for {
		if db.PingContext(t.Context()) == nil {
			return true
		}
		select {
		case <-p.done:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// connect connects as an application with that name. Those of the store have none.
func (p *postgres) connect(t *testing.T, name string) *sql.DB {
	t.Helper()
	db, err := connectPostgres(p.url + "&application_name=" + name)
	require.NoError(t, err)
	return db
}

// kill ends the server and all of its processes at once, as a machine that loses its power
// does, and waits for the end of the first.
func (p *postgres) kill(t *testing.T) {
	t.Helper()
	pid := p.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return // It has been killed already.
	}
	require.NoError(t, p.cmd.Process.Kill())
	for child := range strings.FieldsSeq(string(children)) {
		n, err := strconv.Atoi(child)
		require.NoError(t, err)
		_ = syscall.Kill(n, syscall.SIGKILL) // It may have ended.
	}
	<-p.done
}

// logged counts the lines of the server's log that hold some words.
func (p *postgres) logged(t *testing.T, words string) int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(p.dir, "log"))
	require.NoError(t, err)
	return strings.Count(string(log), words)
}
