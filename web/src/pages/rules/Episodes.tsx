import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { clock, day, time } from '../../lib/format'
import { signalOf } from '../../lib/signals'
import { useMoment, useNames } from '../../rule/door'
import type { Example, Outcome } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Empty } from '../../ui/State'
import { RulePriority } from './StateChip'
import { lasted } from './words'
import css from './Replay.module.css'

const PAGE = 12

// Episodes are alarms that only one of the two sets of rules raises, each with the values around it.
export function Episodes({ outcome: o }: { outcome: Outcome }) {
  const [shown, setShown] = useState(PAGE)
  const { new: fresh, gone, same, examples } = o.change
  return (
    <Card title={t.episodes} aside={t.changeOf(fresh, gone, same)}>
      {examples === null ? <Empty title={t.hidden} /> : examples.length === 0 ? <Empty title={t.noEpisodes} /> : (
        <>
          <ul className={css.episodes} aria-label={t.episodes}>{examples.slice(0, shown).map((e) => <li key={e.what + e.rule + e.subject + e.start}><Episode example={e} /></li>)}</ul>
          <div className={css.about}>
            <span className={css.soft}>{t.firstOf(Math.min(shown, examples.length), fresh + gone)}</span>
            {shown < examples.length && <Button size="small" onClick={() => setShown(shown + PAGE)}>{`+ ${Math.min(PAGE, examples.length - shown)}`}</Button>}
          </div>
        </>
      )}
    </Card>
  )
}

function Episode({ example: e }: { example: Example }) {
  const nameOf = useNames()
  const { data } = useMoment(e.link)
  const series = data?.series[0]
  const points = (series?.points ?? []).map(([ms, mean]): [number, number] => [ms, mean])
  const at = time(e.start)
  return (
    <>
      <header className={css.what}>
        <Chip tone={e.what === 'new' ? 'use' : 'plain'}>{e.what === 'new' ? t.newOne : t.goneOne}</Chip>
        <RulePriority priority={e.priority} size={15} />
        <b>{nameOf(e.subject)}</b>
      </header>
      <div className={css.spark}><Moment points={points} from={data?.from_ms} to={data?.to_ms} onset={time(e.onset)} end={e.end ? time(e.end) : data?.to_ms} colour={`var(--sig-${signalOf(e.metric ?? '')})`} label={`${series?.label ?? e.metric ?? ''} ${day(at)} ${clock(at)}`} /></div>
      <p className={css.facts}>{day(at)} {clock(at, true)} · {e.end ? lasted((time(e.end) - at) / 1000) : t.open}{series && e.peak !== undefined && ` · ${series.label} ${t.peak} ${e.peak.toFixed(series.decimals)} ${series.unit}`}</p>
      <Link to="/patient/$id" params={{ id: e.subject.replace('Patient/', '') }} search={{ at } as never}>{t.atMoment}</Link>
    </>
  )
}

const [WIDTH, HEIGHT] = [240, 48]

// Moment draws the values around an alarm, with the time in which it would be open as a band.
function Moment({ points, from, to, onset, end, colour, label }: { points: [number, number][]; from?: number; to?: number; onset: number; end?: number; colour: string; label: string }) {
  if (points.length < 2 || from === undefined || to === undefined) return null
  const ys = points.map((p) => p[1])
  const [lo, hi] = [Math.min(...ys), Math.max(...ys)]
  const x = (ms: number) => ((ms - from) / (to - from)) * WIDTH
  const y = (v: number) => HEIGHT - 4 - ((v - lo) / (hi - lo || 1)) * (HEIGHT - 8)
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" height={HEIGHT} width="100%" role="img" aria-label={label}>
      <rect className={css.band} x={x(onset)} width={Math.max(1.5, x(Math.min(to, end ?? to)) - x(onset))} y="0" height={HEIGHT} />
      <polyline points={points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(' ')} fill="none" stroke={colour} strokeWidth="1.6" strokeLinejoin="round" vectorEffect="non-scaling-stroke" />
    </svg>
  )
}
