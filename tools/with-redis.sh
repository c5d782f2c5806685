#!/usr/bin/env bash
# with-redis.sh CMD… runs CMD with a Redis, exits with CMD's status, and leaves
# nothing behind. CMD finds in its environment
#
#   WEBHOOK_TEST_REDIS_URL      where Redis is: redis://127.0.0.1:PORT
#   WEBHOOK_TEST_REQUIRE_REDIS  1: a test that finds no Redis fails, and does not skip
#
# If the first is set already, that Redis is used. Otherwise a redis-server, which is
# installed if it is missing, is started on a free port of the loopback interface, with
# its files in a directory of its own. CMD does not get the terminal's input.
set -euo pipefail

export WEBHOOK_TEST_REQUIRE_REDIS=1
if [ -n "${WEBHOOK_TEST_REDIS_URL:-}" ]; then
	export WEBHOOK_TEST_REDIS_URL
	exec "$@"
fi
"$(dirname "$0")/install.sh" redis-server

dir=$(mktemp -d "${TMPDIR:-/tmp}/webhooks-redis.XXXXXX")
servers=() # Process ids of the servers started here.
command='' # Process id, and group, of CMD.

stop() {
	trap '' INT TERM HUP
	if [ -n "$command" ]; then
		kill -TERM -- "-$command" 2>/dev/null || true
		wait "$command" 2>/dev/null || true
	fi
	for server in ${servers[@]+"${servers[@]}"}; do
		kill -TERM "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Each background job is the leader of a process group, so that a signal reaches
# all that CMD started, and the terminal's interrupt does not reach a server.
set -m

# start_node NAME sets port to where it has started a server.
start_node() {
	local log=$dir/$1.log server
	for _ in {1..20}; do
		port=$((20000 + RANDOM % 12000)) # Below the ports that systems hand out.
		mkdir -p "$dir/$1"
		: >"$log"
		redis-server --port "$port" --bind 127.0.0.1 --dir "$dir/$1" \
			--save '' --appendonly no --daemonize no >"$log" 2>&1 </dev/null &
		server=$!
		while kill -0 "$server" 2>/dev/null; do
			# Only a server that holds its port says so.
			if grep -q 'Ready to accept connections' "$log"; then
				servers+=("$server")
				return
			fi
			sleep 0.05
		done
		wait "$server" 2>/dev/null || true # The port was taken: try another.
	done
	echo 'with-redis.sh: redis-server does not start:' >&2
	cat "$log" >&2
	return 1
}

start_node single
export WEBHOOK_TEST_REDIS_URL=redis://127.0.0.1:$port
echo "with-redis.sh: $(redis-server --version | cut -d ' ' -f 1-3) at $WEBHOOK_TEST_REDIS_URL" >&2

"$@" </dev/null &
command=$!
code=0
wait "$command" || code=$?
command=''
exit "$code"
