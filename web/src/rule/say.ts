import { isGroup, joinOf, members, resultOf, rooted, spanOf, unitOf } from './model'
import type { Form, Model, Slot, Vocabulary } from './types'

// A comparison as a row of words and slots, in the order in which it is read aloud.

export type Piece = { kind: 'text'; text: string } | { kind: 'fn' | 'metric' | 'window' | 'bound' | 'op' | 'value' | 'name' | 'texts' | 'not' }

const text = (t: string): Piece => ({ kind: 'text', text: t })
const slot = (kind: Exclude<Piece['kind'], 'text'>): Piece => ({ kind })

// pieces says which slots a comparison has. The first is always what is looked at.
export function pieces(m: Model, words: Vocabulary): Piece[] {
  const fn = m.fn ?? 'last'
  const result = resultOf(fn, words)
  const unit = unitOf(m, words)
  if (fn === 'missing') return [slot('fn'), slot('metric'), text('for'), slot('window'), slot('not')]
  if (result === 'yes_no') return [slot('fn'), slot('not'), slot('name')]
  if (result === 'text') return [slot('fn'), slot('op'), slot('texts')]
  const end = [slot('op'), slot('value'), ...(unit ? [text(unit)] : [])]
  if (/^(count|duration)_/.test(fn)) {
    const own = words.metrics.find((x) => x.key === m.metric)?.unit
    return [slot('fn'), slot('metric'), text(fn.endsWith('over') ? 'over' : 'under'), slot('bound'), ...(own ? [text(own)] : []), text('in'), slot('window'), ...end]
  }
  if (m.metric === undefined) return fn.startsWith('score') ? [slot('fn'), slot('name'), ...end] : [slot('fn'), ...end]
  return [slot('fn'), slot('metric'), ...(m.window !== undefined ? [text('over'), slot('window')] : []), ...end]
}

export const opWord: Record<string, string> = { '>': 'is over', '<': 'is under', '>=': 'is at least', '<=': 'is at most', '==': 'is exactly', '!=': 'is not' }

export const fnWord: Record<string, string> = {
  last: 'the value of', mean: 'the mean of', min: 'the minimum of', max: 'the maximum of', slope: 'the slope of', delta: 'the change of', rate: 'the rate of change of',
  count_over: 'the number of high values of', count_under: 'the number of low values of', duration_over: 'the time of a high', duration_under: 'the time of a low', age: 'the age of', missing: 'no value of',
  score: 'the score', score_known: 'the known part of the score', flag: 'the patient’s flag', programme: 'the patient’s programme', hour: 'the hour', weekday: 'the day', unit: 'the care unit', age_group: 'the age group',
  age_years: 'the age in years', postop_day: 'the post-op day',
}

const spanUnits = { s: 's', m: 'min', h: 'h', d: 'd' }
export function spanWord(span: string): string {
  const { n, unit } = spanOf(span)
  return `${n} ${spanUnits[unit]}`
}

// say reads a comparison or a group aloud.
export function say(m: Model, words: Vocabulary, inner = false): string {
  if (isGroup(m)) {
    const list = members(m)
    const all = list.map((x) => say(x, words, list.length > 1)).join(joinOf(m) === 'any' ? ' or ' : ' and ')
    return inner && list.length > 1 ? `(${all})` : all
  }
  return pieces(m, words).map((p) => {
    switch (p.kind) {
      case 'text': return p.text
      case 'fn': return fnWord[m.fn ?? ''] ?? m.fn
      case 'metric': return words.metrics.find((x) => x.key === m.metric)?.name ?? m.metric
      case 'window': return spanWord(m.window ?? '')
      case 'bound': return String(m.bound ?? 0)
      case 'op': return m.op === 'in' ? 'is one of' : resultOf(m.fn ?? '', words) === 'text' ? (m.op === '!=' ? 'is not' : 'is') : opWord[m.op ?? ''] ?? m.op
      case 'value': return String(m.value ?? 0)
      case 'name': return m.name
      case 'texts': return (m.texts ?? []).join(' / ')
      case 'not': return m.fn === 'missing' ? (m.not ? 'is not so' : '') : m.not ? 'is not' : 'is'
    }
  }).filter((x) => x !== '').join(' ')
}

// scopeOf names whom and when a sentence restricts itself to; empty is everybody, always.
export const scopeOf = (sentence: Slot[]): string[] =>
  sentence.flatMap((s, i) => {
    if (s.kind === 'flag' && s.path?.startsWith('/flags/')) return [(sentence[i - 1]?.text.includes('not flagged') ? 'not ' : '') + s.text]
    return ['hours', 'days', 'age_group', 'unit_id', 'patient'].includes(s.kind) || s.kind === 'programme' && s.path?.startsWith('/scope/') ? [s.text] : []
  })

export const textOf = (sentence: Slot[]): string => sentence.map((s) => s.text).join('')

// outside reports whether a rule's condition says more than the sentence's slots can: then it is edited as CEL.
export const outside = (f: Form): boolean => f.kind === 'condition' && !f.model && Boolean(f.when)

export const conditionOf = (f: Form): Model => rooted(f.model)
