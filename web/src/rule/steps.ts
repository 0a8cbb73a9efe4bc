import { ApiError } from '../api/client'
import type { User } from '../api/types'
import { rules as t } from '../text/en'
import type { Action, State, Version } from './types'

// Which steps a version may take next, the usual one first.
const next: Record<State, Action[]> = {
  draft: ['propose'],
  proposed: ['approve', 'reject'],
  approved: ['shadow', 'enable', 'reject', 'retire'],
  shadow: ['enable', 'retire'],
  live: ['rollback', 'retire'],
  retired: [],
}

export const actionsOf = (v: Version): Action[] => (v.off ? next[v.state].filter((a) => a !== 'shadow') : next[v.state])

// needsNote: without a reason these are refused.
export const needsNote = (a: Action): boolean => a === 'rollback' || a === 'reject' || a === 'retire'

const has = (u: User | null, ...roles: string[]): boolean => u !== null && [u.role, ...u.roles].some((r) => roles.includes(r))

// hindrance says why somebody cannot take a step, before he tries; undefined when he can, or when only the server knows.
export function hindrance(a: Action, v: Version, user: User | null): string | undefined {
  if (a === 'propose') return undefined // charge nurses may, and who that is changes by the hour
  if (!has(user, 'physician', 'admin')) return t.refusals.approver
  return a === 'approve' && v.author === user?.id ? t.refusals.own : undefined
}

// refusal puts an answer of the server into words for the person who asked.
export function refusal(e: unknown, a: Action | 'draft' | 'replay', version?: Version, user?: User | null): string {
  if (!(e instanceof ApiError)) return t.refusals.unknown
  switch (e.kind) {
    case 'denied':
      if (a === 'approve' && version && version.author === user?.id) return t.refusals.own
      return a === 'draft' || a === 'propose' || a === 'replay' ? t.refusals.proposer : t.refusals.approver
    case 'conflict': return t.refusals.moved
    case 'unavailable': return t.refusals.away
    default: return [t.refusals.unfit(e.message), ...e.faults.map((f) => f.message)].join(' ')
  }
}

// A replay travels with a version as a mark at the end of its note, so that every reader of the note finds it.
const mark = /\s*\[replay ([0-9a-f]{8,64})\]\s*$/

export const withReplay = (note: string, replay: string | undefined): string => (replay ? `${note.trim()} [replay ${replay}]` : note.trim())

export function splitNote(note: string): { text: string; replay?: string } {
  const m = mark.exec(note)
  return m ? { text: note.slice(0, m.index), replay: m[1]! } : { text: note }
}

export type Line = { kind: 'same' | 'gone' | 'new'; text: string }

// lineDiff compares two texts line by line by their longest common run.
export function lineDiff(before: string, after: string): Line[] {
  const a = before.trimEnd().split('\n')
  const b = after.trimEnd().split('\n')
  const best = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) best[i]![j] = a[i] === b[j] ? best[i + 1]![j + 1]! + 1 : Math.max(best[i + 1]![j]!, best[i]![j + 1]!)
  }
  const out: Line[] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push({ kind: 'same', text: a[i]! }); i++; j++ }
    else if (i < a.length && (j >= b.length || best[i + 1]![j]! >= best[i]![j + 1]!)) out.push({ kind: 'gone', text: a[i++]! })
    else out.push({ kind: 'new', text: b[j++]! })
  }
  return out
}
