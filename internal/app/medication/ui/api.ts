import { get, post, query, type PatientShort } from '@vigil/ui'

// The application's own routes, as docs/reference/webapi.md tells them.

export interface Row { patient: PatientShort; next?: { medication: string; due_ms: number }; late: number; missed: number; pdc?: number; misuse: string[] }

export type DoseState = 'upcoming' | 'due' | 'late' | 'given' | 'missed' | 'held'

export interface Dose {
  id: string
  medication: string
  dose: string
  due_ms: number
  from_ms: number
  to_ms: number
  state: DoseState
  given_ms?: number
  by?: string
  source?: 'dispenser' | 'nurse' | 'patient'
}

export interface Day { patient: PatientShort; date: string; pdc?: { value: number; days: number; definition: string }; doses: Dose[] }

export const panel = () => get<{ rows: Row[] }>('/app/medication/panel')
export const day = (patient: string, date: string) => get<Day>('/app/medication/day' + query({ patient, date }))
export const give = (dose: string) => post<Day>(`/app/medication/doses/${dose}/give`)
export const hold = (dose: string, reason: string) => post<Day>(`/app/medication/doses/${dose}/hold`, { reason })
