#!/usr/bin/env bash
# steps.sh TARGET… makes each target under a heading, and goes on after one that
# fails. At the end it prints a line for each, with its result and its time.
set -euo pipefail

code=0
summary=''
for target in "$@"; do
	printf '\n== make %s\n' "$target"
	start=$SECONDS
	result=ok
	"$MAKE" "$target" </dev/null || { result=FAILED; code=1; }
	line=$(printf '%-8s%4d s  %s' "$result" $((SECONDS - start)) "$target")
	printf '== %s\n' "$line"
	summary+="$line"$'\n'
done
printf '\n%s' "$summary"
exit "$code"
