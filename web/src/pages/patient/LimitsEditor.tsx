import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { get, put, query } from '../../api/client'
import { problem } from '../../api/queries'
import type { LimitSetting } from '../../api/types'
import { signalOf } from '../../lib/signals'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { toast } from '../../ui/toast'
import css from './LimitsEditor.module.css'

type Draft = Record<string, { low?: number; high?: number }>

// LimitsEditor: each limit over the patient's own last day, with an estimate of what the change would have meant.
export function LimitsEditor({ patient }: { patient: string }) {
  const client = useQueryClient()
  const { data, isError, error } = useQuery({ queryKey: ['limits', patient], queryFn: () => get<LimitSetting[]>(`/patients/${patient}/limits`) })
  const [draft, setDraft] = useState<Draft>({})
  const save = useMutation({
    mutationFn: (body: object[]) => put<LimitSetting[]>(`/patients/${patient}/limits`, body),
    onSuccess: (list) => { client.setQueryData(['limits', patient], list); setDraft({}); toast(t.saved) }, onError: problem,
  })
  if (isError) return <ErrorPanel error={error} what={t.limits} />
  if (!data) return <Skeleton />
  const changed = data.filter((l) => draft[l.metric])
  const body = changed.map((l) => ({ metric: l.metric, low: draft[l.metric]!.low ?? l.low ?? null, high: draft[l.metric]!.high ?? l.high ?? null }))
  return (
    <Card title={t.limits} aside={<Button size="small" kind="primary" disabled={changed.length === 0} busy={save.isPending} onClick={() => save.mutate(body)}>{t.saveLimits}</Button>}>
      <div className={css.list}>
        {data.map((l) => (
          <Row key={l.metric} patient={patient} limit={l} draft={draft[l.metric]} onChange={(d) => setDraft({ ...draft, [l.metric]: { ...draft[l.metric], ...d } })}
            onReset={() => save.mutate([{ metric: l.metric, low: null, high: null }])} />
        ))}
      </div>
    </Card>
  )
}

function Row({ patient, limit: l, draft, onChange, onReset }: { patient: string; limit: LimitSetting; draft?: Draft[string]; onChange: (d: Draft[string]) => void; onReset: () => void }) {
  const low = draft?.low ?? l.low
  const high = draft?.high ?? l.high
  const h = ownOf(l)
  const { min, max } = scale(l)
  const step = h && h.step < 1 ? 0.1 : 1
  return (
    <fieldset className={css.row}>
      <legend>{l.label} <small>{l.unit}</small> {l.personal && <Chip tone="use">{t.personal}</Chip>}</legend>
      {h && <Histogram limit={l} low={low} high={high} min={min} max={max} />}
      <div className={css.sliders}>
        {l.low !== undefined && <label>{t.low}<input type="range" min={min} max={max} step={step} value={low} onChange={(e) => onChange({ low: Math.min(+e.target.value, (high ?? max) - step) })} /><output>{low}</output></label>}
        {l.high !== undefined && <label>{t.high}<input type="range" min={min} max={max} step={step} value={high} onChange={(e) => onChange({ high: Math.max(+e.target.value, (low ?? min) + step) })} /><output>{high}</output></label>}
      </div>
      {draft && <Estimate patient={patient} metric={l.metric} low={low} high={high} />}
      {l.personal && <Button size="small" kind="ghost" onClick={onReset}>{t.reset}</Button>}
    </fieldset>
  )
}

// ownOf is the histogram when there is one to draw: without values its steps are zero.
const ownOf = (l: LimitSetting) => (l.histogram && l.histogram.step > 0 && l.histogram.counts.length > 0 ? l.histogram : undefined)

// scale holds the own values and the limits with some room beyond: a slider that cannot show its limit would move it.
function scale(l: LimitSetting): { min: number; max: number } {
  const h = ownOf(l)
  const all = [l.low, l.high, l.default_low, l.default_high, h?.from, h && h.from + h.step * h.counts.length].filter((v): v is number => v !== undefined)
  const [lo, hi] = [Math.min(...all), Math.max(...all)]
  const room = Math.max(1, (hi - lo) * 0.1)
  return { min: Math.max(0, Math.floor(lo - room)), max: Math.ceil(hi + room) }
}

function Histogram({ limit, low, high, min, max }: { limit: LimitSetting; low?: number; high?: number; min: number; max: number }) {
  const { from, step, counts } = limit.histogram!
  const top = Math.max(1, ...counts)
  const inside = (i: number) => { const v = from + step * (i + 0.5); return (low === undefined || v >= low) && (high === undefined || v <= high) }
  return (
    <svg className={css.histogram} viewBox={`${(min - from) / step} 0 ${(max - min) / step} 40`} preserveAspectRatio="none" role="img" aria-label={t.histogram}>
      {counts.map((c, i) => <rect key={i} x={i + 0.1} width="0.8" y={40 - (c / top) * 40} height={(c / top) * 40} fill={inside(i) ? `var(--sig-${signalOf(limit.metric)})` : 'var(--control)'} />)}
    </svg>
  )
}

function Estimate({ patient, metric, low, high }: { patient: string; metric: string; low?: number; high?: number }) {
  const [asked, setAsked] = useState({ low, high })
  // Ask once the slider rests, not for every pixel of its way.
  useEffect(() => { const id = setTimeout(() => setAsked({ low, high }), 400); return () => clearTimeout(id) }, [low, high])
  const { data } = useQuery({ queryKey: ['estimate', patient, metric, asked.low, asked.high], placeholderData: (old) => old, queryFn: () => get<{ hours: number; now: number; would: number }>(`/patients/${patient}/limits/estimate` + query({ metric, low: asked.low, high: asked.high })) })
  return data ? <p className={css.estimate} role="status">{t.estimate(data.would, data.now, data.hours)}</p> : null
}
