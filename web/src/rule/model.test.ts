import { describe, expect, test } from 'vitest'
import { add, change, clause, fromSeconds, remove, rooted, setJoin, spanOf, tidy, toSeconds, unitOf, withFn, withTexts } from './model'
import { sameDraft, sendable } from './draft'
import { outside, pieces, say, scopeOf } from './say'
import type { Model, Vocabulary } from './types'

const words: Vocabulary = {
  functions: [
    { name: 'last', args: ['metric'], result: 'number', unit: 'metric', doc: '' }, { name: 'last', args: ['metric', 'window'], result: 'number', unit: 'metric', doc: '' },
    { name: 'mean', args: ['metric', 'window'], result: 'number', unit: 'metric', doc: '' }, { name: 'slope', args: ['metric', 'window'], result: 'number', unit: 'metric/min', doc: '' },
    { name: 'missing', args: ['metric', 'window'], result: 'yes_no', unit: '', doc: '' }, { name: 'count_over', args: ['metric', 'number', 'window'], result: 'number', unit: '1', doc: '' },
    { name: 'score', args: ['score'], result: 'number', unit: '1', doc: '' }, { name: 'flag', args: ['flag'], result: 'yes_no', unit: '', doc: '' },
  ],
  variables: [{ name: 'hour', result: 'number', doc: '' }, { name: 'weekday', result: 'text', doc: '' }],
  metrics: [{ key: 'heart-rate', name: 'Heart rate', unit: 'bpm', low: 0, high: 300 }, { key: 'spo2', name: 'Oxygen saturation', unit: '%', low: 0, high: 100 }],
  scores: { news2: 'NEWS2' }, chains: {}, flags: { asleep: '' },
}

const fast: Model = { fn: 'last', metric: 'heart-rate', op: '>', value: 120, unit: 'bpm' }
const low: Model = { fn: 'mean', metric: 'spo2', window: '5m', op: '<', value: 92, unit: '%' }
const asleep: Model = { fn: 'flag', name: 'asleep' }

describe('the tree', () => {
  test('a single comparison has a list to add to, and is alone again without it', () => {
    const tree = rooted(fast)
    expect(tree).toEqual({ all: [fast] })
    expect(tidy(tree)).toEqual(fast)
    expect(tidy(add(tree, [], low))).toEqual({ all: [fast, low] })
    expect(tidy(rooted(undefined))).toBeUndefined()
  })
  test('a group is added, filled, turned and taken out', () => {
    let tree = add(rooted(fast), [], { any: [low] })
    tree = add(tree, [1], asleep)
    expect(tree).toEqual({ all: [fast, { any: [low, asleep] }] })
    tree = change(tree, [1, 0], (m) => ({ ...m, value: 90 }))
    expect(say(tree, words)).toBe('the value of Heart rate is over 120 bpm and (the mean of Oxygen saturation over 5 min is under 90 % or the patient’s flag is asleep)')
    expect(tidy(setJoin(tree, [1], 'all'))).toEqual({ all: [fast, { ...low, value: 90 }, asleep] })
    expect(remove(tree, [1])).toEqual({ all: [fast] })
    expect(remove(remove(tree, [1, 0]), [1, 0])).toEqual({ all: [fast] })
  })
  test('nothing is changed in its place', () => {
    const tree = rooted({ all: [fast, low] })
    const before = JSON.stringify(tree)
    remove(change(tree, [0], (m) => ({ ...m, value: 1 })), [1])
    expect(JSON.stringify(tree)).toBe(before)
  })
})

