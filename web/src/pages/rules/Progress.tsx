import type { Replay } from '../../rule/types'
import { rules as t } from '../../text/en'
import { amount, lasted } from './words'
import css from './Replay.module.css'

// Progress is how far a replay is and how long it still takes.
export function Progress({ replay: r, large }: { replay: Replay; large?: boolean }) {
  const share = r.subject_hours_all > 0 ? Math.min(1, r.subject_hours_done / r.subject_hours_all) : 0
  const p = Math.floor(share * 100)
  const words = r.state === 'queued' ? t.replayStates.queued : [t.progress(p), r.eta_s ? t.eta(lasted(r.eta_s)) : ''].filter(Boolean).join(' · ')
  return (
    <div className={css.progress} data-large={large || undefined}>
      <progress className={css.bar} aria-label={t.replayStates[r.state]} max={100} value={p} />
      <span>{words}</span>
      {large && <small>{r.state === 'queued' ? t.waitsFor : t.hoursDone(amount(Math.round(r.subject_hours_done)), amount(Math.round(r.subject_hours_all)))}</small>}
    </div>
  )
}
