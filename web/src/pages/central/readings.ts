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

export const alarmOf = (alarms: Alarm[], key: BlockKey): Alarm | undefined =>
  alarms.filter((a) => isOpen(a) && a.metric && (metricsOf[key] as readonly string[]).includes(a.metric)).sort(compareAlarms)[0]

export interface Silence { ageMs: number; cause: string }

// silence tells whether a bed has gone quiet as a whole: readings are expected and none is fresh.
export function silence(r: Map<string, Reading>, alarms: Alarm[]): Silence | null {
  const expected = [...r.values()].filter((n) => n.time_ms > 0 && n.metric !== 'battery' && !n.metric.startsWith('bp-'))
  if (expected.length === 0 || expected.some((n) => n.ageMs <= n.max_age_ms && n.fresh)) return null
  // A reading that is merely unknown (lead off) but recent means that the device still talks.
  if (expected.some((n) => n.value === null && n.ageMs <= n.max_age_ms)) return null
  const technical = alarms.find((a) => isTechnical(a) && isOpen(a) && !a.metric)
  const cause = expected.find((n) => n.stale_reason)?.stale_reason ?? technical?.text ?? ''
  return { ageMs: Math.min(...expected.map((n) => n.ageMs)), cause }
}
