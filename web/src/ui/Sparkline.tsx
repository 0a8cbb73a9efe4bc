import css from './Sparkline.module.css'

// Sparkline draws [t, v] points in a box that stretches; an optional limit shades what lies beyond it.
export function Sparkline({ points, colour = 'currentColor', width = 120, height = 28, line = 2, limit, dot, label }: {
  points: [number, number][]; colour?: string; width?: number; height?: number; line?: number
  limit?: { value: number; side: 'low' | 'high'; text?: string }; dot?: boolean; label?: string
}) {
  if (points.length < 2) return null
  const xs = points.map((p) => p[0])
  const ys = points.map((p) => p[1]).concat(limit ? [limit.value] : [])
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)]
  let [lo, hi] = [Math.min(...ys), Math.max(...ys)]
  // Room beyond the limit, so that its band and its words can be seen.
  if (limit?.side === 'low') lo = Math.min(lo, limit.value - (hi - limit.value) * 0.3)
  if (limit?.side === 'high') hi = Math.max(hi, limit.value + (limit.value - lo) * 0.3)
  const pad = line + (dot ? 4 : 1)
  const x = (v: number) => ((v - x0) / (x1 - x0 || 1)) * (width - (dot ? 10 : 0))
  const y = (v: number) => height - pad - ((v - lo) / (hi - lo || 1)) * (height - 2 * pad)
  const end = points.at(-1)!
  const words = limit?.text && <small className={css.words} style={{ top: limit.side === 'low' ? y(limit.value) + 2 : Math.max(0, y(limit.value) - 16) }}>{limit.text}</small>
  const svg = (
    <svg className={css.spark} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" height={height} role="img" aria-label={label ?? 'Trend'}>
      {limit && <rect className={css.beyond} x="0" width={width} y={limit.side === 'low' ? y(limit.value) : 0} height={limit.side === 'low' ? height - y(limit.value) : y(limit.value)} />}
      {limit && <line className={css.limit} x1="0" x2={width} y1={y(limit.value)} y2={y(limit.value)} vectorEffect="non-scaling-stroke" />}
      <polyline points={points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(' ')} fill="none" stroke={colour} strokeWidth={line} strokeLinejoin="round" strokeLinecap="round" vectorEffect="non-scaling-stroke" />
      {dot && <path d={`M${x(end[0]).toFixed(1)} ${y(end[1]).toFixed(1)}h0.01`} stroke={colour} strokeWidth="10" strokeLinecap="round" vectorEffect="non-scaling-stroke" />}
    </svg>
  )
  return words ? <div className={css.box}>{svg}{words}</div> : svg
}
