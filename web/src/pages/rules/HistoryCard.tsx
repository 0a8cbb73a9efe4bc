import type { RuleView } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Empty } from '../../ui/State'
import { Note } from './Note'
import { when } from './words'
import css from './NextStep.module.css'

// HistoryCard is who did what to the rule, newest first.
export function HistoryCard({ rule }: { rule: RuleView }) {
  const steps = [...rule.steps].reverse()
  return (
    <Card title={t.history} flush>
      {steps.length === 0 ? <Empty title={t.noHistory} text={t.noHistoryText} /> : (
        <ol className={css.steps} aria-label={t.history}>
          {steps.map((s, i) => (
            <li key={i}>
              <b>{t.version(s.version)}: {t.step(s.from ? t.states[s.from] : '', t.states[s.to])}</b>
              <div><small>{s.name}, </small><time dateTime={s.at}>{when(s.at)}</time></div>
              <Note note={s.note} />
            </li>
          ))}
        </ol>
      )}
    </Card>
  )
}
