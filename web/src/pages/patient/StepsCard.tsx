import { Check } from 'lucide-react'
import { clock, time } from '../../lib/format'
import { patient as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { useSteps, useTick } from './queries'
import css from './StepsCard.module.css'

// StepsCard is what to do for the open alarm; each tick is kept with who and when.
export function StepsCard({ patient }: { patient: string }) {
  const { data: steps = [] } = useSteps(patient)
  const tick = useTick(patient)
  if (steps.length === 0) return null
  return (
    <Card title={t.steps} aside={t.done(steps.filter((s) => s.done).length, steps.length)}>
      <ul className={css.list}>
        {steps.map((s) => (
          <li key={s.id}>
            <label className={css.step}>
              <input type="checkbox" checked={s.done} onChange={(e) => tick.mutate({ step: s.id, done: e.target.checked })} />
              <i aria-hidden="true">{s.done && <Check size={15} strokeWidth={3} />}</i>
              <span>{s.text}</span>
              <small>{s.done ? [s.by, s.at && clock(time(s.at))].filter(Boolean).join(' ') : s.kind}</small>
            </label>
          </li>
        ))}
      </ul>
    </Card>
  )
}
