import { BellOff, Check, Siren } from 'lucide-react'
import { crossed, headline, isAcked, isEnded, pausedFor } from '../../alarm/model'
import { alarmSteps } from '../../alarm/steps'
import { useAlarmAction } from '../../api/queries'
import type { Alarm } from '../../api/types'
import { age, clock } from '../../lib/format'
import { useBeat } from '../../live/hooks'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { PriorityGlyph } from '../../ui/Glyph'
import css from './AlarmLine.module.css'

// AlarmLine shows the life of the most urgent alarm as steps with times, and what happens next unless somebody acts.
export function AlarmLine({ alarm, more, onEscalate }: { alarm: Alarm; more: number; onEscalate: () => void }) {
  const now = useBeat()
  const act = useAlarmAction()
  const acked = isAcked(alarm)
  const paused = pausedFor(alarm, now)
  const title = alarm.value_text && alarm.limit_text ? `${alarm.title} ${alarm.value_text} ${crossed(alarm) === 'low' ? '<' : '>'} ${alarm.limit_text}` : headline(alarm)
  return (
    <section className={css.line} data-priority={alarm.priority} data-acked={acked || undefined} aria-label={t.alarmLine}>
      <span className={cx(css.glyph, !acked && alarm.priority === 'medium' && 'flash-glyph')}><PriorityGlyph priority={alarm.priority} size={27} fill={`var(--line-fill)`} ink={`var(--line-ink)`} /></span>
      <strong className={css.title}>{title}{isEnded(alarm) && ' · ended'}{more > 0 && ` +${more}`}</strong>
      <ol className={css.steps}>
        {alarmSteps(alarm).map((s) => (
          <li key={s.key} data-done={s.done || undefined}>
            <i aria-hidden="true" /><b>{s.title}</b>
            <span>{s.dueMs !== undefined ? t.unless(age(s.dueMs - now)) : [s.detail, s.at && clock(s.at, true)].filter(Boolean).join(' ')}</span>
          </li>
        ))}
      </ol>
      <div className={css.actions}>
        {acked
          ? <Button kind="white" icon={<Check size={17} aria-hidden />} busy={act.isPending} onClick={() => act.mutate({ alarm: alarm.id, action: 'resolve' })}>{t.resolve}</Button>
          : <Button kind="white" icon={<Check size={17} aria-hidden />} hint="A" busy={act.isPending} onClick={() => act.mutate({ alarm: alarm.id, action: 'acknowledge' })}>{t.acknowledge}</Button>}
        {!acked && <Button icon={<BellOff size={17} aria-hidden />} hint="S" disabled={paused > 0} onClick={() => act.mutate({ alarm: alarm.id, action: 'pause' })}>{paused > 0 ? age(paused) : t.pause}</Button>}
        {!acked && alarm.next && <Button icon={<Siren size={17} aria-hidden />} hint="E" onClick={onEscalate}>{t.escalate}</Button>}
      </div>
    </section>
  )
}
