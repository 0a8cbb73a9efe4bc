import { useAlarmAction } from '../api/queries'
import type { Alarm, Truth } from '../api/types'
import { clock, time } from '../lib/format'
import { judge as t } from '../text/en'
import { canJudge } from './model'
import css from './Judge.module.css'

const truths: Truth[] = ['real', 'artefact', 'no_action']

// Judge asks "Was it real?" in one tap, once somebody has dealt with the alarm. The answer may be changed.
export function Judge({ alarm: a, bare, phone }: { alarm: Alarm; bare?: boolean; phone?: boolean }) {
  const act = useAlarmAction()
  if (!canJudge(a)) return null
  return (
    <div className={css.judge} data-phone={phone || undefined} role="group" aria-label={`${t.ask} ${a.title}`}>
      {!bare && <span className={css.ask}>{t.ask}</span>}
      <span className={css.answers}>
        {truths.map((v) => (
          <button key={v} type="button" className={css.answer} data-truth={v} aria-pressed={a.judged?.truth === v} aria-label={t.long[v]} title={t.long[v]} disabled={act.isPending}
            onClick={() => act.mutate({ alarm: a.id, action: 'judge', body: { truth: v } })}>{t.short[v]}</button>
        ))}
      </span>
      {a.judged && !bare && <small className={css.who}>{t.by(a.judged.by, clock(time(a.judged.at)))}</small>}
    </div>
  )
}
