#!/usr/bin/env bash
# current.sh MODULE… fails, and shows the difference, unless `go mod tidy` would leave
# every module as it is. It changes nothing itself.
set -euo pipefail

code=0
for module in "$@"; do
	echo "$module: go mod tidy -diff"
	(cd "$module" && go mod tidy -diff) || code=1
done
exit "$code"
