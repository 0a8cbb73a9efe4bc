import { BellOff, Check, Wrench } from 'lucide-react'
import { headline, isAcked, isEnded, isTechnical, openAlarms, pausedFor, rank } from '../../alarm/model'
import { OffChip } from '../../alarm/OffBanner'
import type { Alarm, Bed } from '../../api/types'
import { age, ageSex, clock, time } from '../../lib/format'
import { central as t } from '../../text/en'
import { PriorityGlyph } from '../../ui/Glyph'
import css from './TileHead.module.css'

const LONG_PAUSE = 125_000

// shownAlarm: the most urgent; two of equal priority change every four seconds.
export function shownAlarm(alarms: Alarm[], now: number): Alarm | undefined {
  const open = openAlarms(alarms)
  const first = open[0]
  if (!first) return undefined
  const equal = open.filter((a) => rank[a.priority] === rank[first.priority] && isAcked(a) === isAcked(first))
  return equal[Math.floor(now / 4000) % equal.length]
}

export function TileHead({ bed, alarm, now, stretch }: { bed: Bed; alarm?: Alarm; now: number; stretch: React.ReactNode }) {
  const more = openAlarms(bed.alarms).length - 1
  return (
    <header className={css.head}>
      <span className={css.bed}>{bed.label}</span>
      {stretch}
      {bed.patient && <span className={css.ageSex}>{ageSex(bed.patient)}</span>}
      {bed.patient && <OffChip scope={{ patient: bed.patient.id, bed: bed.id }} />}
      {alarm && <AlarmText alarm={alarm} now={now} more={more} />}
    </header>
  )
}

function AlarmText({ alarm, now, more }: { alarm: Alarm; now: number; more: number }) {
  const acked = isAcked(alarm)
  const paused = pausedFor(alarm, now)
  // A pause longer than two minutes had to give its reason: name who is answerable for it.
  const off = paused > LONG_PAUSE && (alarm.history ?? []).filter((h) => h.what === 'audio_paused').at(-1)?.who
  const text = headline({ ...alarm, unit_label: undefined })
  return (
    <span className={css.alarm} data-more={more > 0 || paused > 0 || undefined}>
      <b>{text}{alarm.value_text && alarm.unit_label && <span className={css.unit}> {alarm.unit_label}</span>}</b>
      <span>{isEnded(alarm) ? 'ended' : age(now - time(alarm.raised))}</span>
      {more > 0 && <span className={css.more}>{t.more(more)}</span>}
      {paused > 0 && !acked && <span className={css.paused}><BellOff size={14} aria-label="Audio paused" />{off ? t.soundOff(clock(now + paused), off) : age(paused)}</span>}
      {isTechnical(alarm) && <span className={css.technical}><Wrench size={15} aria-label="Technical" /></span>}
      {acked
        ? <span className={css.acked}><Check size={15} aria-hidden />{alarm.acked_initials}</span>
        : <PriorityGlyph priority={alarm.priority} size={17} ink="var(--head-bg)" />}
    </span>
  )
}
