#!/bin/sh
# Installs the named programs from Debian, where they are missing and apt-get is there: chromium, or tsc:node-typescript
# where the package has another name than the program.
set -eu

missing=""
for wanted in "$@"; do
    command -v "${wanted%%:*}" >/dev/null 2>&1 || missing="$missing ${wanted##*:}"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "Needed and not found:$missing. Install with your system's package manager, then run the same command again." >&2
    exit 2
fi
echo "== installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 - a list of names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
