import { useNavigate } from '@tanstack/react-router'
import type { Ward } from '../../api/types'
import { isAcked, openAlarms } from '../../alarm/model'
import { central as t } from '../../text/en'
import css from './UnitMap.module.css'

// UnitMap is the beds as two rows with a station between: a glance at where the alarms are. Drawn plans come with the floor map.
export function UnitMap({ ward }: { ward: Ward }) {
  const half = Math.ceil(ward.beds.length / 2)
  const row = (from: number, to: number) => <div className={css.row}>{ward.beds.slice(from, to).map((b) => <Cell key={b.id} bed={b} />)}</div>
  return (
    <section className={css.map} aria-label={t.unitMap(ward.unit.name)}>
      <header className={css.head}><h2>{ward.unit.name}</h2></header>
      <div className={css.plan}>
        {row(0, half)}
        <div className={css.station}>Station</div>
        {row(half, ward.beds.length)}
      </div>
      <footer className={css.foot}>
        <span><i />{t.staff(ward.staff.length)}</span>
        {ward.room?.temperature !== undefined && <span>{t.room(ward.room.temperature.toFixed(1), String(ward.room.humidity ?? '–'))}</span>}
      </footer>
    </section>
  )
}

function Cell({ bed }: { bed: Ward['beds'][number] }) {
  const navigate = useNavigate()
  const top = openAlarms(bed.alarms)[0]
  const priority = top && !isAcked(top) ? top.priority : undefined
  return (
    <button type="button" className={css.cell} data-priority={priority} data-empty={!bed.patient || undefined} disabled={!bed.patient} aria-label={`${t.bed(bed.label)}${priority ? `, ${priority} priority alarm` : ''}`}
      onClick={() => bed.patient && navigate({ to: '/patient/$id', params: { id: bed.patient.id } })}>{bed.label}</button>
  )
}
