import { Link } from '@tanstack/react-router'
import { Check, X } from 'lucide-react'
import { clock, day, time } from '../../lib/format'
import { useNames } from '../../rule/door'
import type { Load, Outcome } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Empty } from '../../ui/State'
import { lasted, perDay, percent, signed } from './words'
import css from './Replay.module.css'

const measures: [string, (l: Load) => number, (n: number) => string][] = [
  [t.perBedDay, (l) => l.per_bed_day, perDay], [t.alarms, (l) => l.alarms, String], [t.night, (l) => l.night, percent], [t.median, (l) => l.median_s, lasted], [t.p90, (l) => l.p90_s, lasted],
]

// Measures compares the load of both sets of rules.
export function Measures({ outcome: o }: { outcome: Outcome }) {
  return (
    <Card title={t.difference} flush>
      <table className={css.measures}>
        <thead><tr><th scope="col">{t.measure}</th><th scope="col">{t.now}</th><th scope="col">{t.changed}</th><th scope="col">{t.difference}</th></tr></thead>
        <tbody>{measures.map(([name, of, text]) => <tr key={name}><th scope="row">{name}</th><td>{text(of(o.today))}</td><td><b>{text(of(o.after))}</b></td><td>{signed(of(o.after) - of(o.today), text)}</td></tr>)}</tbody>
      </table>
    </Card>
  )
}

// TopPatients are those who would alarm most, with what they do today.
export function TopPatients({ outcome: o }: { outcome: Outcome }) {
  const nameOf = useNames()
  const today = new Map((o.today.top ?? []).map((x) => [x.subject, x.alarms]))
  const top = o.after.top
  const most = Math.max(1, ...(top ?? []).map((x) => x.alarms))
  return (
    <Card title={t.top} flush>
      {top === null ? <Empty title={t.hidden} /> : top.length === 0 ? <Empty title={t.noTop} /> : (
        <ol className={css.top}>
          {top.map((x) => (
            <li key={x.subject}>
              <Link to="/patient/$id" params={{ id: x.subject.replace('Patient/', '') }}>{nameOf(x.subject)}</Link>
              <span className={css.meter} aria-hidden="true"><i style={{ width: `${(x.alarms / most) * 100}%` }} /></span>
              <b>{x.alarms}</b><small>{today.has(x.subject) ? `${t.now.toLowerCase()}: ${today.get(x.subject)}` : ''}</small>
            </li>
          ))}
        </ol>
      )}
    </Card>
  )
}

// KnownEvents says which events an alarm was open for.
export function KnownEvents({ outcome: o }: { outcome: Outcome }) {
  const nameOf = useNames()
  const k = o.known
  return (
    <Card title={t.known} aside={k.events > 0 && t.caughtOf(k.caught, k.events, k.caught_today)} flush>
      {k.list === null ? <Empty title={t.hidden} /> : k.list.length === 0 ? <Empty title={t.knownNone} text={t.knownText} /> : (
        <ul className={css.known} tabIndex={0} aria-label={t.known}>
          {k.list.map((e) => (
            <li key={e.subject + e.at + e.what}>
              <Chip tone={e.caught ? 'good' : 'bad'} icon={e.caught ? <Check size={13} aria-hidden /> : <X size={13} aria-hidden />}>{e.caught ? t.caught : t.missed}</Chip>
              <span><Link to="/patient/$id" params={{ id: e.subject.replace('Patient/', '') }} search={{ at: time(e.at) } as never}>{nameOf(e.subject)}</Link> {e.what}</span>
              <time>{day(time(e.at))} {clock(time(e.at))}</time>
              <small>{e.caught !== e.caught_today && `${t.now.toLowerCase()}: ${e.caught_today ? t.caught : t.missed}`}</small>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
