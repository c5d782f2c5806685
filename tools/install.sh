#!/usr/bin/env bash
# install.sh NAME… installs what is missing with the system's package manager. A NAME
# is a program, looked for on PATH, or one of the libraries of other languages that
# `present` knows. If all are there, it does nothing.
set -euo pipefail

# can PROGRAM ARG… tries the PROGRAM on PATH, and then the one in /usr/bin. Only the
# latter finds the libraries that a package manager installs.
can() { "$@" || "/usr/bin/$1" "${@:2}"; }

present() {
	case $1 in
	chromium) [ -n "${WEBHOOK_TEST_CHROMIUM:-}" ] || command -v chromium || command -v chromium-browser || command -v google-chrome ;;
	express) NODE_PATH=${NODE_PATH:-}:/usr/share/nodejs can node -e 'require("express")' ;;
	flask) can python3 -c 'import flask' ;;
	postgres) command -v postgres || ls /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres | grep . ;;
	pgbouncer) PATH=$PATH:/usr/sbin command -v pgbouncer ;;
	mariadbd) PATH=$PATH:/usr/sbin:/usr/libexec command -v mariadbd ;;
	# The libraries of the receiver in Rust. Without apt-get, cargo fetches them.
	crates) ! command -v apt-get || { for crate in tiny_http-0.12 hmac-0.12 sha2-0.10 data-encoding-2; do ls -d "/usr/share/cargo/registry/$crate"* || return; done; } ;;
	sinatra) can ruby -e 'require "sinatra/base"; require "puma"' ;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

missing=()
for program in "$@"; do
	present "$program" || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "install.sh: installing ${missing[*]}" >&2

for manager in apt-get apk dnf brew none; do
	if command -v "$manager" >/dev/null; then break; fi
done

packages=()
for program in "${missing[@]}"; do
	case $manager:$program in
	apt-get:gcc) packages+=(gcc libc6-dev) ;;
	apt-get:express) packages+=(nodejs node-express) ;;
	apt-get:flask) packages+=(python3-flask) ;;
	apt-get:sinatra) packages+=(ruby-sinatra puma) ;;
	apt-get:mcs) packages+=(mono-mcs mono-runtime libmono-system-core4.0-cil) ;;
	apt-get:crates) packages+=(librust-tiny-http-dev librust-hmac-dev librust-sha2-dev librust-data-encoding-dev) ;;
	apt-get:php) packages+=(php-cli) ;;
	apt-get:javac) packages+=(default-jdk-headless) ;;
	apt-get:postgres | apk:postgres) packages+=(postgresql) ;;
	dnf:postgres) packages+=(postgresql-server) ;;
	apt-get:mariadbd | dnf:mariadbd) packages+=(mariadb-server) ;;
	apk:mariadbd) packages+=(mariadb mariadb-client) ;;
	brew:mariadbd) packages+=(mariadb) ;;
	brew:postgres) packages+=(postgresql@17) ;;
	apt-get:chromium) packages+=(chromium fonts-liberation) ;;
	apk:gcc) packages+=(gcc musl-dev) ;;
	apk:redis-server | brew:redis-server) packages+=(redis) ;;
	# Newer Fedoras have Valkey, and Redis's names in a package beside it.
	dnf:redis-server) packages+=(/usr/bin/redis-server) ;;
	*) packages+=("$program") ;;
	esac
done

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "install.sh: neither root nor sudo here; run as root: $*" >&2
		return 1
	fi
}

case $manager in
apt-get)
	as_root apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${packages[@]}"
	;;
apk) as_root apk add --no-cache "${packages[@]}" ;;
dnf) as_root dnf install -y -q "${packages[@]}" ;;
brew) brew install --quiet "${packages[@]}" ;;
none)
	echo "install.sh: no apt-get, apk, dnf or brew here; install ${missing[*]} by hand" >&2
	exit 1
	;;
esac >&2

for program in "${missing[@]}"; do
	if ! present "$program"; then
		echo "install.sh: $program is still not there" >&2
		exit 1
	fi
done
