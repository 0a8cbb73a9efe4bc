#!/usr/bin/env bash
# Runs every fuzz target of the module for a while: scripts/fuzz.sh 20s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}
grep -rln --include='*_test.go' '^func Fuzz' . | grep -v node_modules | while read -r f; do
  for name in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$f"); do
    echo "== $(dirname "$f") $name"
    go test "./$(dirname "$f")" -run xxx -fuzz "^$name\$" -fuzztime "$time"
  done
done
