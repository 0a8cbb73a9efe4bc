// The server's clock as this browser knows it. Ages are computed against it, so that a workstation with a wrong clock
// does not show old values as fresh or fresh ones as old.

const WINDOW = 20

let diffs: number[] = []
let offset = 0

// observe takes the server time of a tick that has just arrived. The least delayed tick of a window tells the most.
export function observe(serverNow: number, localNow = Date.now()): void {
  diffs.push(serverNow - localNow)
  if (diffs.length > WINDOW) diffs.shift()
  offset = Math.max(...diffs)
}

// resetClock forgets what earlier connections told, for example after the workstation slept.
export function resetClock(): void {
  diffs = []
}

export const serverNow = (): number => Date.now() + offset
