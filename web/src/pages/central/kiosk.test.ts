import { expect, test } from 'vitest'
import type { Alarm, Bed } from '../../api/types'
import { choose } from './kiosk'

const alarm = { id: 'a', kind: 'alarm', priority: 'high', state: 'raised', raised: '2026-01-01T00:00:00Z', title: 'x', rule: 'x' } as unknown as Alarm
const beds = (n: number, urgent: number[] = []): Bed[] => Array.from({ length: n }, (_, i) => ({ id: String(i + 1), label: String(i + 1), alarms: urgent.includes(i + 1) ? [alarm] : [] }) as unknown as Bed)
const ids = (list: Bed[]) => list.map((b) => b.id).join()

test('all beds stand when there is room', () => expect(ids(choose(beds(4), 6, 3))).toBe('1,2,3,4'))

test('pages turn, and a bed in alarm is on each of them', () => {
  const all = beds(7, [6])
  expect(ids(choose(all, 3, 0))).toBe('1,2,6')
  expect(ids(choose(all, 3, 1))).toBe('3,4,6')
  expect(ids(choose(all, 3, 2))).toBe('5,6,7')
  expect(ids(choose(all, 3, 3))).toBe('1,2,6')
})

test('more alarms than places still give a page', () => expect(choose(beds(5, [1, 2, 3, 4]), 2, 0)).toHaveLength(2))
