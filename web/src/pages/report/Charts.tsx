import { report as t } from '../../text/en'
import { top, type Day } from './model'
import css from './Charts.module.css'

const W = 560
const H = 150

// LoadChart is a bar a day, the priorities on top of each other, the urgent ones at the top.
export function LoadChart({ days }: { days: Day[] }) {
  const max = top(Math.max(0, ...days.map((d) => d.alarms)))
  const w = W / Math.max(1, days.length)
  const every = Math.ceil(days.length / 8)
  return (
    <figure className={css.chart}>
      <svg viewBox={`-34 -8 ${W + 40} ${H + 30}`} role="img" aria-label={`${t.load}: ${days.map((d) => t.day(d.day, d.alarms, d.beds)).join('; ')}`}>
        {[0, max / 2, max].map((v) => <g key={v}><line className={css.grid} x1={0} x2={W} y1={H - (H * v) / max} y2={H - (H * v) / max} /><text className={css.tick} x={-6} y={H - (H * v) / max + 4} textAnchor="end">{v}</text></g>)}
        {days.map((d, i) => {
          let up = H
          return (
            <g key={d.day}>
              <title>{t.day(d.day, d.alarms, d.beds)}</title>
              {(['low', 'medium', 'high'] as const).map((p) => { const tall = (H * d[p]) / max; up -= tall; return <rect key={p} className={css[p]} x={i * w + w * 0.14} y={up} width={Math.min(w * 0.72, 60)} height={tall} /> })}
              {i % every === 0 && <text className={css.tick} x={i * w + w * 0.14} y={H + 16}>{d.day.slice(5)}</text>}
            </g>
          )
        })}
      </svg>
    </figure>
  )
}

// Heat is a row a weekday, a column an hour; the number stands in the cell, so that colour is not alone.
export function Heat({ heat }: { heat: number[][] }) {
  const max = Math.max(1, ...heat.flat())
  return (
    <div className={css.wrap}>
      <table className={css.heat}>
        <thead><tr><td />{Array.from({ length: 24 }, (_, h) => <th key={h} scope="col">{String(h).padStart(2, '0')}</th>)}</tr></thead>
        <tbody>{heat.map((row, d) => (
          <tr key={d}><th scope="row">{t.weekdays[d]}</th>{row.map((n, h) => <td key={h} data-level={n === 0 ? 0 : Math.max(1, Math.ceil(5 * Math.sqrt(n / max)))} title={t.cell(t.weekdays[d]!, String(h).padStart(2, '0'), n)}>{n || ''}</td>)}</tr>
        ))}</tbody>
      </table>
    </div>
  )
}
