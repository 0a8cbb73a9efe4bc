import { get, post, query, type PatientShort } from '@vigil/ui'

// The application's own routes, as docs/reference/webapi.md tells them.

export type Level = 'high' | 'medium' | 'low'

export interface Reading { metric: string; label: string; value_text: string; unit: string; trend: 'up' | 'down' | 'flat'; baseline_text?: string; spark: [number, number][] }

export interface Row {
  patient: PatientShort
  programme: string
  risk: { level: Level; score: number; reasons: string[] }
  last_reading_ms?: number
  days_since?: number
  contact_ms?: number
  adherence?: number
  readings: Reading[]
  alarms: number
}

export interface Panel { programmes: { id: string; name: string; patients: number }[]; rows: Row[] }

export const panel = (programme: string) => get<Panel>('/app/rpm/panel' + query({ programme }))
export const enrol = (patient_id: string, programme: string) => post<void>('/app/rpm/enrol', { patient_id, programme })
export const contact = (patient_ids: string[], text: string) => post<void>('/app/rpm/contact', { patient_ids, text })
