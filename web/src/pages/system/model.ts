// What /api/models says; docs/reference/webapi.md.

export type ModelState = 'off' | 'shadow' | 'notify'
export interface Bin { given: number; observed: number; count: number }
export interface Figure { key: string; label: string; value: number; low?: number; high?: number; unit?: string }
export interface Proposal { by: string; name: string; at: string; reason: string }

export interface Validation {
  since?: string; days: number; verdicts: number; acted: number; judged: number; true: number; false: number
  kept: number; demoted: number; ppv: number; per_day: number; auroc: number; bins: Bin[]; passed: boolean; wanting: string[]
  wanted: { days: number; judged: number; true: number; false: number; keep_at: number; auroc: number; horizon: number }
}

export interface ModelRow {
  key: string; version: string; kind: 'false-alarm' | 'deterioration'; title: string; sentence: string
  standing: { state: ModelState; since?: string; proposal?: Proposal; approval?: { by: string; name: string; at: string; proposed: Proposal } }
  validation: Validation
}

export interface Model extends ModelRow {
  use: string; not_for: string; data: string; features: number; trees: number; cut: number
  figures: Figure[]; reliability: Bin[]; card: string; lost: number; may_approve: boolean
}

// plot lays the bins on a square of the given size; the axis ends where the largest value does, at a tidy number.
export function plot(lists: Bin[][], size: number): { max: number; points: { x: number; y: number; bin: Bin }[][] } {
  const top = Math.max(0.001, ...lists.flat().flatMap((b) => [b.given, b.observed]))
  const step = 10 ** Math.floor(Math.log10(top))
  const max = Math.min(1, Math.ceil(top / step) * step)
  return { max, points: lists.map((l) => l.map((bin) => ({ x: (size * bin.given) / max, y: size - (size * bin.observed) / max, bin }))) }
}

export const percent = (v: number, digits = 1): string => `${(100 * v).toFixed(digits)} %`
