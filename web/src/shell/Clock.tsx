import { useBeat } from '../live/hooks'
import { clock, day } from '../lib/format'
import css from './Clock.module.css'

export function Clock({ withDate }: { withDate?: boolean }) {
  const now = useBeat()
  return <div className={css.clock}><time>{clock(now, true)}</time>{withDate && <span>{day(now)}</span>}</div>
}
