// The shapes of "Rules" in docs/reference/webapi.md.
import type { Fault } from '../api/client'
import type { Priority } from '../api/types'

export type State = 'draft' | 'proposed' | 'approved' | 'shadow' | 'live' | 'retired'
export type Action = 'propose' | 'approve' | 'reject' | 'shadow' | 'enable' | 'retire' | 'rollback'

export interface Slot { kind: string; text: string; path?: string }

export interface Version {
  key: string
  version: number
  state: State
  off?: boolean
  text: string
  note: string
  author: string
  author_name: string
  at: string
  approver?: string
  approver_name?: string
  approved_at?: string
}

export interface Step { key: string; version: number; from?: State; to: State; by: string; name: string; at: string; note: string }

export interface Entry {
  key: string
  title: string
  kind: Kind
  priority: Priority
  origin: 'catalogue' | 'site'
  version: string
  state: State
  off?: boolean
  by?: string
  at?: string
  sentence: Slot[]
  waiting: Version[]
  shadow?: { rule: string; version: string; alarms: number; open: number; first: string; last: string }
}

export interface RuleView extends Entry { edit: Form; text: string; versions: Version[]; steps: Step[] }

export type Kind = 'limit' | 'score' | 'condition' | 'no-data' | 'lead-off' | 'quality'

// Model is a group (all, any) or one comparison (fn).
export interface Model {
  all?: Model[]
  any?: Model[]
  fn?: string
  metric?: string
  name?: string
  bound?: number
  window?: string
  op?: string
  value?: number
  texts?: string[]
  not?: boolean
  unit?: string
}

export interface Form {
  key: string
  kind: Kind
  title: string
  sentence?: string
  class?: 'physiological' | 'technical'
  priority: Priority
  chain?: string
  latching?: boolean
  metrics?: string[]
  side?: 'low' | 'high'
  extreme?: boolean
  limits?: Record<string, number>
  score?: string
  at_least?: number
  model?: Model
  when?: string
  delay_s: number
  delays_s?: Record<string, number>
  clear_hold_s: number
  clear_hysteresis?: number
  clear_model?: Model
  clear_when?: string
  covered_by?: string[]
  hours?: string
  days?: string[]
  patients?: string[]
  units?: string[]
  age_groups?: string[]
  programmes?: string[]
  flags?: Record<string, boolean>
  source?: string
}

export type Arg = 'metric' | 'window' | 'number' | 'score' | 'flag' | 'programme'

export interface Vocabulary {
  functions: { name: string; args: Arg[]; result: 'number' | 'yes_no'; unit: string; doc: string }[]
  variables: { name: string; result: 'number' | 'text'; doc: string }[]
  metrics: { key: string; name: string; unit: string; low: number; high: number }[]
  scores: Record<string, string>
  chains: Record<string, string>
  flags: Record<string, string>
}

export interface Checked { ok: boolean; message?: string; faults: Fault[]; text?: string; rules?: { key: string; sentence: Slot[]; edit: Form }[] }

export interface Episode {
  rule: string
  subject: string
  unit?: string
  priority: Priority
  metric?: string
  onset: string
  start: string
  end?: string
  peak?: number
}

export interface Tested { passed: boolean; tests: { name: string; faults: string[] | null; alarms: Episode[] | null; from: string }[] }

export interface DayAlarms { day: string; alarms: number }

export interface Load {
  alarms: number
  per_bed_day: number
  by_hour: number[]
  night: number
  median_s: number
  p90_s: number
  top: { subject: string; alarms: number }[] | null
  by_day: DayAlarms[]
}

export interface Example extends Episode { what: 'new' | 'gone'; link: string }

export interface Known { subject: string; at: string; what: string; caught: boolean; caught_today: boolean }

export interface Outcome {
  subjects: number
  subject_hours: number
  samples: number
  took_s: number
  after: Load
  today: Load
  by_rule: Record<string, Load>
  change: { new: number; gone: number; same: number; examples: Example[] | null }
  known: { events: number; caught: number; missed: number; caught_today: number; list: Known[] | null }
}

export interface Replay {
  id: string
  state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  text: string
  rules: string[]
  note?: string
  by: string
  name: string
  at: string
  from: string
  to: string
  started?: string
  finished?: string
  units?: string[]
  subject_hours_done: number
  subject_hours_all: number
  eta_s?: number
  error?: string
  outcome?: Outcome
}

export interface Shadow {
  id: string
  rule: string
  version: string
  subject: string
  unit?: string
  priority: Priority
  metric?: string
  value: number
  peak: number
  start: string
  at: string
  end?: string
}
