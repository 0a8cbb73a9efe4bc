import type { Slot } from '../../rule/types'
import css from './Sentence.module.css'

// Sentence is a rule in one sentence; what a person may change stands out.
export function Sentence({ slots, quiet }: { slots: Slot[]; quiet?: boolean }) {
  return (
    <span className={css.sentence} data-quiet={quiet || undefined}>
      {slots.map((s, i) => (s.kind === 'text' ? <span key={i}>{s.text}</span> : s.kind === 'cel' ? <code key={i}>{s.text}</code> : <b key={i} data-kind={s.kind}>{s.text}</b>))}
    </span>
  )
}
