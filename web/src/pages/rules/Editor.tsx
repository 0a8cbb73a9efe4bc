import { useNavigate } from '@tanstack/react-router'
import { Check, CircleAlert } from 'lucide-react'
import { useState } from 'react'
import { useChecked } from '../../rule/door'
import { keepDraft, sendable, type Draft } from '../../rule/draft'
import type { Checked, Form, RuleView, Vocabulary } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { SelectField, TextField } from '../../ui/Field'
import { ErrorPanel } from '../../ui/State'
import { CelEditor } from './CelEditor'
import { DraftDialog } from './DraftDialog'
import { ReplayDialog } from './ReplayDialog'
import { Sentence } from './Sentence'
import { SentenceEditor } from './SentenceEditor'
import { TestsCard } from './TestsCard'
import css from './Editor.module.css'

// Editor changes a rule as a sentence. The server reads it while somebody types and says what does not fit.
export function Editor({ rule, words, draft, dirty, onChange, onDiscard }: {
  rule?: RuleView; words: Vocabulary; draft: Draft; dirty: boolean; onChange: (d: Draft) => void; onDiscard: () => void
}) {
  const { form, tests } = draft
  const [asking, setAsking] = useState<'save' | 'propose' | 'replay'>()
  const navigate = useNavigate()
  const sent = sendable(form)
  const checked = useChecked(sent)
  const said = checked.data?.rules?.[0]
  const set = (f: Partial<Form>) => onChange({ form: { ...form, ...f }, tests })
  const byText = form.kind === 'condition' && form.model === undefined && form.when !== undefined
  const ready = dirty && checked.data?.ok === true && checked.settled
  const saved = () => {
    keepDraft(rule?.key ?? 'new', undefined)
    onDiscard()
    if (!rule) void navigate({ to: '/rules/$key', params: { key: form.key } })
  }
  return (
    <>
      <Card title={t.sentence} aside={<>{dirty && rule && <Chip tone="caution">{t.unsaved}</Chip>}<Verdict checked={checked.data} busy={!checked.settled} /></>}>
        {!rule && <Basics form={form} words={words} set={set} />}
        <SentenceEditor form={form} words={words} set={set}
          cel={byText ? <CelEditor form={form} checked={checked.data} set={set} words={words} /> : undefined} />
        {checked.isError ? <ErrorPanel error={checked.error} what={t.noCheck} retry={() => void checked.refetch()} /> : <Faults checked={checked.data} byText={byText} />}
        {said && said.sentence.length > 0 && <p className={css.said}><span className={css.label}>{t.reads}</span><Sentence slots={said.sentence} /></p>}
        <footer className={css.foot}>
          <Button kind="primary" disabled={!ready} onClick={() => setAsking('propose')}>{t.propose}…</Button>
          <Button disabled={!ready} onClick={() => setAsking('save')}>{t.save}…</Button>
          <Button disabled={!checked.data?.ok || !checked.settled} onClick={() => setAsking('replay')}>{t.replay}…</Button>
          {dirty && rule && <Button kind="ghost" onClick={onDiscard}>{t.discard}</Button>}
          {!dirty && <span className={css.soft}>{t.noChange}</span>}
        </footer>
      </Card>
      {!byText && said?.edit.when && (
        <Card title={t.cel} aside={<Button size="small" onClick={() => set({ model: undefined, when: said.edit.when })}>{t.celAsText}</Button>}>
          <p className={css.soft}>{t.celText}</p>
          <pre className={css.code} tabIndex={0} aria-label={t.cel}>{said.edit.when}</pre>
        </Card>
      )}
      <TestsCard form={sent} tests={tests} words={words} onChange={(x) => onChange({ form, tests: x })} />
      {(asking === 'save' || asking === 'propose') && <DraftDialog form={sent} tests={tests} propose={asking === 'propose'} onClose={() => setAsking(undefined)} onDone={saved} />}
      {asking === 'replay' && <ReplayDialog form={sent} tests={tests} onClose={() => setAsking(undefined)} />}
    </>
  )
}

function Verdict({ checked, busy }: { checked?: Checked; busy: boolean }) {
  if (!checked || busy) return <span role="status">{t.checking}</span>
  return <span role="status">{checked.ok ? <Chip tone="good" icon={<Check size={13} aria-hidden />}>{t.fits}</Chip> : <Chip tone="bad" icon={<CircleAlert size={13} aria-hidden />}>{t.faults}</Chip>}</span>
}

// Faults says what does not fit. Those inside of a CEL text stand at the text.
function Faults({ checked, byText }: { checked?: Checked; byText: boolean }) {
  if (!checked || checked.ok) return null
  const list = checked.faults.filter((f) => !byText || !f.path.endsWith('/when'))
  if (list.length === 0) return checked.faults.length === 0 ? <p className={css.faults} role="alert">{checked.message}</p> : null
  return <div role="alert"><ul className={css.faults}>{list.map((f) => <li key={f.path + f.message}><code>{f.path.replace(/^\/rules\/[^/]*/, '')}</code> {f.message.replace(/^line \d+, column \d+: /, '')}</li>)}</ul></div>
}

function Basics({ form, words, set }: { form: Form; words: Vocabulary; set: (f: Partial<Form>) => void }) {
  const kinds = ['condition', 'limit', 'score'] as const
  const turn = (kind: (typeof kinds)[number]) => set({
    kind, ...(kind === 'condition' ? { model: { all: [{ fn: 'last', metric: 'heart-rate', op: '>', value: 120, unit: 'bpm' }] } } : { model: undefined, when: undefined }),
    ...(kind === 'limit' ? { metrics: ['heart-rate'], side: 'high' as const, limits: { adult: 120 }, clear_hysteresis: 3 } : { metrics: undefined, side: undefined, limits: undefined, clear_hysteresis: undefined }),
    ...(kind === 'score' ? { score: words.scores.news2 ? 'news2' : Object.keys(words.scores)[0], at_least: 5 } : { score: undefined, at_least: undefined }),
  })
  return (
    <div className={css.basics}>
      <TextField label={t.ruleTitle} value={form.title} onChange={(e) => set({ title: e.target.value })} />
      <TextField label={t.key} hint={t.keyHint} value={form.key} onChange={(e) => set({ key: e.target.value })} />
      <SelectField label={t.kind} value={form.kind} onChange={(e) => turn(e.target.value as (typeof kinds)[number])}>{kinds.map((k) => <option key={k} value={k}>{t.kinds[k]}</option>)}</SelectField>
    </div>
  )
}
