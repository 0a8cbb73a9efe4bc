import { Route, SparklesIcon, UserPlus, WifiOff } from 'lucide-react'
import type { FocusEventHandler } from 'react'
import type { Bed, Ward } from '../../api/types'
import { age, clock, time } from '../../lib/format'
import { central as t } from '../../text/en'
import { Button } from '../../ui/Button'
import type { Silence } from './readings'
import css from './TileBodies.module.css'

// EmptyTile is a free bed or one that is being cleaned.
export function EmptyTile({ bed, room, now, selected, onFocus, onAdmit }: {
  bed: Bed; room?: Ward['room']; now: number; selected: boolean; onFocus: FocusEventHandler; onAdmit: () => void
}) {
  const cleaning = bed.state === 'cleaning'
  const left = Math.max(0, Math.floor((time(bed.until) - now) / 60_000))
  const note = [bed.note, bed.until && t.left(left)].filter(Boolean).join(' · ')
  return (
    <article className={css.empty} data-bed={bed.label} aria-label={`${t.bed(bed.label)}, ${cleaning ? t.cleaning : t.free}`}>
      <header className={css.head}><span className={css.bed}>{bed.label}</span>{cleaning ? t.cleaning : t.free}</header>
      <div className={css.body}>
        {cleaning ? (
          <>
            <SparklesIcon size={26} className={css.icon} aria-hidden />
            {note && <p className={css.strong}>{note}</p>}
            {room?.temperature !== undefined && <p className={css.soft}>{t.roomSensor(room.temperature.toFixed(1), String(room.humidity ?? '–'))}</p>}
          </>
        ) : (
          <Button icon={<UserPlus size={16} aria-hidden />} hint="N" tabIndex={selected ? 0 : -1} onFocus={onFocus} onClick={onAdmit} data-bed-link>{t.admit}</Button>
        )}
      </div>
    </article>
  )
}

export function StandbyBody({ bed }: { bed: Bed }) {
  const note = [bed.note, bed.until && t.until(clock(time(bed.until)))].filter(Boolean).join(' · ')
  return <div className={css.body}><Route size={26} className={css.icon} aria-hidden /><p className={css.strong}>{t.standby}</p>{note && <p className={css.soft}>{note}</p>}</div>
}

// SilentBody hides the last values of a bed that has gone quiet: an old value must never look live.
export function SilentBody({ silence }: { silence: Silence }) {
  return (
    <div className={`${css.body} ${css.hatched}`}>
      <p className={css.unknown}>– ? –</p>
      <p className={css.strong}><WifiOff size={16} aria-hidden /> {t.noData(age(silence.ageMs))}</p>
      <p className={css.soft}>{[t.hidden, silence.cause].filter(Boolean).join(' · ')}</p>
    </div>
  )
}
