#!/usr/bin/env bash
# Makes sure a Chromium for the browser tests is there; installs Debian's when it is missing.
set -euo pipefail
command -v chromium >/dev/null && exit 0
[ -n "${CHROMIUM:-}" ] && [ -x "$CHROMIUM" ] && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "installing chromium for the browser tests"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  echo "the browser tests need Chromium: install the package 'chromium', or set CHROMIUM to its path" >&2
  exit 1
fi
