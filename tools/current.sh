#!/usr/bin/env bash
# current.sh MODULE… fails, and shows the difference, unless `go mod tidy` would leave
# every module as it is. It changes nothing itself. A module with a go.work, which go mod
# tidy does not read, is looked at with what that replaces.
set -euo pipefail

code=0
for module in "$@"; do
	echo "$module: go mod tidy -diff"
	(
		cd "$module"
		[ -f go.work ] || exec go mod tidy -diff
		dir=$(mktemp -d "${TMPDIR:-/tmp}/current.XXXXXX")
		trap 'rm -rf "$dir"' EXIT
		cp go.mod go.sum "$dir"
		go work edit -json | sed -n 's/.*"Path": "\(.*\)".*/\1/p' | while read -r old && read -r new; do
			go mod edit -replace "$old=$(cd "$new" && pwd)" "$dir/go.mod"
		done
		go mod tidy -diff -modfile "$dir/go.mod"
	) || code=1
done
exit "$code"
