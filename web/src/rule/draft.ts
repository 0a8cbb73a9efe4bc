import { tidy } from './model'
import type { Form } from './types'

// What somebody changed and has not saved yet outlives leaving the page, in this browser tab alone.

export interface Draft { form: Form; tests: string }

const KEY = 'vigil.rule.'

export function keptDraft(key: string): Draft | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(KEY + key) ?? 'null') as Draft ?? undefined
  } catch {
    return undefined
  }
}

export function keepDraft(key: string, draft: Draft | undefined): void {
  if (draft) sessionStorage.setItem(KEY + key, JSON.stringify(draft))
  else sessionStorage.removeItem(KEY + key)
}

// sendable is a form as the server takes it: without the groups that only the editor needs.
export function sendable(f: Form): Form {
  const model = f.model && tidy(f.model)
  const clear = f.clear_model && tidy(f.clear_model)
  const list = (x: string[] | undefined) => { const kept = x?.filter((s) => s !== ''); return kept && kept.length > 0 ? kept : undefined }
  return { ...f, model, clear_model: clear, when: model ? undefined : f.when, clear_when: clear ? undefined : f.clear_when, programmes: list(f.programmes), patients: list(f.patients), units: list(f.units), days: list(f.days), age_groups: list(f.age_groups), hours: f.hours || undefined }
}

// shape is what counts when two forms are compared: words that only repeat the model are left out.
const shape = (d: Draft): string => {
  const { when: _w, clear_when: _c, ...rest } = sendable(d.form)
  const said = { ...rest, when: d.form.model ? undefined : d.form.when, clear_when: d.form.clear_model ? undefined : d.form.clear_when }
  return JSON.stringify(sorted(said)) + '\n' + d.tests.trim()
}

const sorted = (v: unknown): unknown => (Array.isArray(v) ? v.map(sorted) : v !== null && typeof v === 'object' ? Object.fromEntries(Object.entries(v).filter(([, x]) => x !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, x]) => [k, sorted(x)])) : v)

export const sameDraft = (a: Draft, b: Draft): boolean => shape(a) === shape(b)

// freshForm begins a rule.
export const freshForm = (): Form => ({ key: '', kind: 'condition', title: '', priority: 'medium', chain: 'medium', model: { all: [{ fn: 'last', metric: 'heart-rate', op: '>', value: 120, unit: 'bpm' }] }, delay_s: 30, clear_hold_s: 10 })
