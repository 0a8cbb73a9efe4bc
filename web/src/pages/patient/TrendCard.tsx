import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { Alarm, Patient } from '../../api/types'
import { crossed } from '../../alarm/model'
import { clock, day } from '../../lib/format'
import { signalOf } from '../../lib/signals'
import { vitals } from '../../live/vitals'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { TrendChart } from '../../ui/TrendChart'
import { NewsGrid } from './NewsGrid'
import { useTrend } from './queries'
import { useKeys } from '../../lib/keys'
import css from './TrendCard.module.css'

type Range = '1h' | '4h' | '24h' | 'stay'
const hours: Record<Range, number> = { '1h': 1, '4h': 4, '24h': 24, stay: 168 }
const ranges = Object.keys(hours) as Range[]

export function TrendCard({ patient, alarm }: { patient: Patient; alarm?: Alarm }) {
  const [range, setRange] = useState<Range>(patient.location === 'home' ? 'stay' : '4h')
  const map = vitals.numbers(patient.id).has('art-mean') ? 'art-mean' : 'bp-mean'
  const { at } = useSearch({ strict: false }) as { at?: number } // a moment that a link leads to, in milliseconds
  const moment = typeof at === 'number' && Number.isFinite(at) ? at : undefined
  const navigate = useNavigate()
  const trend = useTrend(patient.id, [map, 'heart-rate', 'spo2'], hours[range], moment)
  const heading = moment === undefined ? t.trendOf(t.ranges[range]) : t.trendAt(`${day(moment)} ${clock(moment)}`)
  const step = (by: number) => setRange(ranges[Math.min(3, Math.max(0, ranges.indexOf(range) + by))]!)
  useKeys({ '[': () => step(1), ']': () => step(-1) })
  const limit = useMemo(() => {
    if (!alarm?.metric || alarm.limit === undefined || !['art-mean', 'bp-mean', 'heart-rate', 'spo2'].includes(alarm.metric)) return undefined
    return { metric: alarm.metric, side: crossed(alarm), value: alarm.limit, text: t.limit(alarm.metric_label ?? '', alarm.limit) }
    // A new object would draw the chart anew for every value of the alarm.
  }, [alarm?.id, alarm?.metric, alarm?.limit, alarm?.metric_label])
  return (
    <Card flush className={css.card} title={<span className={css.title}>{heading}<span className={css.legend}>{trend.data?.series.map((s) => <span key={s.metric} data-signal={signalOf(s.metric)}><i />{s.label}</span>)}</span></span>}
      aside={<>{moment !== undefined && <Button size="small" onClick={() => void navigate({ to: '/patient/$id', params: { id: patient.id } })}>{t.toNow}</Button>}<Segmented label={t.range} value={range} onChange={setRange} options={[{ value: '1h', label: '1 h' }, { value: '4h', label: '4 h' }, { value: '24h', label: '24 h' }, { value: 'stay', label: t.stay }]} /></>}>
      <div className={css.body}>
        <div className={css.chart}>
          {trend.isError ? <ErrorPanel error={trend.error} what={heading} retry={() => void trend.refetch()} />
            : !trend.data ? <Skeleton />
              : trend.data.series.every((s) => s.points.length === 0) ? <Empty title={t.noTrend} text={t.noTrendText} />
                : <TrendChart trend={trend.data} height={170} limit={limit} label={`${heading}: ${trend.data.series.map((s) => s.label).join(', ')}`} />}
        </div>
        <NewsGrid patient={patient.id} hours={hours[range]} />
      </div>
    </Card>
  )
}
