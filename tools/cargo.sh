#!/usr/bin/env bash
# cargo.sh ARG… is cargo, with the libraries that Debian has instead of those of a
# registry, where they are installed: install.sh crates.
set -euo pipefail
crates=/usr/share/cargo/registry
[ ! -d "$crates" ] || set -- "$@" --offline --config 'source.crates-io.replace-with="debian"' --config "source.debian.directory=\"$crates\""
exec cargo "$@"
