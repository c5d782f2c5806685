package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrNoPostgres says that there is no PostgreSQL on this machine.
var ErrNoPostgres = errors.New("no PostgreSQL")

// Postgres is a PostgreSQL with its own cluster, with default settings.
type Postgres struct {
	URL     string
	Version string

	server server
}

// StartPostgres starts a PostgreSQL. PostgreSQL refuses to run as root, so root starts
// it as another user. It fails with [ErrNoPostgres] if this machine has none.
func StartPostgres(ctx context.Context) (*Postgres, error) {
	bin, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-postgres-")
	if err != nil {
		return nil, err
	}
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if os.Getuid() == 0 {
		if as.Credential, err = someone(); err != nil {
			return nil, err
		}
		if err := os.Chown(dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			return nil, err
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, name), args...) //nolint:gosec // of PostgreSQL
		cmd.SysProcAttr, cmd.Dir, cmd.Env = as, dir, []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := command("initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync").CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	version, err := command("postgres", "--version").Output()
	if err != nil {
		return nil, err
	}
	cmd := command("postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", dir)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	words := strings.Fields(string(version)) // such as: postgres (PostgreSQL) 15.16 (Debian …)
	p := &Postgres{
		URL: "postgres://bench@127.0.0.1:" + port + "/postgres?sslmode=disable", Version: words[min(2, len(words)-1)],
		server: server{cmd, dir},
	}
	err = await(ctx, "postgres", func() error {
		return command("pg_isready", "-q", "-h", "127.0.0.1", "-p", port).Run()
	})
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close stops the server.
func (p *Postgres) Close() { p.server.stop(syscall.SIGINT) }

// postgresBinaries finds the directory of postgres, initdb and pg_isready.
func postgresBinaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err == nil && len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrNoPostgres
	}
	return filepath.Dir(path), nil
}

// someone is a user without rights.
func someone() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("%w: no user to run it as", ErrNoPostgres)
}
