import { Judge } from '../../alarm/Judge'
import { useAlarm, useMetric } from '../../api/queries'
import { fixed } from '../../lib/format'
import type { Alarm, EvidenceLine } from '../../api/types'
import { signalOf } from '../../lib/signals'
import { patient as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Sparkline } from '../../ui/Sparkline'
import css from './WhyCard.module.css'

const names: Record<string, [string, string]> = {
  'art-mean': ['MAP', 'mmHg'], 'bp-mean': ['MAP', 'mmHg'], 'heart-rate': ['Heart rate', ''], temperature: ['Temperature', '°C'], spo2: ['SpO₂', '%'], 'respiratory-rate': ['Resp rate', '/min'],
  'bp-systolic': ['Systolic', 'mmHg'], 'art-systolic': ['Systolic', 'mmHg'],
}

// WhyCard lays open what raised the alarm: the metrics that speak, from what to what, and the facts beside them.
export function WhyCard({ alarm }: { alarm?: Alarm }) {
  if (!alarm) return null
  return <Open id={alarm.id} rule={t.rule(alarm.kind === 'alarm' ? alarm.title : alarm.rule, alarm.rule_version)} />
}

function Open({ id, rule }: { id: string; rule: string }) {
  const { data } = useAlarm(id)
  const e = data?.evidence
  if (!e) return null
  return (
    <Card title={t.why} aside={rule}>
      <p className={css.sentence}>{e.sentence}</p>
      {data.demoted && <p className={css.fact}>{t.was(data.demoted.from, data.demoted.reason)}</p>}
      {(e.lines ?? []).map((l) => <Line key={l.metric} line={l} />)}
      {(e.facts ?? []).map((f) => <p key={f} className={css.fact}>{f}</p>)}
      <Judge alarm={data} />
      <p className={css.note}>{t.support}</p>
    </Card>
  )
}

function Line({ line }: { line: EvidenceLine }) {
  const metric = useMetric(line.metric)
  const [name, unit] = names[line.metric] ?? [metric?.label ?? line.metric, metric?.unit ?? '']
  const short = (v: number) => fixed(v, metric?.decimals ?? 0)
  return (
    <div className={css.line}>
      <span>{name}</span><b>{short(line.from)} → {short(line.to)} {unit}</b>
      <Sparkline points={line.points} colour={`var(--sig-${signalOf(line.metric)})`} height={20} line={1.800} label={`${name} from ${short(line.from)} to ${short(line.to)}`} />
    </div>
  )
}
