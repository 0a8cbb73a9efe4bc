import { Link, useNavigate } from '@tanstack/react-router'
import { headline, isAcked, openAlarms, rank } from '../../alarm/model'
import type { Bed } from '../../api/types'
import { age, ageSex, time } from '../../lib/format'
import { useBeat, useVitals } from '../../live/hooks'
import { central as t } from '../../text/en'
import { PriorityGlyph } from '../../ui/Glyph'
import { ScoreBadge } from '../../ui/Score'
import { Table, type Column } from '../../ui/Table'
import { blocks } from './readings'
import { pressure, value } from './TileNumbers'
import css from './BedList.module.css'

type Pick = (b: ReturnType<typeof blocks>) => string

// Live is one cell that repaints itself; the table around it does not.
function Live({ bed, pick, signal }: { bed: Bed; pick: Pick; signal: string }) {
  const readings = useVitals(bed.patient?.id, bed.numbers)
  return bed.patient ? <b className={css.number} data-signal={signal}>{pick(blocks(readings))}</b> : null
}

export function AlarmCell({ bed }: { bed: Bed }) {
  const now = useBeat()
  const a = openAlarms(bed.alarms)[0]
  if (!a) return null
  return (
    <span className={css.alarm} data-priority={a.priority} data-acked={isAcked(a) || undefined}>
      <PriorityGlyph priority={a.priority} size={15} ink={isAcked(a) ? `var(--${a.priority}-ink)` : `var(--${a.priority})`} fill={isAcked(a) ? `var(--${a.priority})` : `var(--${a.priority}-ink)`} /> {headline(a)} {age(now - time(a.raised))}
    </span>
  )
}

const urgency = (b: Bed) => { const a = openAlarms(b.alarms)[0]; return a ? -rank[a.priority] * (isAcked(a) ? 0.5 : 1) : 1 }

const columns: Column<Bed>[] = [
  { key: 'bed', title: t.list.bed, sort: (b) => b.label, cell: (b) => <b>{b.label}</b> },
  { key: 'patient', title: t.list.patient, sort: (b) => b.patient?.name ?? '￿', cell: (b) => b.patient ? <><Link to="/patient/$id" params={{ id: b.patient.id }} className={css.name}>{b.patient.name}</Link> <small>{ageSex(b.patient)}</small></> : <span className={css.soft}>{b.state === 'cleaning' ? t.cleaning : t.free}</span> },
  { key: 'alarm', title: t.list.alarm, sort: urgency, cell: (b) => <AlarmCell bed={b} /> },
  { key: 'hr', title: t.list.hr, cell: (b) => <Live bed={b} signal="ecg" pick={(x) => value(x.hr)} /> },
  { key: 'spo2', title: t.list.spo2, cell: (b) => <Live bed={b} signal="spo2" pick={(x) => value(x.spo2)} /> },
  { key: 'rr', title: t.list.rr, cell: (b) => <Live bed={b} signal="resp" pick={(x) => value(x.rr)} /> },
  { key: 'bp', title: t.list.bp, cell: (b) => <Live bed={b} signal="bp" pick={(x) => pressure(x.sys, x.dia)} /> },
  { key: 'map', title: t.list.map, cell: (b) => <Live bed={b} signal="bp" pick={(x) => value(x.map)} /> },
  { key: 't', title: t.list.t, cell: (b) => <Live bed={b} signal="temp" pick={(x) => value(x.temp)} /> },
  { key: 'news', title: t.list.news, sort: (b) => -(b.news2?.total ?? -1), cell: (b) => b.patient && <ScoreBadge score={b.news2} /> },
  { key: 'nurse', title: t.list.nurse, sort: (b) => b.nurse?.name ?? '', cell: (b) => b.nurse?.name },
]

// BedList is the ward as a sortable table, one row for each bed.
export function BedList({ beds }: { beds: Bed[] }) {
  const navigate = useNavigate()
  return <Table label={t.title} columns={columns} rows={beds} rowKey={(b) => b.id} onOpen={(b) => b.patient && navigate({ to: '/patient/$id', params: { id: b.patient.id } })} />
}

// PhoneRows: under 600 px one row of 64 px with two values and the alarm.
export function PhoneRows({ beds }: { beds: Bed[] }) {
  return (
    <ul className={css.rows}>{beds.map((b) => (
      <li key={b.id} className={css.phone} data-priority={openAlarms(b.alarms).find((a) => !isAcked(a))?.priority}>
        <b className={css.label}>{b.label}</b>
        <div className={css.who}>
          {b.patient ? <Link to="/patient/$id" params={{ id: b.patient.id }} className={css.stretch}>{b.patient.name}</Link> : <span className={css.soft}>{b.state === 'cleaning' ? t.cleaning : t.free}</span>}
          <AlarmCell bed={b} />
        </div>
        <Live bed={b} signal="ecg" pick={(x) => value(x.hr)} /><Live bed={b} signal="spo2" pick={(x) => value(x.spo2)} />
      </li>
    ))}</ul>
  )
}
