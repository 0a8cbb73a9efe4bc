import { isAcked } from '../../alarm/model'
import type { Alarm } from '../../api/types'
import { age, clock } from '../../lib/format'
import type { Reading } from '../../live/hooks'
import { cx } from '../../ui/cx'
import css from './BigNumber.module.css'

// BigNumber is a number of the patient page: 58 px, its limits beside it, its age when it is hidden.
export function BigNumber({ label, unit, signal, reading, alarm, limits, main, second, secondSignal, medium }: {
  label: string; unit?: string; signal: string; reading?: Reading; alarm?: Alarm; limits: (string | undefined)[]; main: string; second?: string
  secondSignal?: string; medium?: boolean
}) {
  const acked = alarm && isAcked(alarm)
  const fill = alarm && !acked
  const hidden = reading && reading.value !== null && !reading.fresh
  const cuff = reading?.source === 'NIBP' && reading.time_ms > 0
  return (
    <div className={cx(css.block, fill && alarm.priority === 'high' && 'flash-high', fill && alarm.priority === 'medium' && 'flash-medium')} data-signal={signal} data-plate={alarm ? (acked ? 'ring' : 'fill') : undefined} data-priority={alarm?.priority}>
      <div className={css.top}>
        <span className={css.label}>{label} {unit}{cuff && ` · ${clock(reading.time_ms)}`}</span>
        <span className={css.limits}>{limits.filter(Boolean).map((l) => <span key={l}>{l}</span>)}</span>
      </div>
      <div className={css.values}>
        <b className={cx(css.main, medium && css.medium)} data-unknown={hidden || undefined}>{main}</b>
        {second && <b className={css.second} data-signal={secondSignal ?? signal}>{second}</b>}
        {hidden && <span className={css.age}>{reading.stale_reason ?? `last value ${age(reading.ageMs)} ago`}</span>}
      </div>
    </div>
  )
}
