#!/usr/bin/env bash
# fuzz.sh TIME runs every fuzz target of the root module for TIME, one after
# another. An input that breaks one is written to the testdata/fuzz directory of
# its package: commit it with the fix, and every `go test` runs it from then on.
set -euo pipefail

targets=$(go test -list '^Fuzz' ./... | awk '
	/^Fuzz/     { names[++n] = $1 }
	$1 == "ok"  { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }')
failed=()
while read -r package name; do
	[ -n "$name" ] || continue
	echo "$name in $package"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" -fuzzminimizetime 100x "$package" </dev/null || failed+=("$name")
done <<<"$targets"

if [ ${#failed[@]} -gt 0 ]; then
	echo "fuzz.sh: failed: ${failed[*]}" >&2
	exit 1
fi
