#!/usr/bin/env bash
# api.sh [TAG] shows what of the exported API has changed since a release, the
# newest one by default, and fails if a program that builds with that release may
# not build any more, unless CHANGELOG.md says so under "### Breaking" of
# [Unreleased].
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${1:-$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)}
if [ -z "$tag" ]; then
	echo 'api.sh: there is no release to compare with'
	exit 0
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/webhooks-api.XXXXXX")
trap 'git worktree remove --force "$dir/old" 2>/dev/null || true; rm -rf "$dir"' EXIT
git worktree add --quiet --detach "$dir/old" "$tag"

apidiff() { go tool -modfile="$tools" apidiff "$@" 2> >(grep -v '^Ignoring internal' >&2); }
tools=$PWD/tools/go.mod
module=$(go list -m)
(cd "$dir/old" && apidiff -m -w "$dir/old.api" "$module")
apidiff -m -w "$dir/new.api" "$module"
echo "since $tag:"
apidiff -m "$dir/old.api" "$dir/new.api"
broken=$(apidiff -m -incompatible "$dir/old.api" "$dir/new.api")
[ -n "$broken" ] || exit 0
if sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -q '^### Breaking'; then
	exit 0
fi
printf 'api.sh: these need a word under "### Breaking" in CHANGELOG.md:\n%s\n' "$broken" >&2
exit 1
