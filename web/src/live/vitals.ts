import type { NumberValue } from '../api/types'
import { Ring } from './ring'

// The newest numbers and waveforms of every patient on screen, outside React: waveforms change 60 times a second and
// numbers are repainted once a second by the beat, however often they arrive.

export interface StreamInfo {
  stream: number
  subject: string
  bed?: string
  metric: string
  device: string
  kind: 'numeric' | 'waveform'
  rate?: number
  period_ms?: number
  scale?: number
  offset?: number
  unit: string
  label: string
  decimals: number
  max_age_ms: number
}

export interface Wave { metric: string; label: string; unit: string; ring: Ring; lastMs: number }

interface PatientVitals { numbers: Map<string, NumberValue>; waves: Map<string, Wave>; version: number }

// patientKey takes "Patient/sara" and "sara" alike.
export const patientKey = (subject: string): string => subject.replace(/^Patient\//, '')

export class Vitals {
  private patients = new Map<string, PatientVitals>()

  private of(patient: string): PatientVitals {
    let p = this.patients.get(patient)
    if (!p) this.patients.set(patient, (p = { numbers: new Map(), waves: new Map(), version: 0 }))
    return p
  }

  // seed takes numbers fetched over HTTP. It never replaces a newer value, only its limits and labels.
  seed(patient: string, numbers: NumberValue[]): void {
    const p = this.of(patient)
    for (const n of numbers) {
      const old = p.numbers.get(n.metric)
      p.numbers.set(n.metric, old && old.time_ms > n.time_ms ? { ...n, value: old.value, time_ms: old.time_ms } : n)
    }
    p.version++
  }

  describe(info: StreamInfo): void {
    const p = this.of(patientKey(info.subject))
    if (info.kind === 'waveform') {
      const old = p.waves.get(info.metric)
      const rate = info.rate ?? (info.period_ms ? 1000 / info.period_ms : 0)
      if (rate <= 0) return
      const scale = info.scale ?? 1
      const offset = info.offset ?? 0
      // A reconnect describes the same stream again: keep what is already on screen.
      const same = old && old.ring.rate === rate && old.ring.scale === scale && old.ring.offset === offset
      const ring = same ? old.ring : new Ring(rate, scale, offset)
      p.waves.set(info.metric, { metric: info.metric, label: info.label, unit: info.unit, ring, lastMs: old?.lastMs ?? 0 })
    } else if (!p.numbers.has(info.metric)) {
      const { metric, label, unit, decimals, device, max_age_ms } = info
      p.numbers.set(metric, { metric, label, unit, decimals, device, max_age_ms, value: null, time_ms: 0, source: sourceOf(metric) })
    }
    p.version++
  }

  number(info: StreamInfo, timeMs: number, value: number, simulated: boolean): void {
    const p = this.of(patientKey(info.subject))
    const old = p.numbers.get(info.metric)
    // Late values correct trends; they must not make the screen step back in time.
    if (!old || timeMs < old.time_ms) return
    p.numbers.set(info.metric, {
      ...old, value: Number.isNaN(value) ? null : value, time_ms: timeMs, device: info.device, stale_reason: undefined, simulated,
      max_age_ms: info.max_age_ms || old.max_age_ms,
    })
    p.version++
  }

  wave(info: StreamInfo, startMs: number, samples: Int16Array): void {
    const w = this.of(patientKey(info.subject)).waves.get(info.metric)
    if (!w) return
    w.ring.write(startMs, samples)
    w.lastMs = Math.max(w.lastMs, startMs + (samples.length * 1000) / w.ring.rate)
  }

  version(patient: string): number { return this.patients.get(patient)?.version ?? 0 }
  numbers(patient: string): Map<string, NumberValue> { return this.of(patient).numbers }
  getWave(patient: string, metric: string): Wave | undefined { return this.patients.get(patient)?.waves.get(metric) }
  waveMetrics(patient: string): string[] { return [...(this.patients.get(patient)?.waves.keys() ?? [])] }
}

const sourceOf = (metric: string): 'ART' | 'NIBP' | undefined =>
  metric.startsWith('art-') ? 'ART' : metric.startsWith('bp-') ? 'NIBP' : undefined

export const vitals = new Vitals()
