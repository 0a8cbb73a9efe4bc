import type { Score } from '../api/types'
import { cx } from './cx'
import css from './Score.module.css'

// tone picks the tint of a NEWS2 total (or of one part, where 3 alone is already urgent).
export function tone(total: number | null | undefined): string {
  if (total === null || total === undefined) return 'none'
  return total >= 7 ? 's7' : total >= 5 ? 's5' : total >= 1 ? 's1' : 's0'
}

export function ScoreBadge({ score }: { score: Pick<Score, 'total' | 'missing'> | undefined }) {
  const total = score?.total ?? null
  const label = total === null ? 'NEWS2 incomplete' + (score?.missing.length ? `, missing ${score.missing.join(', ')}` : '') : `NEWS2 ${total}`
  return <span className={cx(css.badge, css[tone(total)])} role="img" aria-label={label} title={label}>{total ?? '–'}</span>
}

// ScoreBars draws the last twelve hours, one bar for each half hour.
export function ScoreBars({ scores }: { scores: (number | null)[] }) {
  const last = scores.slice(-24)
  return (
    <svg className={css.bars} width={last.length * 4} height="11" role="img" aria-label={`NEWS2 of the last 12 hours: ${last.map((s) => s ?? 'unknown').join(' ')}`}>
      {last.map((s, i) => {
        const h = s === null ? 1 : Math.min(11, 2.500 + s)
        return <rect key={i} x={i * 4} y={11 - h} width="3" height={h} rx="0.6" className={css['bar-' + tone(s)]} />
      })}
    </svg>
  )
}
