#!/usr/bin/env bash
# Tries FHIR clients of others (npm) against the real binary with a simulated hospital. Needs `make build`.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VIGIL_BIN:-$PWD/bin/vigil}
[ -x "$bin" ] || { echo "there is no $bin: run make build first" >&2; exit 1; }
if [ ! -e test/clients/node_modules/.installed ] || [ test/clients/package-lock.json -nt test/clients/node_modules/.installed ]; then
  (cd test/clients && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed)
fi

work=$(mktemp -d)
pid=
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; } || true; rm -rf "$work"; }
trap stop EXIT
free_port() { node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }
http=$(free_port)
"$bin" demo --data "$work/data" --http "127.0.0.1:$http" --https "" --mqtt "127.0.0.1:$(free_port)" --mqtts "" --turn "127.0.0.1:$(free_port)" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 1 150); do
  curl -fs -o /dev/null "http://127.0.0.1:$http/readyz" && break
  kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.2
done
VIGIL_URL=http://127.0.0.1:$http node --test --test-reporter=spec test/clients/clients.test.mjs || { tail -n 20 "$work/log" >&2; exit 1; }
