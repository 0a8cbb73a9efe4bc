import { Link } from '@tanstack/react-router'
import { memo, type FocusEventHandler } from 'react'
import { headline, isAcked } from '../../alarm/model'
import type { Bed, Ward } from '../../api/types'
import { useBeat, useVitals } from '../../live/hooks'
import { central as t } from '../../text/en'
import { waveLabel } from '../../lib/signals'
import { WaveStrip } from '../../wave/WaveStrip'
import { EmptyTile, StandbyBody, SilentBody } from './TileBodies'
import { silence } from './readings'
import { shownAlarm, TileHead } from './TileHead'
import { TileFoot } from './TileFoot'
import { TileNumbers } from './TileNumbers'
import css from './BedTile.module.css'

export interface BedTileProps {
  bed: Bed
  room?: Ward['room']
  selected: boolean
  onFocus: (bed: string) => void
  onAdmit: (bed: Bed) => void
}

// BedTile is one bed in every state of the design brief, chapter 3. Its name is a link that covers the whole tile.
export const BedTile = memo(function BedTile({ bed, room, selected, onFocus, onAdmit }: BedTileProps) {
  const now = useBeat()
  const focus: FocusEventHandler = () => onFocus(bed.id)
  if (bed.state === 'free' || bed.state === 'cleaning') {
    return <EmptyTile bed={bed} room={room} now={now} selected={selected} onFocus={focus} onAdmit={() => onAdmit(bed)} />
  }
  return <OccupiedTile bed={bed} now={now} selected={selected} onFocus={focus} />
})

function OccupiedTile({ bed, now, selected, onFocus }: { bed: Bed; now: number; selected: boolean; onFocus: FocusEventHandler }) {
  const readings = useVitals(bed.patient?.id, bed.numbers)
  const alarm = shownAlarm(bed.alarms, now)
  const quiet = bed.state === 'standby' ? null : silence(readings, bed.alarms)
  const acked = alarm !== undefined && isAcked(alarm)
  const name = bed.patient?.name ?? ''
  const link = (
    <Link to="/patient/$id" params={{ id: bed.patient?.id ?? '' }} className={css.name} tabIndex={selected ? 0 : -1} onFocus={onFocus} data-bed-link
      aria-label={`${t.bed(bed.label)}, ${name}${alarm ? ', ' + headline(alarm) : ''}`}>{name}</Link>
  )
  return (
    <article className={css.tile} data-bed={bed.label} data-priority={alarm && !acked ? alarm.priority : undefined} data-acked={acked ? alarm.priority : undefined}>
      <div className={css.inner}>
        <TileHead bed={bed} alarm={alarm} now={now} stretch={link} />
        {bed.state === 'standby' ? <StandbyBody bed={bed} /> : quiet ? <SilentBody silence={quiet} /> : (
          <>
            <div className={css.wave}>
              <TileWave bed={bed} />
              {bed.flags.some((f) => f.kind === 'training') && <span className={css.training}>{t.training}</span>}
            </div>
            <TileNumbers readings={readings} alarms={bed.alarms} />
          </>
        )}
        <TileFoot bed={bed} />
      </div>
    </article>
  )
}

function TileWave({ bed }: { bed: Bed }) {
  const first = bed.waves[0]
  if (!first || !bed.patient) return null
  return <><span className={css.lead} aria-hidden="true">{waveLabel(first)}</span><WaveStrip patient={bed.patient.id} metric={first} scale={0.667} line={1.5} label={`${waveLabel(first)}, ${bed.patient.name}`} /></>
}
