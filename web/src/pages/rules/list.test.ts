import { expect, test } from 'vitest'
import type { Entry, Version } from '../../rule/types'
import { countBy, filterRules } from './list'

const entry = (key: string, sentence: string, more: Partial<Entry> = {}): Entry =>
  ({ key, title: key, kind: 'limit', priority: 'medium', origin: 'catalogue', version: '1', state: 'live', sentence: [{ kind: 'text', text: sentence }], waiting: [], ...more })
const waiting = (state: Version['state']): Version => ({ key: '', version: 1, state, text: '', note: '', author: '', author_name: '', at: '' })

const list = [
  entry('spo2-low', 'Medium alarm when Oxygen saturation is under 90'), entry('map-low', 'High alarm when MAP is under 65', { priority: 'high', waiting: [waiting('proposed')] }),
  entry('fast', 'Low alarm', { origin: 'site', waiting: [waiting('shadow')] }), entry('gone', 'Low alarm', { origin: 'site', state: 'retired', off: true }),
]
const keys = (wanted: Partial<Parameters<typeof filterRules>[1]>) => filterRules(list, { q: '', filter: 'all', priority: '', ...wanted }).map((e) => e.key)

test('words are looked for in every part, all of them', () => {
  expect(keys({ q: 'under' })).toEqual(['spo2-low', 'map-low'])
  expect(keys({ q: 'UNDER oxygen' })).toEqual(['spo2-low'])
  expect(keys({ q: 'under nothing' })).toEqual([])
})

test('filters', () => {
  expect(keys({ filter: 'waiting' })).toEqual(['map-low'])
  expect(keys({ filter: 'shadow' })).toEqual(['fast'])
  expect(keys({ filter: 'site' })).toEqual(['map-low', 'fast', 'gone'])
  expect(keys({ filter: 'off' })).toEqual(['gone'])
  expect(keys({ priority: 'high' })).toEqual(['map-low'])
  expect(countBy(list, 'all')).toBe(4)
})
