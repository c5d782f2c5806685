#!/usr/bin/env bash
# with-postgres.sh CMD… runs CMD with a PostgreSQL, exits with CMD's status, and leaves
# nothing behind. CMD finds in its environment
#
#   WEBHOOK_TEST_POSTGRES_URL      where it is: postgres://…
#   WEBHOOK_TEST_REQUIRE_POSTGRES  1: a test that finds no PostgreSQL fails, and does not skip
#
# If the first is set already, that PostgreSQL is used. Otherwise a server, which is
# installed if it is missing, is started on a socket in a directory of its own, never as
# root. CMD does not get the terminal's input.
set -euo pipefail

export WEBHOOK_TEST_REQUIRE_POSTGRES=1
if [ -n "${WEBHOOK_TEST_POSTGRES_URL:-}" ]; then
	export WEBHOOK_TEST_POSTGRES_URL
	exec "$@"
fi
"$(dirname "$0")/install.sh" postgres

# The newest of the system's versions. Debian keeps them off PATH.
bin=$(dirname "$( (ls -d /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres 2>/dev/null || true; command -v postgres || true) | sort -V | tail -n 1)")

dir=$(mktemp -d "${TMPDIR:-/tmp}/webhooks-postgres.XXXXXX")
as=()
if [ "$(id -u)" -eq 0 ]; then # A server refuses to run as root.
	as=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
	chown postgres "$dir"
fi
chmod 755 "$dir"

command='' # Process id, and group, of CMD.
stop() {
	trap '' INT TERM HUP
	if [ -n "$command" ]; then
		kill -TERM -- "-$command" 2>/dev/null || true
		wait "$command" 2>/dev/null || true
	fi
	"${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cd_dir() { (cd "$dir" && "$@"); }
cd_dir "${as[@]}" "$bin/initdb" -D "$dir/data" -A trust -U webhooks -E UTF8 --no-locale >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }
cd_dir "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/log" \
	-o "-c listen_addresses='' -c unix_socket_directories='$dir' -c fsync=off -c full_page_writes=off -c max_connections=200 -c max_locks_per_transaction=256" start >/dev/null || { cat "$dir/data/log" >&2; exit 1; }

export WEBHOOK_TEST_POSTGRES_URL="postgres://webhooks@/postgres?host=$dir"
echo "with-postgres.sh: $("$bin/postgres" --version) at $dir" >&2

set -m
"$@" </dev/null &
command=$!
code=0
wait "$command" || code=$?
command=''
exit "$code"
