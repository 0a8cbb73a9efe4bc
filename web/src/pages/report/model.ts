import type { PatientShort, Priority } from '../../api/types'

// What /api/reports/alarms says; docs/reference/webapi.md.

export interface Judged { judged: number; real: number; no_action: number; artefact: number; false: number; false_low: number; false_high: number }
export interface Day { day: string; beds: number; alarms: number; per_bed: number; high: number; medium: number; low: number }
export interface Group { key: string; alarms: number; share: number }
export interface RuleRow extends Judged { key: string; title: string; alarms: number; share: number; patients: number; night: number; median_s: number; p90_s: number; short: number; repeated: number }
export interface Worst extends Judged { subject: string; alarms: number; share: number; days: number; per_day: number; rules: Group[] }
export interface Response { priority: Priority; step: string; n: number; median_s: number; p90_s: number; target_s?: number; due?: number; within?: number }
export interface Flood { unit?: string; from: string; to: string; alarms: number }
export interface Change { rule: string; title: string; subject?: string; patients: number; metric: string; text: string; link?: string; alarms: number; would: number }
export type People = Record<string, PatientShort>

export interface AlarmReport {
  from: string; to: string; zone: string; alarms: number; patients: number; night: number; worst_tenth: number
  load: { bed_days: number; mean: number; median: number; p90: number; worst: number }
  days: Day[]; heat: number[][]; rules: RuleRow[]; judged: Judged; response: Response[]; worst: Worst[]
  escalated: { alarms: number; share: number }; floods: { count: number; alarms: number; list: Flood[] }; nuisance: { share: number; short: number; repeated: number }
  people: People
}

export const percent = (v: number): string => `${Math.round(100 * v)} %`

// span writes a number of seconds as people say it.
export function span(s: number): string {
  const whole = Math.round(s)
  if (whole < 120) return `${whole} s`
  if (whole < 7200) return `${Math.round(whole / 60)} min`
  return `${(whole / 3600).toFixed(1)} h`
}

// top is an even number at which an axis may end.
export function top(n: number): number {
  if (n < 2) return 2
  const step = 10 ** Math.floor(Math.log10(n))
  const at = [1, 2, 4, 6, 8, 10].map((k) => k * step).find((v) => v >= n) ?? n
  return at + (at % 2)
}

export const whoIs = (people: People, subject: string | undefined): string => (subject && people[subject]?.name) || (subject ?? '').replace(/^Patient\//, '')
