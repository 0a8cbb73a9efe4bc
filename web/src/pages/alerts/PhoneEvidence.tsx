import { useMetric, usePatient } from '../../api/queries'
import type { Alarm } from '../../api/types'
import { crossed } from '../../alarm/model'
import { fixed } from '../../lib/format'
import { useVitals } from '../../live/hooks'
import { signalOf, waveLabel } from '../../lib/signals'
import { alerts as t } from '../../text/en'
import { Sparkline } from '../../ui/Sparkline'
import { WaveStrip } from '../../wave/WaveStrip'
import { blocks } from '../central/readings'
import { pressure, value } from '../central/TileNumbers'
import css from './PhoneEvidence.module.css'

// PhoneEvidence is the proof below the alarm: its waveform live, four numbers, its last half hour, and what one has to know.
export function PhoneEvidence({ alarm, patient: id }: { alarm: Alarm; patient: string }) {
  const { data: patient } = usePatient(id)
  const b = blocks(useVitals(id, undefined))
  const wave = alarm.metric ? patient?.waves.find((w) => signalOf(w) === signalOf(alarm.metric!)) ?? patient?.waves[0] : patient?.waves[0]
  const line = alarm.evidence?.lines?.find((l) => l.metric === alarm.metric) ?? alarm.evidence?.lines?.[0]
  const limit = alarm.limit !== undefined && line?.metric === alarm.metric ? { value: alarm.limit, side: crossed(alarm), text: alarm.limit_text && t.limitShort(alarm.limit_text) } : undefined
  const bp = pressure(b.sys, b.dia)
  const decimals = useMetric(line?.metric)?.decimals ?? 0
  return (
    <>
      {alarm.demoted && <p className={css.was}>{t.was(alarm.demoted.from, alarm.demoted.reason)}</p>}
      {wave && <section className={css.wave} data-signal={signalOf(wave)}><span>{signalOf(wave) === 'bp' ? `${b.source} ${bp}` : waveLabel(wave)}</span><WaveStrip patient={id} metric={wave} scale={0.75} line={1.900} /></section>}
      <dl className={css.numbers}>
        <div data-signal="ecg"><dt>HR</dt><dd>{value(b.hr)}</dd></div>
        <div data-signal="spo2"><dt>SpO₂</dt><dd>{value(b.spo2)}</dd></div>
        <div data-signal="resp"><dt>RR</dt><dd>{value(b.rr)}</dd></div>
        {wave || bp === '–' ? <div data-signal="temp"><dt>{t.temp}</dt><dd>{value(b.temp)}</dd></div> : <div data-signal="bp" className={css.small}><dt>BP</dt><dd>{bp}</dd></div>}
      </dl>
      {line && (
        <section className={css.trend}>
          <header><b>{t.last(alarm.metric_label ?? line.metric)}</b><span data-signal={signalOf(line.metric)}>{fixed(line.from, decimals)} → {fixed(line.to, decimals)}</span></header>
          <div className={css.chart} data-signal={signalOf(line.metric)}><Sparkline points={line.points} colour="var(--colour)" width={336} height={78} line={2.600} limit={limit} dot label={t.last(alarm.metric_label ?? line.metric)} /></div>
        </section>
      )}
      {patient && <Facts patient={patient} />}
    </>
  )
}

function Facts({ patient: p }: { patient: NonNullable<ReturnType<typeof usePatient>['data']> }) {
  const score = p.news2?.total
  const rows: [string, string][] = []
  if (score !== undefined && score !== null) rows.push([t.facts.news, p.news2_was ? t.newsWas(String(score), p.news2_was.total) : String(score)])
  if (p.allergies.length) rows.push([t.facts.allergy, p.allergies.map((a) => a.text).join(', ')])
  if (p.running.length) rows.push([t.facts.running, p.running.join(', ')])
  if (p.nurse) rows.push([t.facts.nurse, p.nurse.name])
  if (rows.length === 0) return null
  return <dl className={css.facts}>{rows.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
}
