#!/usr/bin/env bash
# svix.sh APP… prints the endpoints of applications of Svix, each named by id or uid, as
# `webhooks import` reads them. The name becomes the merchant. SVIX_TOKEN is a token of the
# API, SVIX_URL the server.
# Nothing secret is on a command line, which the machine's process list shows.
set -euo pipefail
here=$(dirname "$0")

ask() { curl -fsS -H @<(printf 'Authorization: Bearer %s' "$SVIX_TOKEN") "${SVIX_URL:-https://api.us.svix.com}/api/v1/app/$1"; }

endpoints() {
	local page next=''
	while :; do
		page=$(ask "$1/endpoint?limit=250$next")
		jq -c '.data[]' <<<"$page"
		[ "$(jq .done <<<"$page")" = false ] || break
		next="&iterator=$(jq -r '.iterator | @uri' <<<"$page")"
	done
}

for app in "$@"; do
	while read -r endpoint; do
		id=$(jq -r .id <<<"$endpoint")
		secret=$(ask "$app/endpoint/$id/secret")
		headers=$(ask "$app/endpoint/$id/headers")
		jq -c --arg app "$app" --slurpfile secret <(printf %s "$secret") --slurpfile headers <(printf %s "$headers") -f "$here/svix.jq" <<<"$endpoint"
	done < <(endpoints "$app")
done | jq -cn -f "$here/frame.jq"
