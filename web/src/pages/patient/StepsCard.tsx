import { useNavigate } from '@tanstack/react-router'
import { Check, PenLine } from 'lucide-react'
import { useState } from 'react'
import type { CareStep } from '../../api/types'
import { clock, time } from '../../lib/format'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { useSteps, useTick } from './queries'
import css from './StepsCard.module.css'

// StepsCard is what to do for the open alarm. A check is kept the moment it is ticked; orders are chosen first and go out together.
export function StepsCard({ patient }: { patient: string }) {
  const { data: steps = [] } = useSteps(patient)
  const [chosen, setChosen] = useState<string[]>([])
  const [ordering, setOrdering] = useState(false)
  const tick = useTick(patient)
  const navigate = useNavigate()
  if (steps.length === 0) return null
  const waits = (s: CareStep) => s.kind !== 'check' && !s.done
  const ready = steps.filter((s) => waits(s) && chosen.includes(s.id))
  const toggle = (s: CareStep) => {
    if (!waits(s)) tick.mutate({ step: s.id, done: !s.done })
    else setChosen(chosen.includes(s.id) ? chosen.filter((c) => c !== s.id) : [...chosen, s.id])
  }
  const order = async () => {
    setOrdering(true)
    try {
      for (const s of ready) {
        await tick.mutateAsync({ step: s.id, done: true })
        setChosen((c) => c.filter((x) => x !== s.id))
      }
    } catch { /* the mutation has told why; what is left stays chosen */ } finally { setOrdering(false) }
  }
  return (
    <Card title={t.steps} aside={t.done(steps.filter((s) => s.done).length, steps.length)}>
      <ul className={css.list}>
        {steps.map((s) => (
          <li key={s.id}>
            <label className={css.step}>
              <input type="checkbox" checked={s.done || chosen.includes(s.id)} onChange={() => toggle(s)} />
              <i aria-hidden="true">{(s.done || chosen.includes(s.id)) && <Check size={15} strokeWidth={3} />}</i>
              <span>{s.text}</span>
              <small>{s.done ? [s.by, s.at && clock(time(s.at))].filter(Boolean).join(' ') : s.kind}</small>
            </label>
          </li>
        ))}
      </ul>
      <div className={css.actions}>
        {steps.some(waits) && <Button kind="primary" icon={<PenLine size={16} aria-hidden />} disabled={ready.length === 0} busy={ordering} onClick={() => void order()}>{t.orderSelected}</Button>}
        <Button onClick={() => void navigate({ to: '/patient/$id/$tab', params: { id: patient, tab: 'notes' } })}>{t.writeNote}</Button>
      </div>
    </Card>
  )
}
