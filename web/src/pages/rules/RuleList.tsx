import { Link, useNavigate } from '@tanstack/react-router'
import { History, Plus } from 'lucide-react'
import { useRef, useState, type KeyboardEvent } from 'react'
import type { Priority } from '../../api/types'
import { date, time } from '../../lib/format'
import { useKeys } from '../../lib/keys'
import { isOver, useReplays, useRuleAlarms, useRules } from '../../rule/door'
import { scopeOf } from '../../rule/say'
import type { Entry } from '../../rule/types'
import { Frame } from '../../shell/Frame'
import { common, rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { SelectField, TextField } from '../../ui/Field'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { countBy, filterRules, type Filter, type Wanted } from './list'
import { Sentence } from './Sentence'
import { RulePriority, StateChip } from './StateChip'
import css from './RuleList.module.css'

const filters = Object.keys(t.filters) as Filter[]
const everything: Wanted = { q: '', filter: 'all', priority: '' }

// RuleList is every rule of catalogue and site as a sentence.
export function RuleList() {
  const { data, isError, error, refetch } = useRules()
  const [wanted, setWanted] = useState(everything)
  const navigate = useNavigate()
  const list = useRef<HTMLUListElement>(null)
  const box = useRef<HTMLDivElement>(null)
  const rows = () => [...(list.current?.querySelectorAll<HTMLElement>('[data-rule]') ?? [])]
  const step = (by: number) => (e: { preventDefault: () => void }) => {
    const all = rows()
    const at = all.findIndex((x) => x === document.activeElement)
    e.preventDefault()
    all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))]?.focus()
  }
  const find = (e: { preventDefault: () => void }) => { e.preventDefault(); box.current?.querySelector('input')?.select() }
  useKeys({
    j: step(1), k: step(-1), ArrowDown: step(1), ArrowUp: step(-1), '/': find, n: () => void navigate({ to: '/rules/new' }), '?': () => void navigate({ to: '/help' }),
    Escape: () => (document.activeElement instanceof HTMLElement && document.activeElement.dataset.rule ? document.activeElement.blur() : setWanted(everything)),
  }, true)
  const onSearchKey = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown') step(1)(e)
    else if (e.key === 'Enter') { e.preventDefault(); rows()[0]?.click() }
    else if (e.key === 'Escape') { e.preventDefault(); setWanted(everything); (e.target as HTMLElement).blur() }
  }
  const shown = data && filterRules(data, wanted)
  return (
    <Frame title={t.title} actions={<>
      <ReplaysButton />
      <Button kind="primary" icon={<Plus size={16} aria-hidden />} hint="N" onClick={() => void navigate({ to: '/rules/new' })}>{t.newRule}</Button>
    </>}>
      <div ref={box} className={css.filters} onKeyDown={onSearchKey}>
        <div className={css.search}><TextField label={t.search} type="search" value={wanted.q} onChange={(e) => setWanted({ ...wanted, q: e.target.value })} /></div>
        <SelectField label={t.priority} value={wanted.priority} onChange={(e) => setWanted({ ...wanted, priority: e.target.value as Priority | '' })}>
          <option value="">{t.anyPriority}</option>
          {(['high', 'medium', 'low'] as const).map((p) => <option key={p} value={p}>{common.priority[p]}</option>)}
        </SelectField>
        <Segmented label={t.show} value={wanted.filter} onChange={(filter) => setWanted({ ...wanted, filter })} options={filters.map((value) => ({ value, label: `${t.filters[value]} ${data ? countBy(data, value) : ''}`.trim() }))} />
        <p className={css.count} role="status">{shown && data && t.count(shown.length, data.length)}</p>
      </div>
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !shown ? <Skeleton lines={12} />
        : data.length === 0 ? <Empty title={t.empty} text={t.emptyText} />
          : shown.length === 0 ? <Empty title={t.none} text={t.noneText} action={<Button size="small" onClick={() => setWanted(everything)}>{t.clear}</Button>} />
            : <Rows list={list} rules={shown} />}
      <p className={css.keys} aria-hidden="true"><kbd>J</kbd><kbd>K</kbd> {t.keys.move} <kbd>Enter</kbd> {t.keys.open} <kbd>/</kbd> {t.keys.find} <kbd>N</kbd> {t.keys.fresh}</p>
    </Frame>
  )
}

function ReplaysButton() {
  const { data } = useReplays()
  const navigate = useNavigate()
  const running = data?.filter((r) => !isOver(r)).length ?? 0
  return <Button icon={<History size={16} aria-hidden />} onClick={() => void navigate({ to: '/rules/replays' })}>{running > 0 ? `${t.replays} · ${running} ${t.replayStates.running.toLowerCase()}` : t.replays}</Button>
}

function Rows({ list, rules }: { list: React.RefObject<HTMLUListElement | null>; rules: Entry[] }) {
  const { data: alarms } = useRuleAlarms(7)
  return (
    <ul ref={list} className={css.list} aria-label={t.title}>
      {rules.map((r) => <li key={r.key}><Row rule={r} alarms={alarms && (alarms.rules[r.key] ?? 0)} /></li>)}
    </ul>
  )
}

function Row({ rule: r, alarms }: { rule: Entry; alarms?: number }) {
  const scope = scopeOf(r.sentence)
  return (
    <Link to="/rules/$key" params={{ key: r.key }} className={css.row} data-rule={r.key}>
      <RulePriority priority={r.priority} size={22} />
      <span className={css.words}><span className={css.title}>{r.title} <code>{r.key}</code></span><Sentence slots={r.sentence} quiet={r.state === 'retired'} /></span>
      <span className={css.states}>
        <StateChip state={r.state} off={r.off} />
        {r.waiting.filter((v) => v.state !== r.state || r.waiting.length > 1).map((v) => <StateChip key={v.version} state={v.state} />)}
      </span>
      <span className={css.scope}>{scope.length > 0 ? scope.join(' · ') : t.everybody}</span>
      <span className={css.who}>{whoWhen(r)}<small>{r.origin === 'site' ? t.site : t.catalogue}, {t.versionOf(r.version)}</small></span>
      <span className={css.alarms}><b>{alarms ?? '–'}</b><small>{t.alarms7}</small></span>
    </Link>
  )
}

// whoWhen names who touched the rule last: whoever wrote what waits, else what is in force.
function whoWhen(r: Entry): string {
  const v = r.waiting[0]
  if (v) return t.byAt(v.author_name, date(v.at))
  return r.by && time(r.at) ? t.byAt(r.by, date(r.at!)) : ''
}
