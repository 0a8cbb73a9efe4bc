// The shapes of docs/reference/webapi.md. Optional fields are unknown when absent; lists are never null.

export type Role = 'nurse' | 'physician' | 'engineer' | 'admin' | 'patient'
export type Priority = 'none' | 'low' | 'medium' | 'high'

export interface User {
  id: string
  login: string
  name: string
  initials: string
  role: Role
  roles: Role[]
  person: string
  patient_id?: string
}

export interface MenuEntry { app: string; title: string; path: string; icon: string; roles: Role[] }

export interface Session {
  user: User | null
  site: { name: string; demo: boolean; setup_needed: boolean; version: string }
  menu: MenuEntry[]
}

export interface Unit { id: string; name: string; kind: string; beds: number; live: number }

export interface PatientShort {
  id: string
  family: string
  given: string
  name: string
  age?: number
  sex: 'F' | 'M' | 'O' | 'U'
  birth_date: string
  mrn: string
  location: 'bed' | 'home'
  bed?: { id: string; label: string }
  unit?: { id: string; name: string }
}

export interface NumberValue {
  metric: string
  label: string
  unit: string
  value: number | null
  time_ms: number
  max_age_ms: number
  decimals: number
  device: string
  source?: 'ART' | 'NIBP'
  stale_reason?: string
  simulated?: boolean
  low?: number
  high?: number
}

export interface Metric { key: string; name: string; label: string; unit: string; decimals: number; kind: 'numeric' | 'waveform'; max_age_ms: number }

export type Band = 'low' | 'low-medium' | 'medium' | 'high' | 'incomplete'

export interface Score {
  total: number | null
  band: Band
  parts: { key: string; label: string; score: number | null }[]
  missing: string[]
  time_ms: number
}

export interface AlarmStep { at: string; what: string; who?: string; text?: string }

export interface EvidenceLine { metric: string; from: number; to: number; points: [number, number][] }

export interface Evidence {
  sentence: string
  lines: EvidenceLine[] | null
  limits?: Record<string, { low?: number; high?: number }>
  delay_ns?: number
  quality?: string
  facts?: string[]
}

export interface Alarm {
  id: string
  kind: 'alarm' | 'call' | 'task' | 'notice'
  class?: 'physiological' | 'technical'
  priority: Priority
  state: 'raised' | 'paged' | 'seen' | 'acknowledged' | 'resolved'
  subject: string
  device?: string
  unit?: string
  rule: string
  rule_version?: string
  title: string
  text?: string
  metric?: string
  value?: number
  limit?: number
  ucum?: string
  onset: string
  raised: string
  updated: string
  ended?: string
  resolved?: string
  latched?: boolean
  acked_by?: string
  acked_initials?: string
  acked_at?: string
  audio_paused_until?: string
  chain?: string
  step: number
  steps: number
  next?: { at: string; text: string }
  history: AlarmStep[] | null
  judged?: { truth: Truth; by: string; at: string }
  evidence?: Evidence
  demoted?: { from: Priority; by: string; reason: string }
  asked?: { id: string; name: string; role?: string; step: number; at: string }[]
  delays?: { condition_ns: number; signal_ns: number; paging_ns?: number }
  off?: { id: string; by: string; reason: string; until: string }
  patient?: PatientShort
  bed?: { id: string; label: string; unit: string }
  value_text?: string
  limit_text?: string
  metric_label?: string
  unit_label?: string
}

export type AlarmAction = 'seen' | 'acknowledge' | 'pause' | 'escalate' | 'pass' | 'note' | 'act' | 'resolve' | 'going' | 'judge'

export type Truth = 'real' | 'artefact' | 'no_action'

export interface Bed {
  id: string
  label: string
  state: 'occupied' | 'free' | 'cleaning' | 'standby'
  note?: string
  until?: string
  patient?: PatientShort
  nurse?: { initials: string; name: string }
  flags: { kind: string; text: string }[]
  numbers: NumberValue[]
  waves: string[]
  news2?: Score
  scores: (number | null)[]
  alarms: Alarm[]
}

export interface Ward {
  unit: { id: string; name: string }
  beds: Bed[]
  staff: { initials: string; name: string; role: string }[]
  shift: string
  room?: { temperature?: number; humidity?: number }
  devices: { online: number; total: number }
  now_ms: number
}

export interface Patient extends PatientShort {
  weight_kg?: number
  day?: string
  allergies: { text: string; severity: 'high' | 'low' }[]
  code_status?: string
  problems: string[]
  isolation?: string
  news2?: Score
  news2_was?: { total: number; time_ms: number }
  devices: Device[]
  nurse?: { initials: string; name: string }
  physician?: { initials: string; name: string }
  running: string[]
  alarms: Alarm[]
  waves: string[]
  consult?: Consult
}

