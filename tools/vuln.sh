#!/usr/bin/env bash
# vuln.sh looks for known vulnerabilities in what the module uses. If the database
# cannot be reached, it says so and does not fail.
set -euo pipefail
code=0
out=$(go tool -modfile=tools/go.mod govulncheck ./... 2>&1) || code=$?
printf '%s\n' "$out"
if [ "$code" -ne 0 ] && grep -qE 'fetching vulnerabilities|dial tcp|no such host|lookup ' <<<"$out"; then
	echo 'vuln.sh: NOT CHECKED: the database of vulnerabilities cannot be reached' >&2
	exit 0
fi
exit "$code"
