import { models as t } from '../../text/en'
import { percent, plot, type Bin } from './model'
import css from './ModelPage.module.css'

const size = 220

// Calibration draws what was said against what was so, in training and in this house. The table beneath says the same.
export function Calibration({ trained, here }: { trained: Bin[]; here: Bin[] }) {
  const { max, points } = plot([trained, here], size)
  const name = [t.trained, t.here]
  return (
    <figure className={css.chart}>
      <svg viewBox={`-46 -8 ${size + 70} ${size + 50}`} role="img" aria-label={t.calibrationText}>
        {[0, 0.25, 0.5, 0.75, 1].map((f) => (
          <g key={f}>
            <line className={css.grid} x1={0} x2={size} y1={size * (1 - f)} y2={size * (1 - f)} />
            <text className={css.tick} x={-6} y={size * (1 - f) + 4} textAnchor="end">{percent(f * max)}</text>
            <text className={css.tick} x={size * f} y={size + 16} textAnchor="middle">{percent(f * max)}</text>
          </g>
        ))}
        <line className={css.perfect} x1={0} y1={size} x2={size} y2={0} />
        {points.map((list, i) => (
          <g key={i} className={i === 0 ? css.trained : css.here}>
            <polyline points={list.map((p) => `${p.x},${p.y}`).join(' ')} />
            {list.map((p, k) => (i === 0 ? <circle key={k} cx={p.x} cy={p.y} r={4} /> : <rect key={k} x={p.x - 4} y={p.y - 4} width={8} height={8} />))}
          </g>
        ))}
        <text className={css.axis} x={size / 2} y={size + 36} textAnchor="middle">{t.given}</text>
      </svg>
      <figcaption>
        <p>{t.calibrationText}</p>
        <table className={css.bins}>
          <thead><tr><th scope="col" /><th scope="col">{t.given}</th><th scope="col">{t.observed}</th><th scope="col">{t.cases}</th></tr></thead>
          <tbody>{[trained, here].flatMap((list, i) => list.map((b, k) => (
            <tr key={`${i}-${k}`}><td>{name[i]}</td><td>{percent(b.given)}</td><td>{percent(b.observed)}</td><td>{b.count.toLocaleString('en')}</td></tr>
          )))}</tbody>
        </table>
      </figcaption>
    </figure>
  )
}
