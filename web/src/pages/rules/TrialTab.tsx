import { Link, useNavigate } from '@tanstack/react-router'
import { ApiError } from '../../api/client'
import { useMetric } from '../../api/queries'
import { clock, day, time } from '../../lib/format'
import { serverNow } from '../../lib/clock'
import { useNames, useRaisedSince, useShadows } from '../../rule/door'
import { keepDraft } from '../../rule/draft'
import type { RuleView, Shadow } from '../../rule/types'
import { common, rules as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import { Bars } from './Bars'
import { countDays, dayBars } from './days'
import { NextStep } from './NextStep'
import { RulePriority } from './StateChip'
import { lasted, when } from './words'
import page from './RulePage.module.css'
import css from './TrialTab.module.css'

const SHOWN_DAYS = 31
const SHOWN_ROWS = 200

// TrialTab is what a version on trial would have raised, beside what the rule in force raised in the same days.
export function TrialTab({ rule }: { rule: RuleView }) {
  const navigate = useNavigate()
  const trial = rule.versions.find((v) => v.state === 'shadow')
  const shadows = useShadows(rule.key)
  const trialBegan = trial && rule.steps.findLast((s) => s.version === trial.version && s.to === 'shadow')?.at
  const alarms = useRaisedSince(rule.key, trialBegan ? time(trialBegan) : undefined)
  const denied = shadows.error instanceof ApiError && shadows.error.kind === 'denied'
  const list = (shadows.data ?? []).filter((s) => !trial || s.version === `site-${trial.version}`)
  if (!trial && list.length === 0 && !denied) return shadows.isError ? <ErrorPanel error={shadows.error} what={t.trial} retry={() => void shadows.refetch()} /> : shadows.data ? <Card><Empty title={t.noTrial} text={t.noTrialText} /></Card> : <Skeleton />
  const from = trialBegan ?? list.at(-1)?.at ?? new Date(serverNow()).toISOString()
  const to = new Date(serverNow()).toISOString()
  const raised = alarms.data?.days ?? []
  const would = denied ? [] : countDays(list.map((s) => s.at))
  return (
    <div className={page.columns}>
      <div className={page.main}>
        <Card title={t.perDay} aside={<>{t.trialSince(when(from))}</>}>
          {denied ? <Empty title={t.trialDenied} /> : <Bars label={t.perDay} was={t.was} now={t.would} bars={dayBars(raised, would, from, to, SHOWN_DAYS)} every={Math.ceil(would.length / 15) || 1} />}
          <p className={css.sum}><b>{t.trialCount(rule.shadow?.alarms ?? list.length, rule.shadow?.open ?? list.filter((s) => !s.end).length)}</b> · {t.todayRaised(raised.reduce((n, d) => n + d.alarms, 0))}</p>
        </Card>
        {!denied && (
          <Card title={t.trialList} aside={list.length > SHOWN_ROWS && t.firstOf(SHOWN_ROWS, list.length)} flush>
            {shadows.isError ? <ErrorPanel error={shadows.error} what={t.trialList} retry={() => void shadows.refetch()} /> : !shadows.data ? <Skeleton /> : <List list={list.slice(0, SHOWN_ROWS)} />}
          </Card>
        )}
      </div>
      <aside className={page.side}><NextStep rule={rule} onLoad={(d) => { keepDraft(rule.key, d); void navigate({ to: '/rules/$key', params: { key: rule.key } }) }} /></aside>
    </div>
  )
}

function List({ list }: { list: Shadow[] }) {
  const nameOf = useNames()
  return (
    <Table label={t.trialList} rows={list} rowKey={(s) => s.id} empty={<Empty title={t.trialNone} text={t.trialNoneText} />} columns={[
      { key: 'when', title: t.cols.when, sort: (s) => time(s.at), cell: (s) => `${day(time(s.at))} ${clock(time(s.at), true)}` },
      { key: 'patient', title: t.cols.patient, sort: (s) => nameOf(s.subject), cell: (s) => <Link to="/patient/$id" params={{ id: s.subject.replace('Patient/', '') }} search={{ at: time(s.at) } as never}>{nameOf(s.subject)}</Link> },
      { key: 'unit', title: t.cols.unit, sort: (s) => s.unit ?? '', cell: (s) => s.unit ?? '–' },
      { key: 'priority', title: t.cols.priority, sort: (s) => s.priority, cell: (s) => <span className={css.priority}><RulePriority priority={s.priority} />{common.priority[s.priority]}</span> },
      { key: 'value', title: t.cols.value, sort: (s) => s.value, cell: (s) => <Value shadow={s} /> },
      { key: 'lasted', title: t.cols.lasted, sort: (s) => (s.end ? time(s.end) - time(s.at) : Infinity), cell: (s) => (s.end ? lasted((time(s.end) - time(s.at)) / 1000) : t.open) },
    ]} />
  )
}

function Value({ shadow: s }: { shadow: Shadow }) {
  const m = useMetric(s.metric)
  return <>{m ? `${m.label} ${s.value.toFixed(m.decimals)} ${m.unit}` : s.value ? String(s.value) : '–'}</>
}
