import type { Alarm, AttentionItem, Priority } from '../api/types'
import { time } from '../lib/format'

// Pure questions about alarms that every screen asks the same way.

export const rank: Record<Priority, number> = { none: 0, low: 1, medium: 2, high: 3 }

export const isOpen = (a: Alarm): boolean => a.state !== 'resolved'
export const isAcked = (a: Alarm): boolean => a.state === 'acknowledged' || a.acked_at !== undefined
export const isEnded = (a: Alarm): boolean => a.ended !== undefined
export const isTechnical = (a: Alarm): boolean => a.class === 'technical'

// canJudge: an alarm is judged once somebody has dealt with it, never before.
export const canJudge = (a: Alarm): boolean => a.kind === 'alarm' && (isAcked(a) || !isOpen(a))

export const pausedFor = (a: Alarm, now: number): number => {
  const left = time(a.audio_paused_until) - now
  return left > 0 ? left : 0
}

// crossed tells which limit raised the alarm. The value of an alarm moves on, so it cannot tell once it has come back.
export function crossed(a: Alarm): 'low' | 'high' {
  const own = a.metric ? a.evidence?.limits?.[a.metric] : undefined
  if (own && own.low !== own.high) {
    if (a.limit === own.low) return 'low'
    if (a.limit === own.high) return 'high'
  }
  if (/(^|[-\s])low\b/i.test(a.rule + ' ' + a.title)) return 'low'
  if (/(^|[-\s])high\b/i.test(a.rule + ' ' + a.title)) return 'high'
  return (a.value ?? 0) < (a.limit ?? 0) ? 'low' : 'high'
}

// lastPaged is whom the chain has called last.
export const lastPaged = (a: Alarm): string | undefined =>
  (a.history ?? []).filter((h) => h.who && (h.what === 'paged' || h.what === 'escalated' || h.what === 'passed_on')).at(-1)?.who

// sentence ends a text as a sentence, so that another may follow it.
export function sentence(text: string): string {
  const s = text.trim()
  return s === '' ? '' : s.charAt(0).toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? '' : '.')
}

// compareAlarms puts the most urgent first: not acknowledged before acknowledged, then priority, then the longest waiting.
export function compareAlarms(a: Alarm, b: Alarm): number {
  return Number(isAcked(a)) - Number(isAcked(b))
    || rank[b.priority] - rank[a.priority]
    || time(a.raised) - time(b.raised)
    || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

export const openAlarms = (all: Alarm[]): Alarm[] => all.filter((a) => isOpen(a) && a.priority !== 'none').sort(compareAlarms)

// compareItems orders the Attention list when the server has not done so, for example after one alarm changed.
export function compareItems(a: AttentionItem, b: AttentionItem): number {
  return Number(a.alarm ? isAcked(a.alarm) : false) - Number(b.alarm ? isAcked(b.alarm) : false)
    || rank[b.priority] - rank[a.priority]
    || a.since_ms - b.since_ms
}

export interface Counts { high: number; medium: number; low: number }

export function count(items: { priority: Priority }[]): Counts {
  const c: Counts = { high: 0, medium: 0, low: 0 }
  for (const i of items) if (i.priority !== 'none') c[i.priority]++
  return c
}

// upsert puts a changed alarm into a list, or takes it out once resolved.
export function upsert(list: Alarm[], a: Alarm): Alarm[] {
  const rest = list.filter((x) => x.id !== a.id)
  return isOpen(a) ? [...rest, a].sort(compareAlarms) : rest
}

// headline is "MAP low 54 mmHg": title, value and unit when the alarm has a value.
export const headline = (a: Alarm): string => [a.title, a.value_text, a.value_text ? a.unit_label : ''].filter(Boolean).join(' ')

// short is "MAP 54 mmHg": the metric instead of the title.
export const short = (a: Alarm): string =>
  a.value_text && a.metric_label ? [a.metric_label, a.value_text, a.unit_label].filter(Boolean).join(' ') : a.title
