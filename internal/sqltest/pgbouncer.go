package sqltest

import (
	"fmt"
	neturl "net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// PgBouncer starts one in front of the database that the environment names. It lends a server
// for a transaction at a time. The address takes parameters of the driver's, such as "a=b".
func PgBouncer(tb testing.TB) (address func(parameters string) string) {
	tb.Helper()
	server, err := pgx.ParseConfig(URL(tb))
	require.NoError(tb, err)
	program := pgBouncer(tb)
	dir, err := os.MkdirTemp("", "webhooks-pgbouncer") //nolint:usetesting // The name of a socket must be short.
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })

	password := "" // An empty one is an error of syntax.
	if server.Password != "" {
		password = " password='" + server.Password + "'"
	}
	file := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Appendf(nil, `[databases]
%s = host=%s port=%d user=%s%s
[pgbouncer]
unix_socket_dir = %s
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
`, server.Database, server.Host, server.Port, server.User, password, dir)
	require.NoError(tb, os.WriteFile(file, text, 0o644)) //nolint:gosec // Another user reads it.
	args := []string{file}
	if os.Getuid() == 0 { // It refuses to run as root.
		args = append(args, "-u", "postgres")
		own(tb, dir, "postgres")
	}
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // It outlives the test's context.
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(tb, func() bool {
		_, err := os.Stat(filepath.Join(dir, ".s.PGSQL.6432"))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return func(parameters string) string {
		return "postgres://" + neturl.PathEscape(server.User) + "@/" + server.Database + "?host=" + dir + "&port=6432&sslmode=disable&" + parameters
	}
}

func pgBouncer(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv(requireVariable) != "" {
		tb.Fatal("there is no PgBouncer: run tools/install.sh pgbouncer")
	}
	tb.Skip("there is no PgBouncer: tools/install.sh pgbouncer installs one")
	return ""
}

func own(tb testing.TB, dir, name string) {
	tb.Helper()
	u, err := user.Lookup(name)
	require.NoError(tb, err)
	uid, err := strconv.Atoi(u.Uid)
	require.NoError(tb, err)
	require.NoError(tb, os.Chown(dir, uid, -1))
}
