import { expect, test } from 'vitest'
import { ApiError } from '../api/client'
import type { User } from '../api/types'
import { baseTests, fileOf, spotsIn, starterTests, testsOf } from './file'
import { actionsOf, hindrance, lineDiff, refusal, splitNote, withReplay } from './steps'
import type { Form, Version, Vocabulary } from './types'

const rule = 'key: x\nclear:\n  hold: 10s\n'
const tests = '  - name: a\n    series:\n      - {metric: spo2, from: 0s, value: 80}\n    expect: []'

test('a rule and its tests make a file, and the tests come out of it again', () => {
  const file = fileOf(rule, tests)
  expect(file).toBe(`rules:\n  - key: x\n    clear:\n      hold: 10s\ntests:\n${tests}\n`)
  expect(testsOf(file)).toBe(tests)
  expect(testsOf(fileOf(rule, ''))).toBe('')
  expect(testsOf(`tests:\n${tests}\nrules:\n- key: x\n`)).toBe(tests)
})

const version = (v: Partial<Version>): Version => ({ key: 'x', version: 1, state: 'draft', text: '', note: '', author: 'a1', author_name: 'Dr Lee', at: '', ...v })

test('the newest tests are the ones to go on with', () => {
  expect(baseTests([version({ text: rule }), version({ text: fileOf(rule, tests) })])).toBe(tests)
  expect(baseTests([])).toBe('')
})

const words: Vocabulary = { functions: [], variables: [], metrics: [{ key: 'spo2', name: 'Oxygen saturation', unit: '%', low: 0, high: 100 }], scores: {}, chains: {}, flags: {} }
const form: Form = { key: 'spo2-low', kind: 'limit', title: '', priority: 'medium', metrics: ['spo2'], side: 'low', limits: { adult: 90 }, delay_s: 10, clear_hold_s: 10, clear_hysteresis: 1 }

test('a limit writes its own first tests', () => {
  const text = starterTests(form, words)
  expect(text).toContain('value: 88}')
  expect(text).toContain('expect: [{rule: spo2-low, start: 10s, priority: medium}]')
  expect(text).toContain('value: 92}')
  expect(text).toContain('expect: []')
  expect(starterTests({ ...form, kind: 'condition' }, words)).toBe('')
})

test('faults stand where they are in the expression', () => {
  const block = 'key: x\nwhen: |-\n  last("hart-rate") > 120\n  && foo(3)\n'
  const faults = [{ path: '/rules/x/when', message: 'line 3, column 8: no metric "hart-rate"' }, { path: '/rules/x/when', message: "line 4, column 9: undeclared reference to 'foo'" }, { path: '/rules/x/title', message: 'empty' }]
  expect(spotsIn(faults, block, '/when')).toEqual([{ line: 1, column: 6, message: 'no metric "hart-rate"' }, { line: 2, column: 7, message: "undeclared reference to 'foo'" }])
  expect(spotsIn([{ path: '/rules/x/when', message: 'line 2, column 7: oh' }], 'key: x\nwhen: foo(3)\n', '/when')).toEqual([{ line: 1, column: 1, message: 'oh' }])
  expect(spotsIn([{ path: '/rules/x/when', message: 'line 2, column 8: oh' }], "key: x\nwhen: 'foo(3)'\n", '/when')).toEqual([{ line: 1, column: 1, message: 'oh' }])
})

const user = (id: string, role: User['role']): User => ({ id, role, roles: [role], login: id, name: id, initials: '', person: '' })

test('who wrote a version does not approve it, and hears so in words', () => {
  const v = version({ state: 'proposed' })
  expect(actionsOf(v)).toEqual(['approve', 'reject'])
  expect(actionsOf(version({ state: 'approved', off: true }))).not.toContain('shadow')
  expect(hindrance('approve', v, user('a1', 'physician'))).toMatch(/You wrote/)
  expect(hindrance('approve', v, user('a2', 'physician'))).toBeUndefined()
  expect(hindrance('approve', v, user('a2', 'nurse'))).toMatch(/physician/)
  expect(hindrance('propose', v, user('a2', 'nurse'))).toBeUndefined()
  expect(refusal(new ApiError(403, 'denied', 'a rule is approved by a second person'), 'approve', v, user('a1', 'admin'))).toMatch(/You wrote/)
  expect(refusal(new ApiError(403, 'denied', 'x'), 'propose', v, user('a2', 'nurse'))).toMatch(/You may not propose/)
  expect(refusal(new ApiError(409, 'conflict', 'x'), 'enable', v)).toMatch(/Somebody/)
  expect(refusal(new ApiError(400, 'invalid', 'no', undefined, [{ path: '/tests/a', message: 'alarm at 20 s' }]), 'draft')).toContain('alarm at 20 s')
})

test('a replay travels in the note', () => {
  const note = withReplay('too many at night ', '0123456789abcdef')
  expect(splitNote(note)).toEqual({ text: 'too many at night', replay: '0123456789abcdef' })
  expect(splitNote('plain [replay of a film]')).toEqual({ text: 'plain [replay of a film]' })
  expect(withReplay('a', undefined)).toBe('a')
})

test('lines of two versions', () => {
  expect(lineDiff('a\nb\nc\n', 'a\nB\nc\nd\n')).toEqual([{ kind: 'same', text: 'a' }, { kind: 'gone', text: 'b' }, { kind: 'new', text: 'B' }, { kind: 'same', text: 'c' }, { kind: 'new', text: 'd' }])
})
