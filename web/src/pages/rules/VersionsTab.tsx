import { useState } from 'react'
import { useCheckedText } from '../../rule/door'
import { lineDiff } from '../../rule/steps'
import type { RuleView } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { SelectField } from '../../ui/Field'
import { Empty } from '../../ui/State'
import { HistoryCard } from './HistoryCard'
import { Note } from './Note'
import { Sentence } from './Sentence'
import { StateChip } from './StateChip'
import { when } from './words'
import page from './RulePage.module.css'
import css from './VersionsTab.module.css'

interface Side { id: string; name: string; text: string; off?: boolean }

// VersionsTab lists the versions, and compares two of them sentence by sentence and line by line.
export function VersionsTab({ rule }: { rule: RuleView }) {
  const sides: Side[] = [...rule.versions.map((v) => ({ id: String(v.version), name: t.version(v.version), text: v.text, off: v.off })), ...(rule.origin === 'catalogue' ? [{ id: 'catalogue', name: t.catalogueText, text: rule.text }] : [])]
  const [chosen, setChosen] = useState<{ from?: string; to?: string }>({})
  const to = sides.find((s) => s.id === chosen.to) ?? sides[0]
  const from = sides.find((s) => s.id === chosen.from) ?? sides[1] ?? sides[0]
  if (rule.versions.length === 0) return <Card><Empty title={t.versionsNone} text={t.versionsNoneText} /></Card>
  return (
    <div className={page.columns}>
      <div className={page.main}>
        <Card title={t.compare}>
          <div className={css.pair}>
            <SelectField label={t.before} value={from!.id} onChange={(e) => setChosen({ ...chosen, from: e.target.value })}>{sides.map((s) => <option key={s.id} value={s.id}>{s.name}</option>)}</SelectField>
            <SelectField label={t.after} value={to!.id} onChange={(e) => setChosen({ ...chosen, to: e.target.value })}>{sides.map((s) => <option key={s.id} value={s.id}>{s.name}</option>)}</SelectField>
          </div>
          <Said side={from!} /><Said side={to!} />
          <Diff from={from!} to={to!} />
        </Card>
      </div>
      <aside className={page.side}>
        <Card title={t.tabs.versions} flush>
          <ul className={css.list} aria-label={t.tabs.versions}>
            {rule.versions.map((v) => (
              <li key={v.version}>
                <header><b>{t.version(v.version)}</b><StateChip state={v.state} /></header>
                <p className={css.soft}>{t.writtenBy(v.author_name, when(v.at))}{v.approver_name && <><br />{t.approvedBy(v.approver_name, when(v.approved_at!))}</>}</p>
                {v.off && <p>{t.versionOff}</p>}
                <Note note={v.note} />
              </li>
            ))}
          </ul>
        </Card>
        <HistoryCard rule={rule} />
      </aside>
    </div>
  )
}

function Said({ side }: { side: Side }) {
  const { data } = useCheckedText(side.off ? undefined : side.text)
  return <p className={css.said}><b>{side.name}</b>{side.off ? t.versionOff : data?.rules?.[0] ? <Sentence slots={data.rules[0].sentence} /> : data?.message}</p>
}

const words = { gone: t.gone, new: t.added, same: '' }

function Diff({ from, to }: { from: Side; to: Side }) {
  const lines = lineDiff(from.text, to.text)
  if (lines.every((l) => l.kind === 'same')) return <p className={css.soft}>{t.sameText}</p>
  return (
    <>
      <h3 className={css.title}>{t.compareWith(from.name, to.name)}</h3>
      <pre className={css.diff} tabIndex={0} aria-label={t.asYaml}>
        {lines.map((l, i) => <span key={i} data-kind={l.kind}><i aria-hidden="true">{l.kind === 'gone' ? '−' : l.kind === 'new' ? '+' : ' '}</i>{l.kind !== 'same' && <span className="sr">{words[l.kind]}: </span>}{l.text}{'\n'}</span>)}
      </pre>
    </>
  )
}
