import { useState } from 'react'
import { useUser } from '../../api/queries'
import { check, useCheckedText } from '../../rule/door'
import type { Draft } from '../../rule/draft'
import { testsOf } from '../../rule/file'
import { actionsOf, hindrance, refusal } from '../../rule/steps'
import type { Action, RuleView, Version } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { toast } from '../../ui/toast'
import { DraftDialog } from './DraftDialog'
import { Note } from './Note'
import { Sentence } from './Sentence'
import { StateChip } from './StateChip'
import { StepDialog } from './StepDialog'
import { when } from './words'
import css from './NextStep.module.css'

// NextStep shows what waits and what is in force, with the buttons that lead on.
export function NextStep({ rule, onLoad }: { rule: RuleView; onLoad: (d: Draft) => void }) {
  const live = rule.versions.find((v) => v.state === 'live')
  const byCatalogue = rule.origin === 'catalogue'
  const [off, setOff] = useState(false)
  return (
    <Card title={t.next} flush>
      {rule.waiting.length === 0 && <p className={css.none}>{t.nothingWaits}</p>}
      {rule.waiting.map((v) => <Waiting key={v.version} rule={rule} version={v} onLoad={onLoad} />)}
      <section className={css.version} aria-label={t.inForce}>
        <header className={css.head}><b>{t.inForce}</b>{(live || byCatalogue) && <StateChip state={rule.state} off={rule.off} />}</header>
        <p className={css.soft}>{live ? `${t.version(live.version)} ${t.writtenBy(live.author_name, when(live.at))}` : byCatalogue ? `${t.catalogue}, ${t.versionOf(rule.version)}` : t.nothingInForce}</p>
        {live && <Note note={live.note} />}
        <div className={css.row}>
          {live && <Steps rule={rule} version={live} />}
          {byCatalogue && <Button size="small" onClick={() => setOff(true)}>{t.switchOff}…</Button>}
        </div>
      </section>
      {off && <DraftDialog off={rule.key} propose title={t.switchOffTitle} words={t.switchOffText} onClose={() => setOff(false)} onDone={() => undefined} />}
    </Card>
  )
}

function Waiting({ rule, version: v, onLoad }: { rule: RuleView; version: Version; onLoad: (d: Draft) => void }) {
  const { data } = useCheckedText(v.off ? undefined : v.text)
  const load = async () => {
    try {
      const edit = (await check({ text: v.text })).rules?.[0]?.edit
      if (!edit) return
      onLoad({ form: edit, tests: testsOf(v.text) })
      toast(t.loaded(v.version))
    } catch (e) {
      toast(refusal(e, 'draft'), 'bad')
    }
  }
  return (
    <section className={css.version} aria-label={t.version(v.version)}>
      <header className={css.head}><b>{t.version(v.version)}</b><StateChip state={v.state} /></header>
      <p className={css.soft}>{t.writtenBy(v.author_name, when(v.at))}{v.approver_name && <><br />{t.approvedBy(v.approver_name, when(v.approved_at!))}</>}</p>
      <p className={css.said}>{v.off ? t.versionOff : data?.rules?.[0] && <Sentence slots={data.rules[0].sentence} />}</p>
      <Note note={v.note} />
      <div className={css.row}>
        <Steps rule={rule} version={v} />
        {!v.off && <Button size="small" kind="ghost" onClick={() => void load()}>{t.load}</Button>}
      </div>
    </section>
  )
}

// Steps are the buttons of a version. One that this person cannot press stands there with the reason.
function Steps({ rule, version }: { rule: RuleView; version: Version }) {
  const user = useUser()
  const [asking, setAsking] = useState<Action>()
  const actions = actionsOf(version)
  const reasons = [...new Set(actions.map((a) => hindrance(a, version, user)).filter((x) => x !== undefined))]
  return (
    <>
      {actions.map((a, i) => <Button key={a} size="small" kind={i === 0 ? 'primary' : 'plain'} disabled={hindrance(a, version, user) !== undefined} onClick={() => setAsking(a)}>{t.actions[a]}</Button>)}
      {reasons.map((r) => <p key={r} className={css.reason}>{r}</p>)}
      {asking && <StepDialog ruleKey={rule.key} version={version} action={asking} onClose={() => setAsking(undefined)} />}
    </>
  )
}
