import { BellOff, Check, Video } from 'lucide-react'
import { lastPaged, pausedFor, short } from '../../alarm/model'
import { sound } from '../../alarm/sound'
import type { Alarm } from '../../api/types'
import { age, time } from '../../lib/format'
import { useBeat, useVitals } from '../../live/hooks'
import { useSyncExternalStore } from 'react'
import { central as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { PriorityGlyph } from '../../ui/Glyph'
import { blocks } from './readings'
import { pressure } from './TileNumbers'
import css from './AlarmBanner.module.css'

// AlarmBanner stands above the tiles with the most urgent alarm that nobody has acknowledged.
export function AlarmBanner({ alarm, onAck, onVideo, onPause }: { alarm: Alarm; onAck: () => void; onVideo: () => void; onPause: () => void }) {
  const now = useBeat()
  const audio = useSyncExternalStore(sound.onChange, sound.state)
  const readings = useVitals(alarm.patient?.id, undefined)
  const b = blocks(readings)
  const paused = pausedFor(alarm, now)
  const bp = alarm.metric?.match(/^(art|bp)-/) && pressure(b.sys, b.dia)
  const facts = [alarm.limit_text && t.limit(alarm.limit_text), bp && bp !== '–' && `${b.source} ${bp}`, alarm.text].filter(Boolean).join(' · ')
  return (
    <section className={css.banner} data-priority={alarm.priority} aria-label={`${t.bed(alarm.bed?.label ?? '')} ${short(alarm)}`}>
      <span className="sr" role="alert">{`${alarm.bed ? t.bed(alarm.bed.label) : ''} ${alarm.patient?.name ?? ''} ${short(alarm)}`}</span>
      <div className={css.bed}><PriorityGlyph priority={alarm.priority} size={26} ink={`var(--${alarm.priority})`} />{alarm.bed ? t.bed(alarm.bed.label) : ''}</div>
      <span className={css.name}>{alarm.patient?.name}</span>
      <strong className={css.value}>{short(alarm)}</strong>
      <div className={css.texts}>
        <span className={css.facts}>{facts}<span className={css.age}>{age(now - time(alarm.raised))}</span></span>
        <Next alarm={alarm} now={now} />
      </div>
      {audio !== 'ready' && <span className={css.silent}>{audio === 'blocked' ? t.silent : t.untested}</span>}
      <div className={css.actions}>
        <Button kind="white" icon={<Check size={17} aria-hidden />} hint="A" onClick={onAck}>{t.acknowledge}</Button>
        {alarm.patient && <Button icon={<Video size={17} aria-hidden />} hint="V" onClick={onVideo}>{t.video}</Button>}
        <Button icon={<BellOff size={17} aria-hidden />} hint="S" onClick={onPause} disabled={paused > 0}>{paused > 0 ? age(paused) : t.pause}</Button>
      </div>
    </section>
  )
}

function Next({ alarm, now }: { alarm: Alarm; now: number }) {
  const who = lastPaged(alarm)
  const at = time(alarm.next?.at)
  if (!alarm.next && !who) return null
  const from = Math.max(time(alarm.raised), ...(alarm.history ?? []).map((h) => Date.parse(h.at)))
  const part = Math.min(1, Math.max(0, (now - from) / (at - from || 1)))
  return (
    <span className={css.next}>
      {[who && t.paging(who), alarm.next && t.next(lower(alarm.next.text), age(at - now))].filter(Boolean).join(' · ')}
      {alarm.next && <span className={css.track} aria-hidden="true"><i style={{ width: `${part * 100}%` }} /></span>}
    </span>
  )
}

const lower = (s: string) => s.charAt(0).toLowerCase() + s.slice(1)
