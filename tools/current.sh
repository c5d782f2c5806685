#!/usr/bin/env bash
# current.sh MODULE… fails, and shows the difference, unless `go mod tidy` and
# `go generate` would leave every module as it is. It changes nothing itself.
set -euo pipefail

code=0
for module in "$@"; do
	echo "$module: go mod tidy -diff"
	(cd "$module" && go mod tidy -diff) || code=1
done

# Generators run in a copy, so that they may meet uncommitted work.
if grep -rq --include='*.go' '^//go:generate ' .; then
	copy=$(mktemp -d "${TMPDIR:-/tmp}/webhooks-generate.XXXXXX")
	trap 'rm -rf "$copy"' EXIT
	tar --exclude=./.git --exclude=./.cache -cf - . | tar -xf - -C "$copy"
	for module in "$@"; do
		(
			cd "$copy/$module"
			[ -n "$(go list -e ./... 2>/dev/null)" ] || exit 0
			echo "$module: go generate"
			go generate ./...
		) || code=1
	done
	diff -ru --exclude=.git --exclude=.cache --exclude=client.gen.go . "$copy" || code=1
fi
exit "$code"
