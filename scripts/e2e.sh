#!/usr/bin/env bash
# Browser tests: the pages against the real binary with a simulated hospital, and against a stand-in of the server.
# Needs `make build` and web/node_modules. VIGIL_BIN is the binary; arguments go to the tests against the real server.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/chromium.sh
bin=${VIGIL_BIN:-$PWD/bin/vigil}
[ -x "$bin" ] || { echo "there is no $bin: run make build first" >&2; exit 1; }

work=$(mktemp -d)
pids=()
stop() {
  trap - EXIT
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

free_port() { node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }

# start NAME COMMAND… runs the binary on free ports with a data directory of its own and waits until it is ready.
start() {
  local name=$1 http; shift
  http=$(free_port)
  "$bin" "$@" --data "$work/$name" --http "127.0.0.1:$http" --https "" --mqtt "127.0.0.1:$(free_port)" --mqtts "" --turn "127.0.0.1:$(free_port)" >"$work/$name.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 1 150); do
    curl -fs -o /dev/null "http://127.0.0.1:$http/api/session" && { url=http://127.0.0.1:$http; return; }
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.2
  done
  echo "vigil $* did not start:" >&2
  cat "$work/$name.log" >&2
  exit 1
}

fails=0
start demo demo; VIGIL_URL=$url
start empty serve; VIGIL_EMPTY_URL=$url
export VIGIL_URL VIGIL_EMPTY_URL VIGIL_EMPTY_LOG=$work/empty.log
tests() { (cd web && npx --no-install playwright test --config e2e/playwright.config.ts "$@"); }

# Both suites wait most of their time, so they run side by side; the frame rate is measured when they are through.
(unset VIGIL_URL; FAKE_PORT=$(free_port) tests) >"$work/fake.out" 2>&1 & fake=$!
echo "== against vigil demo at $VIGIL_URL"
tests --grep-invert @alone "$@" || fails=1
echo "== against a stand-in of the server"
wait "$fake" || fails=1
cat "$work/fake.out"
echo "== alone"
tests --grep @alone || fails=1
[ $fails = 0 ] || { echo "== the end of the server's log"; tail -n 40 "$work/demo.log"; }
exit $fails
