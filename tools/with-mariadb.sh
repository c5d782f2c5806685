#!/usr/bin/env bash
# with-mariadb.sh CMD… runs CMD with a MariaDB, exits with CMD's status, and leaves nothing
# behind. CMD finds in its environment
#
#   WEBHOOK_TEST_MARIADB_DSN      where it is, in the words of github.com/go-sql-driver/mysql
#   WEBHOOK_TEST_REQUIRE_MARIADB  1: a test that finds no MariaDB fails, and does not skip
#
# If the first is set already, that MariaDB, or MySQL, is used. Otherwise a server, which is
# installed if it is missing, is started on a socket in a directory of its own, never as
# root. CMD does not get the terminal's input.
set -euo pipefail

export WEBHOOK_TEST_REQUIRE_MARIADB=1
if [ -n "${WEBHOOK_TEST_MARIADB_DSN:-}" ]; then
	export WEBHOOK_TEST_MARIADB_DSN
	exec "$@"
fi
"$(dirname "$0")/install.sh" mariadbd
PATH=$PATH:/usr/sbin:/usr/libexec # Debian's and Fedora's place for servers.

dir=$(mktemp -d "${TMPDIR:-/tmp}/webhooks-mariadb.XXXXXX")
as=()
user=$(id -un)
if [ "$(id -u)" -eq 0 ]; then # A server refuses to run as root.
	user=mysql
	as=(setpriv --reuid="$user" --regid="$user" --clear-groups --)
	chown "$user" "$dir"
fi
chmod 755 "$dir"

command='' # Process id, and group, of CMD.
server=''  # Process id of the server.
stop() {
	trap '' INT TERM HUP
	if [ -n "$command" ]; then
		kill -TERM -- "-$command" 2>/dev/null || true
		wait "$command" 2>/dev/null || true
	fi
	if [ -n "$server" ]; then
		kill -KILL "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"${as[@]}" mariadb-install-db --no-defaults --datadir="$dir/data" --auth-root-authentication-method=normal --skip-test-db >"$dir/install.log" 2>&1 ||
	{ cat "$dir/install.log" >&2; exit 1; }
set -m
"${as[@]}" mariadbd --no-defaults --datadir="$dir/data" --socket="$dir/socket" --pid-file="$dir/pid" --skip-networking \
	--innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --max-connections=200 >"$dir/log" 2>&1 </dev/null &
server=$!
for _ in {1..600}; do
	if mariadb --no-defaults --socket="$dir/socket" --user=root -e 'create database if not exists webhooks' >/dev/null 2>&1; then
		ready=1
		break
	fi
	kill -0 "$server" 2>/dev/null || break
	sleep 0.05
done
[ -n "${ready:-}" ] || { echo 'with-mariadb.sh: the server does not start:' >&2; cat "$dir/log" >&2; exit 1; }

export WEBHOOK_TEST_MARIADB_DSN="root@unix($dir/socket)/webhooks"
echo "with-mariadb.sh: $(mariadbd --version) at $dir" >&2

"$@" </dev/null &
command=$!
code=0
wait "$command" || code=$?
command=''
exit "$code"
