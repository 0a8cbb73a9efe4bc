import { compareAlarms, isOpen, isTechnical } from '../../alarm/model'
import type { Alarm } from '../../api/types'
import type { Reading } from '../../live/hooks'

// Which readings stand in which block of a tile, and which alarm marks which block.

export interface Blocks {
  hr?: Reading
  spo2?: Reading
  rr?: Reading
  temp?: Reading
  sys?: Reading
  dia?: Reading
  map?: Reading
  source: 'ART' | 'NIBP'
}

export function blocks(r: Map<string, Reading>): Blocks {
  const art = r.get('art-systolic') ?? r.get('art-mean')
  const cuff = r.get('bp-systolic') ?? r.get('bp-mean')
  // The line speaks as long as it is live; a cuff that is newer takes over when it is not.
  const source = art && (art.fresh || !cuff?.fresh) ? 'ART' : 'NIBP'
  const p = source === 'ART' ? 'art' : 'bp'
  return {
    hr: r.get('heart-rate') ?? r.get('pulse-rate'), spo2: r.get('spo2'), rr: r.get('respiratory-rate'), temp: r.get('temperature'),
    sys: r.get(`${p}-systolic`), dia: r.get(`${p}-diastolic`), map: r.get(`${p}-mean`), source,
  }
}

const metricsOf = {
  hr: ['heart-rate', 'pulse-rate'], spo2: ['spo2'], rr: ['respiratory-rate', 'temperature'],
  bp: ['art-systolic', 'art-diastolic', 'art-mean', 'bp-systolic', 'bp-diastolic', 'bp-mean'],
} as const

export type BlockKey = keyof typeof metricsOf

// A lead that is off names its signal in the title only: "Lead off: II".
const leads: Partial<Record<BlockKey, RegExp>> = { hr: /: (i{1,3}|v\d?|av[rlf]|ecg.*)$/i, spo2: /: (pleth|spo.*)$/i, rr: /: resp.*$/i, bp: /: (art|nibp|abp).*$/i }
const names = (a: Alarm, key: BlockKey) => a.rule === 'lead-off' && leads[key]!.test(a.title)

export const alarmOf = (alarms: Alarm[], key: BlockKey): Alarm | undefined =>
  alarms.filter((a) => isOpen(a) && (a.metric ? (metricsOf[key] as readonly string[]).includes(a.metric) : names(a, key))).sort(compareAlarms)[0]

export interface Silence { ageMs: number; cause: string }

const QUICK_MS = 60_000

// silence tells whether a bed has gone quiet as a whole. Only readings that should come within a minute count: a temperature
// of ten minutes ago may be shown, but it does not prove that anybody is still measuring.
export function silence(r: Map<string, Reading>, alarms: Alarm[]): Silence | null {
  const expected = [...r.values()].filter((n) => n.time_ms > 0 && n.value !== null && n.max_age_ms <= QUICK_MS && n.metric !== 'battery')
  if (expected.length === 0 || expected.some((n) => n.fresh)) return null
  const technical = alarms.find((a) => isTechnical(a) && isOpen(a) && !a.metric)
  const cause = expected.find((n) => n.stale_reason)?.stale_reason ?? technical?.text ?? ''
  return { ageMs: Math.min(...expected.map((n) => n.ageMs)), cause }
}
