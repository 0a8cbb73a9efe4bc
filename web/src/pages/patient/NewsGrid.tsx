import { clock } from '../../lib/format'
import { patient as t } from '../../text/en'
import { cx } from '../../ui/cx'
import { useNews } from './queries'
import css from './NewsGrid.module.css'

const tint = (n: number | null) => (n === null ? css.none : n >= 3 ? css.s7 : n === 2 ? css.s5 : n === 1 ? css.s1 : css.s0)

// NewsGrid is the score by component over the time of the trend above it, twelve columns.
export function NewsGrid({ patient, hours }: { patient: string; hours: number }) {
  const { data } = useNews(patient, hours)
  const columns = data?.columns ?? []
  const keys = columns.at(-1)?.score.parts ?? []
  if (columns.length === 0) return null
  return (
    <div className={css.wrap} tabIndex={0} role="region" aria-label={t.scores}>
    <table className={css.grid} aria-label={t.scores}>
      <colgroup><col className={css.first} /></colgroup>
      <thead className="sr"><tr><th>{t.scores}</th>{columns.map((c) => <th key={c.time_ms}>{clock(c.time_ms)}</th>)}</tr></thead>
      <tbody>
        {keys.map((k) => (
          <tr key={k.key}><th scope="row">{k.label}</th>
            {columns.map((c) => { const s = c.score.parts.find((p) => p.key === k.key)?.score ?? null; return <td key={c.time_ms}><span className={cx(css.cell, tint(s))} title={clock(c.time_ms)}>{s ?? '–'}</span></td> })}
          </tr>
        ))}
      </tbody>
    </table>
    </div>
  )
}
