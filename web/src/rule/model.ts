import type { Arg, Model, Vocabulary } from './types'

// The condition of a rule as an editor changes it: a tree of groups (all, any) and comparisons. Every function gives a new
// tree and leaves the old one as it was.

export type Join = 'all' | 'any'
export type Path = number[]

export const isGroup = (m: Model): boolean => m.fn === undefined
export const joinOf = (m: Model): Join => (m.any ? 'any' : 'all')
export const members = (m: Model): Model[] => m.any ?? m.all ?? []
export const group = (join: Join, list: Model[]): Model => (join === 'any' ? { any: list } : { all: list })

// rooted wraps a single comparison, so that an editor always has a list to add to.
export const rooted = (m: Model | undefined): Model => (m === undefined ? group('all', []) : isGroup(m) ? m : group('all', [m]))

// tidy takes the wrapping away again: groups of one stand for their member, empty ones for nothing, and a group inside one of
// the same kind for its members.
export function tidy(m: Model): Model | undefined {
  if (!isGroup(m)) return m
  const join = joinOf(m)
  const list = members(m).flatMap((x) => {
    const inner = tidy(x)
    return inner === undefined ? [] : isGroup(inner) && joinOf(inner) === join ? members(inner) : [inner]
  })
  return list.length > 1 ? group(join, list) : list[0]
}

// change replaces what stands at a path; undefined takes it out.
export function change(m: Model, path: Path, fn: (m: Model) => Model | undefined): Model {
  const [at, ...rest] = path
  if (at === undefined) return fn(m) ?? group(joinOf(m), [])
  const list = members(m).flatMap((x, i) => {
    if (i !== at) return [x]
    const next = rest.length > 0 ? change(x, rest, fn) : fn(x)
    return next === undefined || isGroup(next) && members(next).length === 0 ? [] : [next]
  })
  return group(joinOf(m), list)
}

export const add = (m: Model, path: Path, child: Model): Model => change(m, path, (g) => group(joinOf(g), [...members(g), child]))
export const remove = (m: Model, path: Path): Model => change(m, path, () => undefined)
export const setJoin = (m: Model, path: Path, join: Join): Model => change(m, path, (g) => group(join, members(g)))

// argsOf says what a function or variable reads. The window of "last" may be left out.
export function argsOf(fn: string, words: Vocabulary): Arg[] {
  const all = words.functions.filter((f) => f.name === fn)
  return (all[0]?.args ?? [])
}

export const resultOf = (fn: string, words: Vocabulary): 'number' | 'yes_no' | 'text' =>
  words.functions.find((f) => f.name === fn)?.result ?? words.variables.find((v) => v.name === fn)?.result ?? 'number'

// unitOf is the unit of what a comparison compares, as the server writes it.
export function unitOf(m: Model, words: Vocabulary): string {
  const def = words.functions.find((f) => f.name === m.fn)
  const own = words.metrics.find((x) => x.key === m.metric)?.unit ?? ''
  switch (def?.unit) {
    case 'metric': return own
    case 'metric/min': return `${own} a minute`.trim()
    case 's': return 's'
    default: return ''
  }
}

const usual = { metric: 'heart-rate', window: '5m' }

// withFn turns a comparison into one of another function and keeps what both know.
export function withFn(m: Model, fn: string, words: Vocabulary): Model {
  const out: Model = { fn }
  for (const a of argsOf(fn, words)) {
    if (a === 'metric') out.metric = m.metric ?? usual.metric
    else if (a === 'window') out.window = m.window ?? usual.window
    else if (a === 'number') out.bound = m.bound ?? m.value ?? 0
    else out.name = nameFor(a, m.fn === fn ? m.name : undefined, words)
  }
  switch (resultOf(fn, words)) {
    case 'yes_no': if (m.not) out.not = true; break
    case 'text': out.op = '=='; out.texts = m.fn === fn ? m.texts : [firstText(fn)]; break
    default:
      if (fn.startsWith('score') && !m.fn?.startsWith('score')) { out.op = '>='; out.value = 5; break } // a measurement's number says nothing about a total
      out.op = m.op && m.op !== 'in' ? m.op : '>'
      out.value = m.value ?? 0
  }
  const unit = unitOf(out, words)
  if (unit && out.op !== undefined && out.value !== undefined) out.unit = unit
  return out
}

const nameFor = (a: Arg, old: string | undefined, words: Vocabulary): string =>
  old ?? (a === 'score' ? (words.scores.news2 ? 'news2' : Object.keys(words.scores)[0] ?? '') : a === 'flag' ? Object.keys(words.flags)[0] ?? '' : '')

export const choices: Record<string, string[]> = { weekday: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], age_group: ['neonate', 'infant', 'child', 'adult'] }
const firstText = (fn: string): string => choices[fn]?.[0] ?? ''

// withTexts sets what a text is compared with, in the operator that the number of texts asks for.
export const withTexts = (m: Model, texts: string[], not = m.op === '!='): Model =>
  texts.length > 1 ? { ...m, op: 'in', texts } : { ...m, op: not ? '!=' : '==', texts }

// clause is a comparison to begin with.
export const clause = (words: Vocabulary): Model => withFn({ op: '>', value: 120 }, 'last', words)

export type SpanUnit = 's' | 'm' | 'h' | 'd'
const secondsOf: Record<SpanUnit, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

// spanOf reads "5m"; durations of several units come in the smallest.
export function spanOf(text: string): { n: number; unit: SpanUnit } {
  const total = [...text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)].reduce((t, [, n, u]) => t + Number(n) * (u === 'ms' ? 0.001 : secondsOf[u as SpanUnit]), 0)
  return fromSeconds(total)
}

// fromSeconds says a duration in the largest unit that says it whole.
export function fromSeconds(s: number): { n: number; unit: SpanUnit } {
  const unit = (['h', 'm'] as const).find((u) => s >= secondsOf[u] && s % secondsOf[u] === 0) ?? 's'
  return { n: s / secondsOf[unit], unit }
}

export const toSeconds = (n: number, unit: SpanUnit): number => n * secondsOf[unit]
export const spanText = (n: number, unit: SpanUnit): string => `${n}${unit}`
