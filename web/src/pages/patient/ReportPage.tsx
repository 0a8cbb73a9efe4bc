import { useNavigate, useParams } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import { ArrowLeft, Download, Printer } from 'lucide-react'
import { useEffect } from 'react'
import { headline } from '../../alarm/model'
import { get } from '../../api/client'
import { usePatient, useSession } from '../../api/queries'
import type { Alarm, NumberValue, Patient } from '../../api/types'
import { clock, date, sexWord, time } from '../../lib/format'
import { useKeys } from '../../lib/keys'
import { useTopic, useVitals } from '../../live/hooks'
import { common, patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { usePatientAlarms, useSteps, useThread } from './queries'
import css from './ReportPage.module.css'

// ReportPage is the summary of a patient on paper: A4 or Letter, black on white, alarm priorities in words.
export function ReportPage() {
  const { id = '' } = useParams({ strict: false }) as { id?: string }
  const navigate = useNavigate()
  const { data: p, isError, error } = usePatient(id)
  useTopic({ topic: 'patient', patient: id })
  const back = () => void navigate({ to: '/patient/$id', params: { id } })
  useKeys({ Escape: back })
  // The file name of a saved report is the title of the page; it holds no patient's name.
  useEffect(() => { const old = document.title; document.title = t.reportTitle; return () => { document.title = old } }, [])
  if (isError) return <main id="main"><ErrorPanel error={error} what={t.loading} /></main>
  if (!p) return <Skeleton lines={8} />
  return (
    <div className={css.page}>
      <nav className={css.bar} aria-label={t.report}>
        <Button icon={<ArrowLeft size={16} aria-hidden />} onClick={back}>{common.back}</Button>
        <Button icon={<Download size={16} aria-hidden />} onClick={() => window.location.assign(`/api/patients/${encodeURIComponent(id)}/telemetry/export?format=csv`)}>{t.exportDay}</Button>
        <Button kind="primary" icon={<Printer size={16} aria-hidden />} onClick={() => window.print()}>{t.print}</Button>
      </nav>
      <main id="main" className={css.sheet}><Sheet patient={p} /></main>
    </div>
  )
}

function Sheet({ patient: p }: { patient: Patient }) {
  const { data: session } = useSession()
  const numbers = useQuery({ queryKey: ['numbers', p.id], queryFn: () => get<NumberValue[]>(`/patients/${p.id}/numbers`) })
  const readings = useVitals(p.id, numbers.data)
  const { data: alarms = [] } = usePatientAlarms(p.id)
  const { data: steps = [] } = useSteps(p.id)
  const { data: thread = [] } = useThread(p.id)
  const now = Date.now()
  const rows = [...readings.values()].filter((r) => r.time_ms > 0 && r.metric !== 'battery' && r.metric !== 'signal')
  const facts: [string, string | undefined][] = [
    [t.allergies, p.allergies.map((a) => a.text).join(', ') || t.noAllergies], [t.problems, p.problems.join(', ')], [t.code, p.code_status], [t.isolation, p.isolation], [t.running, p.running.join(', ')],
    ['NEWS2', p.news2?.total == null ? undefined : String(p.news2.total)], [t.nurse, p.nurse?.name], [t.physician, p.physician?.name],
  ]
  return (
    <>
      <header className={css.head}>
        <div><h1>{p.name}</h1><p>{[p.birth_date && t.born(date(p.birth_date)), p.age !== undefined && t.years(p.age), sexWord(p), t.mrn(p.mrn)].filter(Boolean).join(' · ')}</p><p>{[p.unit?.name, p.bed && `${t.bed} ${p.bed.label}`, p.day].filter(Boolean).join(' · ')}</p></div>
        <div className={css.meta}><b>{session?.site.name}</b><span>{t.printed(`${date(new Date(now).toISOString())} ${clock(now)}`, session?.user?.name ?? '')}</span>{session?.site.demo && <strong className={css.training}>{t.trainingMark}</strong>}</div>
      </header>
      <dl className={css.facts}>{facts.filter(([, v]) => v).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      <h2>{t.lastReadings}</h2>
      <table className={css.table}>
        <thead><tr><th>{t.measure}</th><th>{t.value}</th><th>{t.at}</th><th>{t.limits}</th><th>{t.device}</th></tr></thead>
        <tbody>{rows.map((r) => <tr key={r.metric}><td>{r.label}</td><td>{r.value === null ? '–' : `${r.value.toFixed(r.decimals)} ${r.unit}`}{!r.fresh && ` (${t.tooOld})`}</td><td>{clock(r.time_ms, true)}</td><td>{[r.low, r.high].some((x) => x !== undefined) ? `${r.low ?? ''}–${r.high ?? ''}` : ''}</td><td>{r.device}</td></tr>)}</tbody>
      </table>
      {steps.length > 0 && <><h2>{t.steps}</h2><ul className={css.list}>{steps.map((s) => <li key={s.id}>{s.done ? '☑' : '☐'} {s.text}{s.done && ` · ${[s.by, s.at && clock(time(s.at))].filter(Boolean).join(' ')}`}</li>)}</ul></>}
      <h2>{t.timeline}</h2>
      {alarms.length === 0 ? <p>{t.noAlarms}</p> : (
        <table className={css.table}>
          <thead><tr><th>{t.at}</th><th>{t.priority}</th><th>{t.alarmLine}</th><th>{t.acknowledgedBy}</th></tr></thead>
          <tbody>{alarms.slice(0, 40).map((a) => <Row key={a.id} alarm={a} />)}</tbody>
        </table>
      )}
      {thread.length > 0 && <><h2>{t.thread}</h2><ul className={css.list}>{thread.slice(-30).map((m) => <li key={m.id}><b>{m.by}</b> {date(m.at)} {clock(time(m.at))}: {m.text}</li>)}</ul></>}
    </>
  )
}

const marks = { high: '!!!', medium: '!!', low: '!', none: '' }

function Row({ alarm: a }: { alarm: Alarm }) {
  return <tr><td>{date(a.raised)} {clock(time(a.raised), true)}</td><td>{marks[a.priority]} {common.priority[a.priority]}</td><td>{headline(a)}{a.limit_text && `, limit ${a.limit_text}`}</td><td>{a.acked_by ? `${a.acked_by} ${clock(time(a.acked_at), true)}` : '–'}</td></tr>
}