export interface TrendSeries {
  metric: string
  label: string
  unit: string
  decimals: number
  low?: number
  high?: number
  points: [number, number, number, number][]
  gaps: [number, number][]
}

export interface Trend {
  from_ms: number
  to_ms: number
  series: TrendSeries[]
  events: { time_ms: number; kind: 'medication' | 'lab' | 'alarm' | 'note'; text: string }[]
}

export interface LimitSetting {
  metric: string
  label: string
  unit: string
  low?: number
  high?: number
  default_low?: number
  default_high?: number
  priority: Priority
  delay_s: number
  personal: boolean
  histogram?: { from: number; step: number; counts: number[] }
}

export interface ThreadEntry {
  id: string
  at: string
  by: string
  initials: string
  role: string
  text: string
  kind: 'message' | 'note' | 'system'
}

export interface CareStep { id: string; text: string; kind: 'check' | 'order' | 'pharmacy'; done: boolean; by?: string; at?: string }

export interface RecordItem { type: string; id: string; title: string; text: string; time: string; source: string }

export interface AttentionItem {
  id: string
  kind: 'alarm' | 'call' | 'task' | 'notice'
  technical: boolean
  priority: Priority
  title: string
  text: string
  since_ms: number
  due_ms?: number
  icon: string
  alarm?: Alarm
  link: string
  actions: string[]
}

export interface Attention { open: AttentionItem[]; coming: AttentionItem[]; now_ms?: number }

export interface ConsultMessage { id: string; at: string; by: string; name: string; initials: string; text: string; mine: boolean }

export interface Consult {
  id: string
  patient: PatientShort
  clinician: { id: string; name: string; initials: string }
  alarm?: string
  state: 'open' | 'ringing' | 'video' | 'closed'
  opened_at: string
  joined: { id: string; name: string; since: string }[]
  messages: ConsultMessage[]
  note?: string
  action?: string
}

export interface PortalCard {
  key: string
  label: string
  value: string
  unit?: string
  text: string
  state: 'low' | 'high' | 'ok' | 'unknown'
  spark: [number, number][]
  time_ms: number
}

export interface PortalMedicine { id: string; name: string; due?: string; state: 'taken' | 'due' | 'late' | 'missed' | 'on_hold'; text: string }

export interface Portal {
  patient: PatientShort
  greeting: string
  device_text: string
  calling?: { consult: string; name: string; initials: string; text: string }
  cards: PortalCard[]
  medicines: PortalMedicine[]
  messages_unread: number
  consult?: Consult
}

export interface Device {
  id: string
  name: string
  profile: string
  title: string
  kind: string
  serial?: string
  state: 'online' | 'offline' | 'never'
  last_seen_ms?: number
  battery?: number
  signal?: number
  subject?: string
  subject_name?: string
  place?: string
  protocol?: string
  quarantined: number
}

export interface DeviceDetail extends Device {
  bindings: { subject: string; name: string; from: string; to?: string }[]
  readings: NumberValue[]
}

export interface DeviceMessage {
  at_ms: number
  protocol: string
  size: number
  payload: string
  outcome: 'stored' | 'duplicate' | 'quarantined'
  reason?: string
  values: { metric: string; label: string; value: number; unit: string }[]
  ack_ms: number
}

export interface Profile { key: string; title: string; kind: string; manufacturer: string; model: string; metrics: string[]; protocols: string[]; example?: string }

export interface QuarantineItem {
  id: string
  at: string
  device: string
  protocol: string
  reason: string
  detail: string
  payload: string
  encoding: 'text' | 'base64'
}

export interface Quarantine { total: number; reasons: { reason: string; count: number }[]; items: QuarantineItem[] }

export interface Status {
  version: string
  uptime_s: number
  acknowledging: boolean
  reason?: string
  devices: { online: number; total: number }
  values_per_s: number
  delay_ms: number
  quarantine: number
  disk: { used_bytes: number; free_bytes: number }
  steps: { name: string; count: number; failed: number }[]
  alarm_to_screen_ms: { p50: number; p99: number }
  checks: { name: string; ok: boolean; text: string }[]
  peers?: Peer[]
}

// Peer is another FHIR server that records go to and come from.
export interface Peer {
  name: string
  url: string
  ok: boolean
  text: string
  waiting: number
  dead: number
  sent: number
  pulled: number
  error?: string
}

export interface PeerItem {
  key: string
  due: string
  tries: number
  error?: string
  dead: boolean
}
