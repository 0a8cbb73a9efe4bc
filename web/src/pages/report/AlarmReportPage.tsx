import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Download } from 'lucide-react'
import { useState } from 'react'
import { get, query } from '../../api/client'
import { useUnits, useUser } from '../../api/queries'
import { Frame } from '../../shell/Frame'
import { common, report as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { SelectField } from '../../ui/Field'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import { Heat, LoadChart } from './Charts'
import { percent, span, whoIs, type AlarmReport, type Change, type Judged, type People } from './model'
import css from './AlarmReportPage.module.css'

const DAY = 24 * 3600_000
const KEY = 'vigil.report.days'

// AlarmReportPage is where a unit sees what its alarms cost, and which limit would help.
export function AlarmReportPage() {
  const user = useUser()
  const units = useUnits()
  const [days, setDays] = useState(() => localStorage.getItem(KEY) ?? '7')
  const [unit, setUnit] = useState('')
  const [names, setNames] = useState(true)
  // The end is fixed while the page is open, so that what is downloaded is what is seen.
  const [to] = useState(() => Date.now())
  const from = new Date(to - Number(days) * DAY).toISOString()
  const where = { from, to: new Date(to).toISOString(), unit }
  const clinical = user !== null && [user.role, ...user.roles].some((r) => r === 'nurse' || r === 'physician' || r === 'admin')
  const { data, isError, error, refetch } = useQuery({ queryKey: ['alarm-report', days, unit, to], queryFn: () => get<AlarmReport>('/reports/alarms' + query(where)), placeholderData: keepPreviousData, retry: false })
  const file = (kind: string) => `/api/reports/alarms.${kind}` + query({ ...where, names: names && clinical ? undefined : 'no' })
  return (
    <Frame title={t.title} actions={<>
      <Segmented label={t.period} value={days} onChange={(d) => { localStorage.setItem(KEY, d); setDays(d) }} options={Object.entries(t.periods).map(([value, label]) => ({ value, label }))} />
      {clinical && <label className={css.names}><input type="checkbox" checked={names} onChange={(e) => setNames(e.target.checked)} /> {t.names}</label>}
      <a className={css.file} href={file('pdf')} download><Download size={15} aria-hidden /> {t.pdf}</a>
      <a className={css.file} href={file('csv')} download><Download size={15} aria-hidden /> {t.csv}</a>
    </>}>
      <div className={css.pick}><SelectField label={t.unit} value={unit} onChange={(e) => setUnit(e.target.value)}><option value="">{t.allUnits}</option>{(units.data ?? []).map((u) => <option key={u.id} value={u.id}>{u.name}</option>)}</SelectField></div>
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton lines={8} />
        : data.alarms === 0 ? <Empty title={t.none} text={t.noneText} /> : <Body r={data} where={where} clinical={clinical} />}
    </Frame>
  )
}

