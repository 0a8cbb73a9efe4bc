import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useEffect, useMemo, useState } from 'react'
import { useKeys } from '../../lib/keys'
import { useRule, useVocabulary } from '../../rule/door'
import { freshForm, keepDraft, keptDraft, sameDraft, type Draft } from '../../rule/draft'
import { baseTests } from '../../rule/file'
import type { RuleView } from '../../rule/types'
import { Frame } from '../../shell/Frame'
import { rules as t } from '../../text/en'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { Editor } from './Editor'
import { HistoryCard } from './HistoryCard'
import { NextStep } from './NextStep'
import { TrialTab } from './TrialTab'
import { VersionsTab } from './VersionsTab'
import css from './RulePage.module.css'

type Tab = keyof typeof t.tabs
const tabs = Object.keys(t.tabs) as Tab[]

// RulePage is one rule: its sentence to change, its versions, its trial. "/rules/new" begins one.
export function RulePage() {
  const { key = '', tab = 'rule' } = useParams({ strict: false }) as { key?: string; tab?: Tab }
  const navigate = useNavigate()
  const fresh = key === 'new'
  const rule = useRule(fresh ? undefined : key)
  const words = useVocabulary()
  const leave = () => void navigate({ to: '/rules' })
  useKeys({ Escape: leave, '?': () => void navigate({ to: '/help' }) })
  const failed = rule.isError ? rule : words.isError ? words : undefined
  const v = rule.data
  return (
    <Frame title={fresh ? t.newRule : v?.title ?? key} back={leave}>
      {!fresh && (
        <nav className={css.tabs} aria-label={t.tab}>
          {tabs.map((x) => <Link key={x} to="/rules/$key/$tab" params={{ key, tab: x }} className={css.tab} aria-current={x === tab ? 'page' : undefined}>{t.tabs[x]}{x === 'versions' && v ? ` ${v.versions.length}` : x === 'trial' && v?.shadow ? ` ${v.shadow.alarms}` : ''}</Link>)}
          <code className={css.key}>{key}</code>
        </nav>
      )}
      {failed ? <ErrorPanel error={failed.error} what={t.loading} retry={() => void failed.refetch()} />
        : !words.data || !fresh && !v ? <Skeleton lines={10} />
          : tab === 'versions' && v ? <VersionsTab rule={v} />
            : tab === 'trial' && v ? <TrialTab rule={v} />
              : <Workbench key={key} storageKey={key} rule={v} words={words.data} />}
    </Frame>
  )
}

function Workbench({ storageKey, rule, words }: { storageKey: string; rule?: RuleView; words: NonNullable<ReturnType<typeof useVocabulary>['data']> }) {
  const base = useMemo<Draft>(() => (rule ? { form: rule.edit, tests: baseTests(rule.versions) } : { form: freshForm(), tests: '' }), [rule])
  const [draft, setDraft] = useState<Draft | undefined>(() => keptDraft(storageKey))
  const now = draft ?? base
  const dirty = draft !== undefined && !sameDraft(draft, base)
  useEffect(() => { keepDraft(storageKey, dirty ? draft : undefined) }, [storageKey, dirty, draft])
  return (
    <div className={rule ? css.columns : css.main}>
      <div className={css.main}><Editor rule={rule} words={words} draft={now} dirty={dirty || rule === undefined} onChange={setDraft} onDiscard={() => setDraft(undefined)} /></div>
      {rule && <aside className={css.side}><NextStep rule={rule} onLoad={setDraft} /><HistoryCard rule={rule} /></aside>}
    </div>
  )
}
