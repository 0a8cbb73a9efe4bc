import { useQuery } from '@tanstack/react-query'
import { Judge } from '../../alarm/Judge'
import { headline } from '../../alarm/model'
import { get, query } from '../../api/client'
import type { Alarm, Patient } from '../../api/types'
import { clock, date, time } from '../../lib/format'
import { signalOf } from '../../lib/signals'
import { common, patient as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { PriorityGlyph } from '../../ui/Glyph'
import { Sparkline } from '../../ui/Sparkline'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { LimitsEditor } from './LimitsEditor'
import { usePatientAlarms } from './queries'
import css from './AlarmsTab.module.css'

// AlarmsTab: every alarm of the stay with who did what and the trace around it, and the limits that raise the next one.
export function AlarmsTab({ patient }: { patient: Patient }) {
  const { data, isError, error, refetch } = usePatientAlarms(patient.id)
  return (
    <div className={css.columns}>
      <Card title={t.timeline} flush>
        {isError ? <ErrorPanel error={error} what={t.timeline} retry={() => void refetch()} /> : !data ? <Skeleton /> : data.length === 0 ? <Empty title={t.noAlarms} /> : (
          <ul className={css.list}>{data.map((a) => <Entry key={a.id} alarm={a} patient={patient} />)}</ul>
        )}
      </Card>
      <LimitsEditor patient={patient.id} />
    </div>
  )
}

function Entry({ alarm: a, patient }: { alarm: Alarm; patient: Patient }) {
  return (
    <li className={css.entry}>
      <PriorityGlyph priority={a.priority} size={24} fill={`var(--${a.priority})`} ink={`var(--${a.priority}-ink)`} />
      <div className={css.what}>
        <b>{headline(a)}{a.limit_text && <small> limit {a.limit_text}</small>}</b>
        <span className={css.state}>{common.priority[a.priority]} · {date(a.raised)} {clock(time(a.raised), true)} · {a.state}</span>
        <ol className={css.history}>{(a.history ?? []).map((h, i) => <li key={i}><time>{clock(time(h.at), true)}</time> {h.what.replace(/_/g, ' ')}{h.who && ` · ${h.who}`}{h.text && ` · ${h.text}`}</li>)}</ol>
        <Judge alarm={a} />
      </div>
      <Snippet alarm={a} patient={patient} />
    </li>
  )
}

interface Waveform { metric: string; rate: number; scale: number; offset: number; start_ms: number; samples: (number | null)[] }

// Snippet is the first waveform from ten seconds before the alarm to five after.
function Snippet({ alarm, patient }: { alarm: Alarm; patient: Patient }) {
  const at = time(alarm.onset)
  const metric = alarm.metric && patient.waves.find((w) => signalOf(w) === signalOf(alarm.metric!)) || patient.waves[0]
  const { data } = useQuery({
    queryKey: ['snippet', patient.id, alarm.id], enabled: metric !== undefined, staleTime: Infinity, retry: false,
    queryFn: () => get<Waveform>(`/patients/${patient.id}/waveform` + query({ metric, from_ms: at - 10_000, to_ms: at + 5_000 })),
  })
  if (!data || !metric) return <span />
  const points = data.samples.flatMap((v, i): [number, number][] => (v === null ? [] : [[i, v]]))
  return <div className={css.snippet}><Sparkline points={points} height={48} line={1.200} colour={`var(--sig-${signalOf(metric)})`} label={t.snippet} /><small>{t.snippet}</small></div>
}