function Body({ r, where, clinical }: { r: AlarmReport; where: Record<string, string>; clinical: boolean }) {
  return (
    <>
      {!clinical && <p className={css.quiet}>{t.hidden}</p>}
      <Figures r={r} />
      <div className={css.columns}>
        <Card title={t.load}><LoadChart days={r.days} /></Card>
        <Card title={t.heat}><Heat heat={r.heat} /></Card>
      </div>
      {clinical && <Changes where={where} />}
      <Card title={t.rules} flush><Rules r={r} /></Card>
      <div className={css.columns}>
        <Card title={t.worst} flush><WorstPatients r={r} clinical={clinical} /></Card>
        <Card title={t.answers} flush><Answers r={r} /></Card>
      </div>
      <Card title={t.floods} aside={t.floodsText} flush>
        <Table label={t.floods} rows={r.floods.list} rowKey={(f) => f.from + (f.unit ?? '')} empty={<Empty title={t.noFloods} />} columns={[
          { key: 'u', title: t.unit, cell: (f) => f.unit || '–' }, { key: 'f', title: t.from, cell: (f) => new Date(f.from).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' }) },
          { key: 'l', title: t.lasted, cell: (f) => span((Date.parse(f.to) - Date.parse(f.from)) / 1000) }, { key: 'n', title: t.alarms, cell: (f) => f.alarms },
        ]} />
      </Card>
    </>
  )
}

function Figures({ r }: { r: AlarmReport }) {
  const j = r.judged
  const boxes: [string, string, string][] = [
    [t.alarms, r.alarms.toLocaleString('en'), t.ofPatients(r.patients)],
    [t.perBed, r.load.mean.toFixed(1), t.spread(r.load.median.toFixed(0), r.load.p90.toFixed(0), r.load.worst)],
    [t.night, percent(r.night), t.nightText],
    [t.notReal, j.judged ? percent(j.false) : '–', j.judged ? t.judged(percent(j.false_low), percent(j.false_high), j.judged) : t.notJudged],
    [t.nuisance, percent(r.nuisance.share), t.nuisanceText(r.nuisance.short, r.nuisance.repeated)],
    [t.tenth, percent(r.worst_tenth), t.tenthText],
  ]
  return <dl className={css.figures}>{boxes.map(([k, v, s]) => <div key={k}><dt>{k}</dt><dd><b>{v}</b><small>{s}</small></dd></div>)}</dl>
}

const falseShare = (j: Judged) => (j.judged === 0 ? <span className={css.quiet}>–</span>
  : <>{percent(j.false)} <small className={css.quiet}>{percent(j.false_low)} – {percent(j.false_high)}, {t.n(j.judged)}</small></>)

function Rules({ r }: { r: AlarmReport }) {
  return (
    <Table label={t.rules} rows={r.rules} rowKey={(x) => x.key} columns={[
      { key: 't', title: t.rule, sort: (x) => x.title, cell: (x) => <b>{x.title}</b> },
      { key: 'n', title: t.alarms, sort: (x) => x.alarms, cell: (x) => x.alarms }, { key: 's', title: t.share, sort: (x) => x.share, cell: (x) => percent(x.share) },
      { key: 'p', title: t.patients, sort: (x) => x.patients, cell: (x) => x.patients }, { key: 'd', title: t.night, sort: (x) => x.night, cell: (x) => percent(x.night) },
      { key: 'm', title: t.median, sort: (x) => x.median_s, cell: (x) => (x.median_s ? span(x.median_s) : '–') }, { key: '5', title: t.short, sort: (x) => x.short, cell: (x) => x.short },
      { key: 'r', title: t.repeated, sort: (x) => x.repeated, cell: (x) => x.repeated }, { key: 'f', title: t.falseShare, sort: (x) => (x.judged ? x.false : -1), cell: falseShare },
    ]} />
  )
}

function WorstPatients({ r, clinical }: { r: AlarmReport; clinical: boolean }) {
  return (
    <Table label={t.worst} rows={r.worst} rowKey={(p) => p.subject} columns={[
      { key: 'w', title: t.patient, sort: (p) => whoIs(r.people, p.subject), cell: (p) => (clinical && p.subject.startsWith('Patient/') ? <Link to={`/patient/${p.subject.slice(8)}/alarms` as string}>{whoIs(r.people, p.subject)}</Link> : whoIs(r.people, p.subject)) },
      { key: 'n', title: t.alarms, sort: (p) => p.alarms, cell: (p) => p.alarms }, { key: 's', title: t.share, cell: (p) => percent(p.share) }, { key: 'd', title: t.aDay, sort: (p) => p.per_day, cell: (p) => p.per_day.toFixed(1) },
      { key: 'b', title: t.mostBy, cell: (p) => (p.rules ?? []).map((g) => `${g.key} ${g.alarms}`).join(', ') },
    ]} />
  )
}

function Answers({ r }: { r: AlarmReport }) {
  const rows = r.response.filter((x) => x.n > 0 || (x.due ?? 0) > 0)
  return (
    <>
      <Table label={t.answers} rows={rows} rowKey={(x) => x.priority + x.step} columns={[
        { key: 'p', title: t.priority, cell: (x) => common.priority[x.priority] }, { key: 's', title: t.until, cell: (x) => t.steps[x.step] ?? x.step }, { key: 'n', title: t.alarms, cell: (x) => x.n },
        { key: 'm', title: t.median, cell: (x) => (x.n ? span(x.median_s) : '–') }, { key: '9', title: t.p90, cell: (x) => (x.n ? span(x.p90_s) : '–') },
        { key: 't', title: t.target, cell: (x) => (x.target_s ? span(x.target_s) : '–') }, { key: 'w', title: t.within, cell: (x) => (x.due ? t.withinOf(percent(x.within ?? 0), x.due) : '–') },
      ]} />
      <p className={css.note}>{t.escalated(r.escalated.alarms, percent(r.escalated.share))}</p>
    </>
  )
}

// Changes come after the rest: a replay takes a while.
function Changes({ where }: { where: Record<string, string> }) {
  const { data, isError, error, refetch } = useQuery({
    queryKey: ['alarm-changes', where], queryFn: () => get<{ changes: Change[]; people: People }>('/reports/alarms/changes' + query(where)), staleTime: Infinity, retry: false,
  })
  return (
    <Card title={t.changes} aside={t.changesText}>
      {isError ? <ErrorPanel error={error} what={t.changes} retry={() => void refetch()} />
        : !data ? <p className={css.quiet} role="status">{t.replaying}</p>
          : data.changes.length === 0 ? <p className={css.quiet}>{t.noChanges}</p>
            : <ul className={css.changes}>{data.changes.map((c) => (
                <li key={c.rule + (c.subject ?? '')}>
                  <b>{c.subject ? whoIs(data.people, c.subject) : t.forAll(c.patients)}</b><span>{c.text}</span>
                  {c.link && <Link to={c.link as string}>{c.subject ? t.openLimits : t.openRule}</Link>}
                </li>
              ))}</ul>}
    </Card>
  )
}
