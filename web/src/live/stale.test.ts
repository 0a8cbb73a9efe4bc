import { describe, expect, test } from 'vitest'
import { judge, linkState } from './stale'

describe('linkState', () => {
  test.each([[0, 'live'], [4_999, 'live'], [5_000, 'reconnecting'], [14_999, 'reconnecting'], [15_000, 'lost']] as const)('after %i ms of silence: %s', (ms, want) => expect(linkState(true, ms)).toBe(want))
  test('a page that never heard anything says so as well', () => {
    expect(linkState(false, 6_000)).toBe('connecting')
    expect(linkState(false, 15_000)).toBe('lost')
  })
})

describe('judge', () => {
  const n = { value: 72, time_ms: 10_000, max_age_ms: 6_000 }
  test('fresh within its age', () => expect(judge(n, 16_000, 'live')).toEqual({ fresh: true, ageMs: 6_000 }))
  test('hidden one millisecond later', () => expect(judge(n, 16_001, 'live').fresh).toBe(false))
  test('a reconnecting link lets values age', () => expect(judge(n, 12_000, 'reconnecting').fresh).toBe(true))
  test('a lost link hides everything, whatever its age', () => expect(judge({ ...n, max_age_ms: 1e9 }, 10_000, 'lost').fresh).toBe(false))
  test('no value is never fresh', () => expect(judge({ ...n, value: null }, 10_000, 'live').fresh).toBe(false))
  test('a device clock ahead of the server gives no negative age', () => expect(judge(n, 9_000, 'live').ageMs).toBe(0))
})
