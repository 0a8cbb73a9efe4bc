import { cx } from '../../ui/cx'
import css from './Bars.module.css'

export interface Bar { label: string; was: number; now: number }

// Bars are two counts side by side for each day or hour. The same figures stand in a table for those who do not see it.
export function Bars({ bars, was, now, label, height = 120, every = 1 }: { bars: Bar[]; was: string; now: string; label: string; height?: number; every?: number }) {
  const top = Math.max(1, ...bars.flatMap((b) => [b.was, b.now]))
  return (
    <figure className={css.figure}>
      <figcaption className={css.legend}><span><i className={css.was} />{was}</span><span><i className={css.now} />{now}</span><span className={css.top}>{top}</span></figcaption>
      <div className={css.bars} style={{ height }} aria-hidden="true">
        {bars.map((b) => (
          <div key={b.label} className={css.bar} title={`${b.label}: ${b.was} ${was}, ${b.now} ${now}`}>
            <span className={cx(css.column, css.was)} style={{ height: `${(b.was / top) * 100}%` }} /><span className={cx(css.column, css.now)} style={{ height: `${(b.now / top) * 100}%` }} />
          </div>
        ))}
      </div>
      <div className={css.labels} aria-hidden="true">{bars.map((b, i) => <span key={b.label}>{i % every === 0 ? b.label : ''}</span>)}</div>
      <table className="sr"><caption>{label}</caption><thead><tr><th scope="col">{label}</th><th scope="col">{was}</th><th scope="col">{now}</th></tr></thead><tbody>{bars.map((b) => <tr key={b.label}><th scope="row">{b.label}</th><td>{b.was}</td><td>{b.now}</td></tr>)}</tbody></table>
    </figure>
  )
}
