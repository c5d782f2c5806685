#!/usr/bin/env bash
# convoy.sh PROJECT prints the endpoints of a project of Convoy as `webhooks import` reads
# them, with the events of their subscriptions. Their owner_id becomes the merchant, and the
# project where there is none. CONVOY_TOKEN is an API key of the project, CONVOY_URL the
# server.
# Nothing secret is on a command line, which the machine's process list shows.
set -euo pipefail
here=$(dirname "$0")

# all KIND prints what a project has of a kind, an object a line.
all() {
	local page next=''
	while :; do
		page=$(curl -fsS -H @<(printf 'Authorization: Bearer %s' "$CONVOY_TOKEN") "${CONVOY_URL:-https://us.getconvoy.cloud}/api/v1/projects/$project/$1?perPage=100$next")
		jq -c '.data.content[]' <<<"$page"
		[ "$(jq .data.pagination.has_next_page <<<"$page")" = true ] || break
		next="&direction=next&next_page_cursor=$(jq -r '.data.pagination.next_page_cursor | @uri' <<<"$page")"
	done
}

project=$1
subscriptions=$(all subscriptions)
all endpoints | jq -c --arg project "$project" --slurpfile subscriptions <(printf %s "$subscriptions") -f "$here/convoy.jq" | jq -cn -f "$here/frame.jq"
