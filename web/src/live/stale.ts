import type { NumberValue } from '../api/types'

// LinkState is how well this page hears the server.
export type LinkState = 'connecting' | 'live' | 'reconnecting' | 'lost'

export const RECONNECTING_AFTER = 5_000
export const LOST_AFTER = 15_000

// linkState judges the silence since the last frame. Before the first frame there is nothing to lose yet, but a page that
// never connects must say so as well.
export function linkState(everHeard: boolean, silentMs: number): LinkState {
  if (silentMs >= LOST_AFTER) return 'lost'
  if (!everHeard) return 'connecting'
  return silentMs >= RECONNECTING_AFTER ? 'reconnecting' : 'live'
}

export interface Shown { fresh: boolean; ageMs: number }

// judge decides whether a number may be shown as it is. A lost link hides every value, whatever its own allowed age:
// nobody can know what has happened since.
export function judge(n: Pick<NumberValue, 'value' | 'time_ms' | 'max_age_ms'>, now: number, link: LinkState): Shown {
  const ageMs = Math.max(0, now - n.time_ms)
  const fresh = n.value !== null && Number.isFinite(n.value) && ageMs <= n.max_age_ms && link !== 'lost'
  return { fresh, ageMs }
}
