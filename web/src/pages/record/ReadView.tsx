import { Link } from '@tanstack/react-router'
import type { Fact, Resource } from '../../record/fhir'
import { narrative, read, rest } from '../../record/read'
import { record as t } from '../../text/en'
import css from './ReadView.module.css'

// ReadView is a resource in words: the facts of its type, then all else it holds.
export function ReadView({ patient, resource: r }: { patient: string; resource: Resource }) {
  const { facts } = read(r)
  const more = rest(r)
  const words = narrative(r)
  return (
    <>
      {facts.length === 0 && more.length === 0 && <p className={css.none}>{t.noFacts}</p>}
      {facts.length > 0 && <Facts label={t.facts} facts={facts} patient={patient} />}
      {words && <p className={css.narrative}>{words}</p>}
      {more.length > 0 && <details className={css.rest}><summary>{t.rest}</summary><Facts label={t.rest} facts={more} patient={patient} /></details>}
    </>
  )
}

function Facts({ label, facts, patient }: { label: string; facts: Fact[]; patient: string }) {
  return (
    <dl className={css.facts} aria-label={label}>{facts.map((f, i) => (
      <div key={i}><dt>{i > 0 && facts[i - 1]!.label === f.label ? <span className="sr">{f.label}</span> : f.label}</dt>
        <dd>{f.ref ? <Link to="/patients/$id/record" params={{ id: patient }} search={{ r: f.ref } as never}>{f.text}</Link> : f.text}</dd></div>
    ))}</dl>
  )
}
