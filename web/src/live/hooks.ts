import { useEffect, useMemo, useReducer, useSyncExternalStore } from 'react'
import type { NumberValue } from '../api/types'
import { serverNow } from '../lib/clock'
import type { LiveMessage } from './frame'
import { live, type Link, type Topic } from './socket'
import { judge } from './stale'
import { vitals } from './vitals'

// useBeat repaints the calling component once a second and returns the server time.
export function useBeat(): number {
  const [, tick] = useReducer((n: number) => n + 1, 0)
  useEffect(() => live.onBeat(tick), [])
  return serverNow()
}

export function useLink(): Link {
  return useSyncExternalStore((fn) => live.onBeat(fn), live.getLink)
}

export function useTopic(topic: Topic | null): void {
  const key = topic ? JSON.stringify(topic) : ''
  useEffect(() => (key === '' ? undefined : live.subscribe(JSON.parse(key) as Topic)), [key])
}

export function useLiveMessage(op: string, fn: (m: LiveMessage) => void): void {
  useEffect(() => live.listen((m) => { if (m.op === op) fn(m) }), [op, fn])
}

// Reading is a number judged for showing: text is "– ? –" when the value is too old to be shown.
export interface Reading extends NumberValue { fresh: boolean; ageMs: number; text: string }

export const UNKNOWN = '– ? –'

// useVitals gives every reading of a patient by metric, repainted by the beat. The beat alone decides: a render in between
// must not show a number that changed less than a second ago.
export function useVitals(patient: string | undefined, seed: NumberValue[] | undefined): Map<string, Reading> {
  useMemo(() => { if (patient && seed) vitals.seed(patient, seed) }, [patient, seed])
  const now = useBeat()
  const link = useLink()
  const second = Math.floor(now / 1000)
  return useMemo(() => {
    const out = new Map<string, Reading>()
    if (!patient) return out
    for (const [metric, n] of vitals.numbers(patient)) {
      const shown = judge(n, now, link.state)
      out.set(metric, { ...n, ...shown, text: shown.fresh ? n.value!.toFixed(n.decimals) : UNKNOWN })
    }
    return out
    // "now" is left out on purpose: "second" is its steps.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [patient, seed, second, link.state])
}
