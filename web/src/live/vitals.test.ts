import { expect, test } from 'vitest'
import type { NumberValue } from '../api/types'
import { Vitals, type StreamInfo } from './vitals'

const number = (value: number, time_ms: number): NumberValue => ({ metric: 'heart-rate', label: 'HR', unit: 'bpm', value, time_ms, max_age_ms: 6000, decimals: 0, device: 'a', low: 50 })
const stream: StreamInfo = { stream: 1, subject: 'Patient/sara', metric: 'heart-rate', device: 'b', kind: 'numeric', unit: 'bpm', label: 'HR', decimals: 0, max_age_ms: 6000 }

test('a newer value replaces, an older one does not', () => {
  const v = new Vitals()
  v.describe(stream)
  v.number(stream, 2000, 80, false)
  v.number(stream, 1000, 70, false)
  expect(v.numbers('sara').get('heart-rate')).toMatchObject({ value: 80, time_ms: 2000 })
})

test('a fetched number never turns back a live one, but brings its limits', () => {
  const v = new Vitals()
  v.seed('sara', [number(60, 1000)])
  v.number(stream, 5000, 90, false)
  v.seed('sara', [number(61, 4000)])
  expect(v.numbers('sara').get('heart-rate')).toMatchObject({ value: 90, time_ms: 5000, low: 50 })
})

test('the same stream described again keeps its samples', () => {
  const v = new Vitals()
  const wave: StreamInfo = { ...stream, metric: 'ecg-ii', kind: 'waveform', rate: 100, scale: 1, offset: 0 }
  v.describe(wave)
  v.wave(wave, 1000, Int16Array.of(5))
  v.describe({ ...wave, stream: 9 })
  expect(v.getWave('sara', 'ecg-ii')!.ring.at(100)).toBe(5)
})
