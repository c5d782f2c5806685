#!/usr/bin/env bash
# examples.sh MODULE… builds what is under examples/ in the given modules. It tests those
# that are modules of their own, which `go test ./...` leaves out. It runs the explain of
# the command on its sample, and those that end by themselves, which must take less than 30
# seconds each.
set -euo pipefail
[ -d examples ] || exit 0

for module in "$@"; do
	case $module in
	.)
		echo 'go build ./examples/...'
		go build -o /dev/null ./examples/...
		;;
	./examples/*)
		echo "$module: go test ./..."
		(cd "$module" && go build -o /dev/null ./... && go test ./...)
		;;
	esac
done

if [ -d cmd/webhooks ]; then
	echo 'go run -C cmd/webhooks . explain'
	report=$(WEBHOOK_SECRET=whsec_xyz789abc123def456ghi789jkl012mno345 \
		go run -C cmd/webhooks . explain --at 2025-11-04T12:00:00Z internal/explain/request.http) || true
	if [[ $report != *body_rewritten* ]]; then
		printf 'examples.sh: explain does not find what is wrong with its sample:\n%s\n' "$report" >&2
		exit 1
	fi
fi

binary=$(mktemp "${TMPDIR:-/tmp}/example.XXXXXX")
trap 'rm -f "$binary"' EXIT
for example in quickstart jwks migration; do
	[ -d "examples/$example" ] || continue
	echo "go run ./examples/$example"
	go build -o "$binary" "./examples/$example"
	"$binary" </dev/null &
	program=$!
	for _ in {1..300}; do
		kill -0 "$program" 2>/dev/null || break
		sleep 0.1
	done
	if kill -KILL "$program" 2>/dev/null; then
		echo "examples.sh: $example has not ended within 30 seconds" >&2
	fi
	wait "$program"
done

if [ -d examples/outbox ]; then
	echo 'go run -C examples/outbox .' # It ends by itself, within 30 seconds.
	go build -C examples/outbox -o "$binary" .
	tools/with-postgres.sh tools/with-redis.sh bash -c \
		'DATABASE_URL=$WEBHOOK_TEST_POSTGRES_URL REDIS_URL=$WEBHOOK_TEST_REDIS_URL "$0"' "$binary"
fi
