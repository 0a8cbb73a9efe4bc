import { clock, serverNow } from '@vigil/ui'
import type { Day, Dose } from './api'
import { text as t } from './text'
import css from './DayChart.module.css'

const DAY = 86_400_000
const ROW = 34
const LEFT = 150
const WIDTH = 1000

// DayChart: one row for each medicine over 24 h; the bar is the window, the mark is when the dose was given or is due.
export function DayChart({ day }: { day: Day }) {
  const start = new Date(day.date + 'T00:00:00').getTime()
  const x = (ms: number) => LEFT + (Math.min(1, Math.max(0, (ms - start) / DAY))) * (WIDTH - LEFT - 22)
  const medicines = [...new Set(day.doses.map((d) => d.medication))]
  const height = medicines.length * ROW + 24
  const now = serverNow()
  return (
    <div className={css.wrap} tabIndex={0} role="region" aria-label={t.chart}>
      <svg viewBox={`0 0 ${WIDTH} ${height}`} className={css.chart} role="img" aria-label={day.doses.map((d) => `${d.medication} ${clock(d.due_ms)} ${t.states[d.state]}`).join(', ')}>
        {Array.from({ length: 9 }, (_, i) => start + i * 3 * 3_600_000).map((ms) => (
          <g key={ms}><line x1={x(ms)} x2={x(ms)} y1="18" y2={height} className={css.grid} /><text x={x(ms)} y="12" textAnchor="middle" className={css.hour}>{ms === start + DAY ? '24:00' : clock(ms)}</text></g>
        ))}
        {medicines.map((m, row) => (
          <g key={m}><text x="0" y={24 + row * ROW + 21} className={css.name}>{m}</text>{day.doses.filter((d) => d.medication === m).map((d) => <Mark key={d.id} dose={d} x={x} y={24 + row * ROW} />)}</g>
        ))}
        {now >= start && now < start + DAY && <line x1={x(now)} x2={x(now)} y1="16" y2={height} className={css.now} />}
      </svg>
    </div>
  )
}

const signs: Record<Dose['state'], string> = { given: '✓', missed: '×', held: '‖', late: '!', due: '•', upcoming: '' }

function Mark({ dose: d, x, y }: { dose: Dose; x: (ms: number) => number; y: number }) {
  const at = x(d.given_ms ?? d.due_ms)
  return (
    <g className={css[d.state]}>
      <title>{`${d.medication} ${d.dose}, ${clock(d.due_ms)}, ${t.states[d.state]}`}</title>
      <rect x={x(d.from_ms)} y={y + 11} width={Math.max(4, x(d.to_ms) - x(d.from_ms))} height="10" rx="5" className={css.window} />
      <circle cx={at} cy={y + 16} r="10" className={css.mark} /><text x={at} y={y + 20.500} textAnchor="middle" className={css.sign}>{signs[d.state]}</text>
    </g>
  )
}
