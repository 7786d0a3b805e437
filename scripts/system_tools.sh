#!/bin/sh
# Installs the programs that the tests take from Debian, where they are missing and apt-get is there.
set -eu

missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
{ command -v docker-compose || docker compose version; } >/dev/null 2>&1 || missing="$missing docker-compose"
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "The tests need:$missing. Install them with your system's package manager, then run make test again." >&2
    exit 2
fi
echo "== installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 - a list of names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