describe('another function', () => {
  test('keeps what both know', () => {
    expect(withFn(low, 'slope', words)).toEqual({ fn: 'slope', metric: 'spo2', window: '5m', op: '<', value: 92, unit: '% a minute' })
    expect(withFn(low, 'last', words)).toEqual({ fn: 'last', metric: 'spo2', op: '<', value: 92, unit: '%' })
    expect(withFn(fast, 'count_over', words)).toEqual({ fn: 'count_over', metric: 'heart-rate', bound: 120, window: '5m', op: '>', value: 120 })
  })
  test('leaves out what the other does not know', () => {
    expect(withFn(low, 'missing', words)).toEqual({ fn: 'missing', metric: 'spo2', window: '5m' })
    expect(withFn(fast, 'flag', words)).toEqual({ fn: 'flag', name: 'asleep' })
    expect(withFn(fast, 'weekday', words)).toEqual({ fn: 'weekday', op: '==', texts: ['mon'] })
    expect(withFn(asleep, 'last', words)).toEqual({ fn: 'last', metric: 'heart-rate', op: '>', value: 0, unit: 'bpm' })
    expect(withFn(fast, 'score', words)).toEqual({ fn: 'score', name: 'news2', op: '>=', value: 5 })
    expect(withFn({ fn: 'score', name: 'news2', op: '>', value: 7 }, 'score_known', { ...words, functions: [...words.functions, { ...words.functions[6]!, name: 'score_known' }] })).toEqual({ fn: 'score_known', name: 'news2', op: '>', value: 7 })
  })
  test('texts choose their operator', () => {
    expect(withTexts({ fn: 'weekday' }, ['sat', 'sun'])).toEqual({ fn: 'weekday', op: 'in', texts: ['sat', 'sun'] })
    expect(withTexts({ fn: 'weekday', op: 'in' }, ['sat'])).toEqual({ fn: 'weekday', op: '==', texts: ['sat'] })
    expect(withTexts({ fn: 'weekday', op: '!=' }, ['sat'])).toEqual({ fn: 'weekday', op: '!=', texts: ['sat'] })
  })
})

test('durations', () => {
  for (const [text, n, unit] of [['5m', 5, 'm'], ['90s', 90, 's'], ['1h', 1, 'h'], ['1h30m', 90, 'm'], ['1d', 24, 'h'], ['0s', 0, 's']] as const) expect(spanOf(text)).toEqual({ n, unit })
  expect(fromSeconds(toSeconds(2, 'h'))).toEqual({ n: 2, unit: 'h' })
})

test('words and slots', () => {
  expect(pieces(low, words).map((p) => (p.kind === 'text' ? p.text : p.kind))).toEqual(['fn', 'metric', 'over', 'window', 'op', 'value', '%'])
  expect(unitOf(clause(words), words)).toBe('bpm')
  expect(say({ fn: 'missing', metric: 'spo2', window: '90s' }, words)).toBe('no value of Oxygen saturation for 90 s')
  expect(say({ fn: 'weekday', op: 'in', texts: ['sat', 'sun'] }, words)).toBe('the day is one of sat / sun')
})

test('the scope of a sentence', () => {
  expect(scopeOf([{ kind: 'metric', text: 'Heart rate' }, { kind: 'flag', text: 'asleep', path: '/when/all/1/name' }])).toEqual([])
  expect(scopeOf([{ kind: 'unit_id', text: 'icu-north', path: '/scope/units/0' }, { kind: 'text', text: '; only for patients not flagged ' }, { kind: 'flag', text: 'asleep', path: '/flags/asleep' }])).toEqual(['icu-north', 'not asleep'])
})

test('what the slots cannot say is edited as CEL', () => {
  const form = { key: 'x', kind: 'condition', title: '', priority: 'low', delay_s: 0, clear_hold_s: 0 } as const
  expect(outside({ ...form, when: 'abs(delta("spo2", "5m")) > 3' })).toBe(true)
  expect(outside({ ...form, when: '…', model: fast })).toBe(false)
  expect(outside({ ...form })).toBe(false)
})

describe('an unsaved draft', () => {
  const form = { key: 'x', kind: 'condition', title: 'X', priority: 'low', delay_s: 0, clear_hold_s: 0, model: fast, when: 'last("heart-rate") > 120' } as const
  test('is the same when only the editor’s own groups differ', () => {
    expect(sameDraft({ form, tests: '' }, { form: { ...form, when: undefined, model: rooted(fast) }, tests: '\n' })).toBe(true)
    expect(sameDraft({ form, tests: '' }, { form: { ...form, model: { ...fast, value: 121 } }, tests: '' })).toBe(false)
    expect(sameDraft({ form, tests: '' }, { form, tests: '- a' })).toBe(false)
    expect(sameDraft({ form, tests: '' }, { form: { ...form, units: undefined }, tests: '' })).toBe(true)
  })
  test('is sent without empty groups, lists and words', () => {
    expect(sendable({ ...form, model: { all: [{ any: [fast] }, { all: [] }] }, units: [], patients: ['', 'okafor'] })).toMatchObject({ model: fast, when: undefined, units: undefined, patients: ['okafor'] })
    expect(sendable({ ...form, model: { all: [] } }).model).toBeUndefined()
  })
})
