#!/usr/bin/env bash
# install.sh PROGRAM… installs each of gcc, git and redis-server that is not on
# PATH, with the system's package manager. It costs nothing if all are there.
set -euo pipefail

missing=()
for program in "$@"; do
	command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -n "$@" || sudo "$@"
	else
		echo "install.sh: neither root nor sudo: run as root: $*" >&2
		return 1
	fi
}

# install PACKAGE… installs from whichever package manager is there.
echo "install.sh: installing ${missing[*]}" >&2
packages=()
if command -v apt-get >/dev/null; then
	for program in "${missing[@]}"; do
		case $program in
		gcc) packages+=(gcc libc6-dev) ;;
		*) packages+=("$program") ;;
		esac
	done
	as_root apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
elif command -v apk >/dev/null; then
	for program in "${missing[@]}"; do
		case $program in
		gcc) packages+=(gcc musl-dev) ;;
		redis-server) packages+=(redis) ;;
		*) packages+=("$program") ;;
		esac
	done
	as_root apk add --no-cache "${packages[@]}"
elif command -v dnf >/dev/null; then
	for program in "${missing[@]}"; do
		case $program in
		# Newer Fedoras carry Valkey, with Redis's names in a package beside it.
		redis-server) packages+=(/usr/bin/redis-server) ;;
		*) packages+=("$program") ;;
		esac
	done
	as_root dnf install -y -q "${packages[@]}"
elif command -v brew >/dev/null; then
	for program in "${missing[@]}"; do
		case $program in
		redis-server) packages+=(redis) ;;
		*) packages+=("$program") ;;
		esac
	done
	brew install --quiet "${packages[@]}"
else
	echo "install.sh: no apt-get, apk, dnf or brew here: install ${missing[*]} by hand" >&2
	exit 1
fi >&2

for program in "${missing[@]}"; do
	if ! command -v "$program" >/dev/null; then
		echo "install.sh: $program is still not on PATH" >&2
		exit 1
	fi
done
