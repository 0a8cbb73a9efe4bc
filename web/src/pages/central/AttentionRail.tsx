import type { Attention } from '../../api/types'
import { useBeat } from '../../live/hooks'
import { central as t } from '../../text/en'
import { Empty } from '../../ui/State'
import { AttentionEntry } from './AttentionEntry'
import css from './AttentionRail.module.css'

// AttentionRail is the one queue: alarms, calls, tasks and notices by urgency, then what is coming.
export function AttentionRail({ data, children }: { data: Attention | undefined; children?: React.ReactNode }) {
  const now = useBeat()
  const open = data?.open ?? []
  const coming = data?.coming ?? []
  return (
    <aside className={css.rail} aria-label={t.attention}>
      <header className={css.head}><h2>{t.attention}</h2><span>{t.sorted(open.length)}</span></header>
      <div className={css.scroll} tabIndex={0} role="region" aria-label={t.attention}>
        {data && open.length === 0 && <Empty title={t.quiet} text={t.quietText} />}
        <ul className={css.list}>{open.map((i, n) => <AttentionEntry key={i.id} item={i} now={now} first={n === 0} />)}</ul>
        {coming.length > 0 && <h3 className={css.coming}>{t.coming}</h3>}
        <ul className={css.list}>{coming.map((i) => <AttentionEntry key={i.id} item={i} now={now} />)}</ul>
      </div>
      {children}
    </aside>
  )
}
