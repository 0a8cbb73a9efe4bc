import { describe, expect, test } from 'vitest'
import type { Alarm } from '../api/types'
import { compareAlarms, count, headline, pausedFor, upsert } from './model'
import { alarmSteps } from './steps'

const at = (s: number) => new Date(Date.UTC(2026, 10, 22, 14, 31, s)).toISOString()
const alarm = (a: Partial<Alarm>): Alarm => ({
  id: 'a', kind: 'alarm', priority: 'medium', state: 'raised', subject: 'Patient/sara', rule: 'r', title: 'MAP low', onset: at(0), raised: at(0), updated: at(0), step: 0, steps: 0, history: [], ...a,
})

describe('order', () => {
  test('not acknowledged first, then priority, then the longest waiting', () => {
    const list = [
      alarm({ id: 'acked high', priority: 'high', state: 'acknowledged' }), alarm({ id: 'low', priority: 'low' }), alarm({ id: 'new medium', raised: at(9) }), alarm({ id: 'old medium' }), alarm({ id: 'high', priority: 'high' }),
    ]
    expect(list.sort(compareAlarms).map((a) => a.id)).toEqual(['high', 'old medium', 'new medium', 'low', 'acked high'])
  })
  test('a resolved alarm leaves the list', () => expect(upsert([alarm({})], alarm({ state: 'resolved' }))).toEqual([]))
  test('counts leave out what has no priority', () => expect(count([{ priority: 'high' }, { priority: 'none' }])).toEqual({ high: 1, medium: 0, low: 0 }))
})

test('headline', () => {
  expect(headline(alarm({ value_text: '54', unit_label: 'mmHg' }))).toBe('MAP low 54 mmHg')
  expect(headline(alarm({ unit_label: 'mmHg' }))).toBe('MAP low')
})

test('pausing ends by itself', () => {
  const a = alarm({ audio_paused_until: at(30) })
  expect(pausedFor(a, Date.parse(at(10)))).toBe(20_000)
  expect(pausedFor(a, Date.parse(at(31)))).toBe(0)
})

describe('alarmSteps', () => {
  const history = [{ at: at(22), what: 'raised' }, { at: at(23), what: 'paged', who: 'Dr Reyes' }, { at: at(41), what: 'seen', who: 'Dr Reyes' }, { at: at(45), what: 'note', who: 'K', text: 'x' }, { at: at(58), what: 'video_opened', who: 'Dr Reyes' }]
  test('seen joins the page it answers, notes stay out, the next step closes the line', () => {
    const steps = alarmSteps(alarm({ state: 'seen', history, next: { at: at(59), text: 'Rapid response' } }))
    expect(steps.map((s) => [s.title, s.done])).toEqual([['Raised', true], ['Paged Dr Reyes', true], ['Video opened', true], ['Rapid response', false]])
    expect(steps[1]).toMatchObject({ detail: 'seen', at: Date.parse(at(41)) })
  })
  test('an acknowledged alarm waits for its end, not for the chain', () => {
    const steps = alarmSteps(alarm({ state: 'acknowledged', history, next: { at: at(59), text: 'Rapid response' } }))
    expect(steps.at(-1)!.title).toBe('Resolved')
  })
  test('a long history keeps its beginning and its end', () => {
    const long = [history[0]!, ...Array.from({ length: 9 }, (_, i) => ({ at: at(30 + i), what: 'escalated', who: 'T' + i }))]
    const steps = alarmSteps(alarm({ history: long }))
    expect(steps).toHaveLength(5)
    expect(steps[0]!.title).toBe('Raised')
    expect(steps[3]!.title).toBe('Escalated T8')
  })
  test('absent history', () => expect(alarmSteps(alarm({ history: null })).map((s) => s.key)).toEqual(['ack']))
})
