import { useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { problem } from '../../api/queries'
import { date } from '../../lib/format'
import { useKeys } from '../../lib/keys'
import { check, isOver, useCancelReplay, useCheckedText, useReplay } from '../../rule/door'
import { keepDraft } from '../../rule/draft'
import { testsOf } from '../../rule/file'
import type { Outcome, Replay } from '../../rule/types'
import { Frame } from '../../shell/Frame'
import { rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { toast } from '../../ui/toast'
import { Bars } from './Bars'
import { dayBars } from './days'
import { DraftDialog } from './DraftDialog'
import { Episodes } from './Episodes'
import { KnownEvents, Measures, TopPatients } from './OutcomeCards'
import { Progress } from './Progress'
import { ReplayState } from './ReplayList'
import { Sentence } from './Sentence'
import { amount, lasted, when } from './words'
import css from './Replay.module.css'

// ReplayPage is one replay: how far it is, or what it found. It runs in the server, whoever looks.
export function ReplayPage() {
  const { id = '' } = useParams({ strict: false }) as { id?: string }
  const navigate = useNavigate()
  const { data: r, isError, error, refetch } = useReplay(id)
  const leave = () => void navigate({ to: '/rules/replays' })
  useKeys({ Escape: leave })
  return (
    <Frame title={r ? t.replayOf(r.rules.join(', ')) : t.replayTitle} back={leave} actions={r && <Actions replay={r} />}>
      {isError ? <ErrorPanel error={error} what={t.replayLoading} retry={() => void refetch()} /> : !r ? <Skeleton lines={8} /> : <><About replay={r} />{r.outcome ? <Result replay={r} outcome={r.outcome} /> : <Waiting replay={r} />}</>}
    </Frame>
  )
}

function Actions({ replay: r }: { replay: Replay }) {
  const navigate = useNavigate()
  const cancel = useCancelReplay(r.id)
  const [sending, setSending] = useState(false)
  const key = r.rules[0]!
  const edit = async () => {
    const form = (await check({ text: r.text })).rules?.[0]?.edit
    if (form) keepDraft(key, { form, tests: testsOf(r.text) })
    void navigate({ to: '/rules/$key', params: { key } })
  }
  if (!isOver(r)) return <Button kind="danger" busy={cancel.isPending} onClick={() => cancel.mutate(undefined, { onSuccess: () => toast(t.cancelled), onError: problem })}>{t.cancel}</Button>
  if (r.rules.length > 1) return <span className={css.soft}>{t.manyRules}</span>
  return (
    <>
      <Button onClick={() => { edit().catch(problem) }}>{t.again}</Button>
      {r.state === 'done' && <Button kind="primary" onClick={() => setSending(true)}>{t.sendForApproval}…</Button>}
      {sending && <DraftDialog text={r.text} ruleKey={key} replay={r.id} propose title={t.sendForApproval} words={t.sendText} onClose={() => setSending(false)}
        onDone={() => { keepDraft(key, undefined); keepDraft('new', undefined); void navigate({ to: '/rules/$key', params: { key } }) }} />}
    </>
  )
}

function About({ replay: r }: { replay: Replay }) {
  const { data } = useCheckedText(r.text)
  return (
    <Card>
      <div className={css.about}>
        <ReplayState replay={r} />
        <span>{t.span(date(r.from), date(r.to))}</span>
        <span>{r.units?.length ? t.onlyUnits(r.units.join(', ')) : t.unitsAll}</span>
        <span className={css.soft}>{t.writtenBy(r.name, when(r.at))}</span>
        {r.outcome && <span className={css.soft}>{t.subjects(r.outcome.subjects, amount(Math.round(r.outcome.subject_hours)), amount(r.outcome.samples))} {t.took(lasted(r.outcome.took_s))}</span>}
      </div>
      {r.note && <p className={css.note}>{r.note}</p>}
      {data?.rules?.map((x) => <p key={x.key} className={css.said}><Sentence slots={x.sentence} /></p>)}
    </Card>
  )
}

function Waiting({ replay: r }: { replay: Replay }) {
  if (isOver(r)) return <Card><Empty title={t.replayStates[r.state]} text={r.error} /></Card>
  return <Card><div className={css.waiting} role="status"><Progress replay={r} large /><p className={css.soft}>{t.leave}</p></div></Card>
}

function Result({ replay: r, outcome: o }: { replay: Replay; outcome: Outcome }) {
  const byDay = dayBars(o.today.by_day, o.after.by_day, r.from, r.to)
  const byHour = o.after.by_hour.map((now, h) => ({ label: String(h), was: o.today.by_hour[h] ?? 0, now }))
  return (
    <div className={css.grid}>
      <Measures outcome={o} />
      <Card title={t.byDay}><Bars label={t.byDay} was={t.now} now={t.changed} bars={byDay} every={Math.ceil(byDay.length / 10)} /></Card>
      <Card title={t.byHour}><Bars label={t.byHour} was={t.now} now={t.changed} bars={byHour} every={3} /></Card>
      <TopPatients outcome={o} />
      <KnownEvents outcome={o} />
      <div className={css.wide}><Episodes outcome={o} /></div>
    </div>
  )
}
