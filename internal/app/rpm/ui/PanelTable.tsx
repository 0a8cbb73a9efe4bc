import { Link, useNavigate } from '@tanstack/react-router'
import { ArrowDownRight, ArrowRight, ArrowUpRight } from 'lucide-react'
import { ageSex, ago, Chip, signalOf, Sparkline, Table, useBeat, type Column, type Tone } from '@vigil/ui'
import type { Level, Panel, Reading, Row } from './api'
import { text as t } from './text'
import css from './PanelTable.module.css'

const tones: Record<Level, Tone> = { high: 'bad', medium: 'caution', low: 'good' }
const arrows = { up: ArrowUpRight, down: ArrowDownRight, flat: ArrowRight }

function ReadingCell({ reading: r }: { reading: Reading }) {
  const Arrow = arrows[r.trend]
  return (
    <div className={css.reading} title={r.baseline_text}>
      <span>{r.label}</span><b>{r.value_text} <small>{r.unit}</small></b><Arrow size={15} aria-label={r.trend} />
      <div className={css.spark}><Sparkline points={r.spark} height={20} line={1.600} colour={`var(--sig-${signalOf(r.metric)})`} label={`${r.label}, ${r.trend}`} /></div>
    </div>
  )
}

function Since({ ms }: { ms?: number }) {
  const now = useBeat()
  return <>{ms ? ago(now - ms) : t.never}</>
}

export function PanelTable({ rows, programmes, chosen, setChosen }: { rows: Row[]; programmes: Panel['programmes']; chosen: ReadonlySet<string>; setChosen: (s: ReadonlySet<string>) => void }) {
  const navigate = useNavigate()
  const toggle = (id: string) => { const s = new Set(chosen); if (!s.delete(id)) s.add(id); setChosen(s) }
  const columns: Column<Row>[] = [
    { key: 'pick', title: '', cell: (r) => <input type="checkbox" className={css.pick} aria-label={t.choose(r.patient.name)} checked={chosen.has(r.patient.id)} onChange={() => toggle(r.patient.id)} /> },
    { key: 'patient', title: t.patient, sort: (r) => r.patient.name, cell: (r) => <><Link to="/patient/$id" params={{ id: r.patient.id }} className={css.name}>{r.patient.name}</Link> <small>{ageSex(r.patient)}</small><div className={css.soft}>{programmes.find((p) => p.id === r.programme)?.name ?? r.programme}</div></> },
    { key: 'risk', title: t.risk, sort: (r) => -r.risk.score, cell: (r) => <><Chip tone={tones[r.risk.level]}>{t.levels[r.risk.level]} {Math.round(r.risk.score)}</Chip>{r.risk.reasons.map((x) => <div key={x} className={css.soft}>{x}</div>)}</> },
    { key: 'readings', title: t.readings, cell: (r) => r.readings.map((x) => <ReadingCell key={x.metric} reading={x} />) },
    { key: 'since', title: t.since, sort: (r) => -(r.days_since ?? 999), cell: (r) => (r.days_since === undefined ? t.never : r.days_since >= 3 ? <Chip tone="caution">{t.days(r.days_since)}</Chip> : r.days_since < 1 ? <Since ms={r.last_reading_ms} /> : t.days(Math.floor(r.days_since))) },
    { key: 'adherence', title: t.adherence, sort: (r) => r.adherence ?? 2, cell: (r) => (r.adherence === undefined ? '–' : `${Math.round(r.adherence * 100)} %`) },
    { key: 'contact', title: t.contact, sort: (r) => r.contact_ms ?? 0, cell: (r) => <Since ms={r.contact_ms} /> },
    { key: 'alarms', title: t.alarms, sort: (r) => -r.alarms, cell: (r) => r.alarms },
  ]
  return <Table label={t.title} columns={columns} rows={rows} rowKey={(r) => r.patient.id} onOpen={(r) => void navigate({ to: '/patient/$id', params: { id: r.patient.id } })} />
}
