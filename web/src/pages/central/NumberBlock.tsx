import type { ReactNode } from 'react'
import { isAcked } from '../../alarm/model'
import type { Alarm } from '../../api/types'
import { cx } from '../../ui/cx'
import css from './NumberBlock.module.css'

// NumberBlock is one measure of a tile: label, value, and the plate of its alarm. Until somebody acknowledges, the plate is
// filled and moves in the rhythm of its priority; afterwards a dashed ring keeps the value marked.
export function NumberBlock({ label, signal, alarm, children, className }: {
  label: ReactNode; signal: string; alarm?: Alarm; children: ReactNode; className?: string
}) {
  const acked = alarm && isAcked(alarm)
  const flash = alarm && !acked && (alarm.priority === 'high' ? 'flash-high' : alarm.priority === 'medium' ? 'flash-medium' : undefined)
  const title = alarm?.limit_text ? `${alarm.title}, limit ${alarm.limit_text} ${alarm.unit_label ?? ''}` : alarm?.title
  return (
    <div className={cx(css.block, className, flash)} data-signal={signal} data-plate={alarm && alarm.priority !== 'none' ? (acked ? 'ring' : 'fill') : undefined}
      data-priority={alarm?.priority} title={title}>
      <div className={css.label}>{label}</div>
      {children}
    </div>
  )
}
