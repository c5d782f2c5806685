#!/usr/bin/env bash
# outpost.sh prints the webhook destinations of all tenants of Outpost as `webhooks import`
# reads them. The tenant becomes the merchant. OUTPOST_TOKEN is the API key, OUTPOST_URL the
# server with its path, such as http://localhost:3333/api/v1.
# Nothing secret is on a command line, which the machine's process list shows.
set -euo pipefail
here=$(dirname "$0")

ask() { curl -fsS -H @<(printf 'Authorization: Bearer %s' "$OUTPOST_TOKEN") "$OUTPOST_URL/$1"; }

tenants() {
	local page next=''
	while :; do
		page=$(ask "tenants?limit=100$next")
		jq -r '.models[].id' <<<"$page"
		[ "$(jq '.pagination.next // ""' <<<"$page")" != '""' ] || break
		next="&next=$(jq -r '.pagination.next | @uri' <<<"$page")"
	done
}

while read -r tenant; do
	ask "tenants/$tenant/destinations" | jq -c '.[]' |
		jq -c --arg tenant "$tenant" -f "$here/outpost.jq"
done < <(tenants) | jq -cn -f "$here/frame.jq"
