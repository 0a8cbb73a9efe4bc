import type { Fault } from '../api/client'
import type { Form, Version, Vocabulary } from './types'
import { fromSeconds, spanText } from './model'

// A rule file is YAML: the rule, and tests. The editor holds the rule as a form and the tests as text, and joins both.

const topKey = /^[a-z][\w-]*:/

// testsOf takes the tests out of a rule file, without the line "tests:".
export function testsOf(file: string): string {
  const lines = file.split('\n')
  const from = lines.findIndex((l) => /^tests:/.test(l))
  if (from < 0) return ''
  const length = lines.slice(from + 1).findIndex((l) => topKey.test(l))
  const body = lines.slice(from + 1, length < 0 ? undefined : from + 1 + length)
  return body.join('\n').trimEnd()
}

// fileOf joins the text of one rule and its tests. What is no list of tests is left to the server to refuse.
export function fileOf(rule: string, tests: string): string {
  const lines = rule.trimEnd().split('\n')
  const item = lines.map((l, i) => (i === 0 ? '  - ' : '    ') + l).join('\n')
  return `rules:\n${item}\n` + (tests.trim() === '' ? '' : `tests:\n${tests.trimEnd()}\n`)
}

// baseTests are those of the newest version that has any.
export const baseTests = (versions: Version[]): string => versions.map((v) => testsOf(v.text)).find((t) => t !== '') ?? ''

const span = (s: number): string => { const { n, unit } = fromSeconds(s); return spanText(n, unit) }

// starterTests writes two tests for a limit rule: a value beyond the limit is told after the delay, one inside is not.
// Other rules have no starter: what they look at does not say which values would meet it.
export function starterTests(f: Form, words: Vocabulary): string {
  const metric = f.metrics?.[0]
  const age = f.limits?.adult !== undefined ? 'adult' : Object.keys(f.limits ?? {})[0]
  if (f.kind !== 'limit' || !metric || !age) return ''
  const limit = f.limits![age]!
  const unit = words.metrics.find((m) => m.key === metric)
  const step = Math.max(1, (f.clear_hysteresis ?? 0) * 2) * (f.side === 'low' ? -1 : 1)
  const delay = f.delays_s?.[metric] ?? f.delay_s
  const until = span(Math.max(60, Math.ceil((delay + 60) / 60) * 60))
  const profile = age === 'any' ? '' : `    profile: {age_group: ${age}}\n`
  const word = f.side === 'low' ? 'under' : 'over'
  return `  - name: ${unit?.name ?? metric} ${word} the limit is told after the delay
${profile}    series:
      - {metric: ${metric}, from: 0s, to: ${until}, value: ${round(limit + step)}}
    expect: [{rule: ${f.key}, start: ${span(delay)}, priority: ${f.priority}}]
  - name: within the limit nothing is told
${profile}    series:
      - {metric: ${metric}, from: 0s, to: ${until}, value: ${round(limit - step)}}
    expect: []`
}

const round = (v: number): number => Math.round(v * 1000) / 1000

export interface Spot { line: number; column: number; message: string }

// spotsIn says where in an expression the faults of a rule stand. The server counts from the beginning of the rule's text,
// in which the expression is one line, perhaps quoted, or a block.
export function spotsIn(faults: Fault[], text: string, path: string): Spot[] {
  const lines = text.split('\n')
  const name = path.split('/').at(-1)!
  const at = lines.findIndex((l) => new RegExp(`^\\s*${name}:`).test(l))
  const head = lines[at] ?? ''
  const block = /: *[|>][-+]?\d*$/.test(head)
  const first = block ? at + 1 : at
  const inset = block ? (lines[first] ?? '').search(/\S/) : head.search(/: */) + (/: */.exec(head)?.[0].length ?? 0) + (/: *["']/.test(head) ? 1 : 0)
  return faults.filter((f) => f.path.endsWith(path)).map((f) => {
    const m = /^line (\d+), column (\d+): ([\s\S]*)$/.exec(f.message)
    if (!m || at < 0) return { line: 0, column: 0, message: f.message }
    return { line: Math.max(1, Number(m[1]) - first), column: Math.max(1, Number(m[2]) - inset), message: m[3]! }
  })
}
