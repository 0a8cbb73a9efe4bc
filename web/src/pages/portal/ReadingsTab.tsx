import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { get, query } from '../../api/client'
import type { Trend } from '../../api/types'
import { portal as t } from '../../text/en'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { lazy, Suspense } from 'react'
import css from './ReadingsTab.module.css'

const TrendChart = lazy(async () => ({ default: (await import('../../ui/TrendChart')).TrendChart }))

type Metric = keyof typeof t.metrics
type Days = '1' | '7' | '30'

export function ReadingsTab() {
  const [metric, setMetric] = useState<Metric>('bp-systolic')
  const [days, setDays] = useState<Days>('7')
  const { data, isError, error } = useQuery({ queryKey: ['portal-readings', metric, days], queryFn: () => get<Trend>('/portal/readings' + query({ metric, days })), placeholderData: (old) => old })
  const series = data?.series[0]
  const last = series?.points.at(-1)
  return (
    <section className={css.box}>
      <h1>{t.readings}</h1>
      <div className={css.choices} role="group" aria-label={t.choose}>
        {(Object.keys(t.metrics) as Metric[]).map((m) => <button key={m} type="button" aria-pressed={m === metric} onClick={() => setMetric(m)}>{t.metrics[m]}</button>)}
      </div>
      {isError ? <ErrorPanel error={error} what={t.readings} /> : !data ? <Skeleton /> : !last ? <Empty title={t.noReadings} text={t.noReadingsText} /> : (
        <div className={css.card}>
          <p className={css.value}>{last[1].toFixed(series!.decimals)}<small>{series!.unit}</small></p>
          <div className={css.chart}><Suspense fallback={<Skeleton />}><TrendChart trend={data} height={240} label={t.metrics[metric]} /></Suspense></div>
          <Segmented label={t.range} value={days} onChange={setDays} options={(['1', '7', '30'] as const).map((d) => ({ value: d, label: t.days(Number(d)) }))} />
        </div>
      )}
    </section>
  )
}
