import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client'
import type { Priority } from '../api/types'

// Off is one standing decision that alarms make no signals.
export interface Off {
  id: string; subject?: string; patient_id?: string; bed?: string; unit?: string; rule?: string; class?: string
  priority: Priority; reason: string; by_name: string; label: string; from: string; until: string
}
export interface Offs { standing: Off[]; limits_s: Record<string, number> }

export const useOffs = () => useQuery({ queryKey: ['alarms-off'], queryFn: () => get<Offs>('/alarms-off'), refetchInterval: 30_000 })

export interface Scope { patient?: string; bed?: string; unit?: string }

// covers reports whether the decision is about what a tile or a page shows, by itself or through its unit.
export function covers(o: Off, s: Scope): boolean {
  if (!o.patient_id && !o.bed && !o.unit) return true // one rule, everywhere
  return (!o.patient_id || o.patient_id === s.patient) && (!o.bed || o.bed === s.bed) && (!o.unit || !s.unit || o.unit === s.unit)
}
