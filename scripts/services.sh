#!/usr/bin/env bash
# Installs the outside programs that some tests run, from Debian, when this is root on a Debian with apt. Tests that miss
# theirs skip and say so. The packages' own services are not started: each test starts what it needs on a free port.
set -euo pipefail
need=()
want() { command -v "$1" >/dev/null || need+=("$2"); } # program, package
want promtool prometheus
want victoria-metrics victoria-metrics
want strace strace
want fusermount3 fuse3
want pdftotext poppler-utils
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || need+=(postgresql)
[ ${#need[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "tests that need ${need[*]} will skip: install with apt-get install ${need[*]}" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
{ apt-get update -q && apt-get install -qy --no-install-recommends "${need[@]}"; } >/dev/null 2>&1 ||
  echo "could not install ${need[*]}: tests that need them will skip" >&2
