import { describe, expect, test } from 'vitest'
import type { Reading } from '../../live/hooks'
import { sortRows } from '../../ui/Table'
import { blocks, silence } from './readings'

const reading = (metric: string, r: Partial<Reading>): [string, Reading] => [metric, { metric, label: '', unit: '', value: 1, time_ms: 1, max_age_ms: 6000, decimals: 0, device: '', fresh: true, ageMs: 0, text: '1', ...r }]

describe('silence', () => {
  test('a bed is silent when no quick reading is fresh, even if a slow one is', () => {
    const r = new Map([reading('heart-rate', { fresh: false, ageMs: 50_000 }), reading('temperature', { max_age_ms: 900_000 })])
    expect(silence(r, [])).toEqual({ ageMs: 50_000, cause: '' })
  })
  test('one fresh reading is enough', () => expect(silence(new Map([reading('heart-rate', { fresh: false }), reading('spo2', {})]), [])).toBeNull())
  test('a bed that measures slowly is not silent', () => expect(silence(new Map([reading('bp-mean', { max_age_ms: 3_600_000, fresh: false })]), [])).toBeNull())
})

test('the arterial line speaks while it is live, then the cuff', () => {
  expect(blocks(new Map([reading('art-systolic', {}), reading('bp-systolic', {})])).source).toBe('ART')
  expect(blocks(new Map([reading('art-systolic', { fresh: false }), reading('bp-systolic', {})])).source).toBe('NIBP')
})

test('beds sort as numbers', () => {
  expect(sortRows(['10', '9', '1'], (x) => x, false)).toEqual(['1', '9', '10'])
})
