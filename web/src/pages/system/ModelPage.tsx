import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { get, post } from '../../api/client'
import { problem, useUser } from '../../api/queries'
import { Frame } from '../../shell/Frame'
import { models as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Dialog } from '../../ui/Dialog'
import { AreaField } from '../../ui/Field'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import { Calibration } from './Calibration'
import { percent, type Model } from './model'
import css from './ModelPage.module.css'
import { stateTone } from './ModelsPage'

const number = (v: number, unit?: string) => v.toLocaleString('en', { maximumFractionDigits: unit ? 1 : 3 })
const day = (iso: string) => iso.slice(0, 10)

export function ModelPage() {
  const { key } = useParams({ strict: false }) as { key: string }
  const { data: m, isError, error, refetch } = useQuery({ queryKey: ['model', key], queryFn: () => get<Model>(`/models/${key}`), refetchInterval: 60_000 })
  return <Frame title={m?.title ?? t.title}>{isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !m ? <Skeleton lines={8} /> : <Body m={m} />}</Frame>
}

function Body({ m }: { m: Model }) {
  return (
    <>
      <div className={css.head}>
        <Link to={'/models' as string}>{t.back}</Link>
        <Chip large tone={stateTone[m.standing.state]}>{t.states[m.standing.state]}</Chip>
        <span>{t.stateText[m.standing.state]}</span>
        {m.standing.since && m.standing.state !== 'off' && <span>{t.since(day(m.standing.since))}</span>}
      </div>
      <div className={css.columns}>
        <Switch m={m} />
        <Local m={m} />
        <Card title={t.is} aside={t.version(m.version)}>
          <p>{m.sentence}</p>
          <dl className={css.about}>
            <dt>{t.use}</dt><dd>{m.use}</dd><dt>{t.notFor}</dt><dd>{m.not_for}</dd><dt>{t.data}</dt><dd>{m.data}</dd>
          </dl>
          <p className={css.quiet}>{t.trees(m.trees, m.features)}</p>
        </Card>
      </div>
      <Card title={t.calibration}><Calibration trained={m.reliability} here={m.validation.bins} /></Card>
      <Card title={t.figures} flush><Table label={t.figures} rows={m.figures} rowKey={(f) => f.key} columns={[
        { key: 'l', title: t.figure, cell: (f) => f.label },
        { key: 'v', title: t.value, cell: (f) => <b>{number(f.value, f.unit)} {f.unit}</b> },
        { key: 'i', title: t.interval, cell: (f) => (f.high ? `${number(f.low ?? 0, f.unit)} – ${number(f.high, f.unit)}` : '') },
      ]} /></Card>
      <Card title={t.card}><pre className={css.card}>{m.card}</pre></Card>
    </>
  )
}

// Switch is what the model may do, and who decides. A way up takes two people, a way back one.
function Switch({ m }: { m: Model }) {
  const client = useQueryClient()
  const user = useUser()
  const [asking, setAsking] = useState(false)
  const [reason, setReason] = useState('')
  const change = useMutation({
    mutationFn: (action: string) => post<Model>(`/models/${m.key}/${action}`, action === 'propose' ? { reason } : {}),
    onSuccess: (next) => { client.setQueryData(['model', m.key], next); void client.invalidateQueries({ queryKey: ['models'] }); setAsking(false); setReason('') },
    onError: problem,
  })
  const { state, proposal, approval } = m.standing
  const may = user !== null && [user.role, ...user.roles].some((r) => r === 'admin' || r === 'physician')
  const busy = change.isPending
  return (
    <Card title={t.switch}>
      {approval && <p>{t.approved(approval.name, day(approval.at), approval.proposed.name)}<br /><q>{approval.proposed.reason}</q></p>}
      {proposal && <p>{t.proposed(proposal.name, day(proposal.at))}<br /><q>{proposal.reason}</q></p>}
      {state === 'shadow' && !m.validation.passed && <><p>{t.wanting}</p><ul className={css.wanting}>{m.validation.wanting.map((w) => <li key={w}>{w}</li>)}</ul></>}
      {state === 'shadow' && m.validation.passed && !proposal && <p>{t.ready}</p>}
      {!may ? <p className={css.quiet}>{t.readOnly}</p> : (
        <div className={css.buttons}>
          {state !== 'off' && <Button busy={busy} onClick={() => change.mutate('off')}>{t.toOff}</Button>}
          {state !== 'shadow' && <Button kind={state === 'off' ? 'primary' : 'plain'} busy={busy} onClick={() => change.mutate('shadow')}>{t.toShadow}</Button>}
          {state === 'shadow' && !proposal && <Button kind="primary" disabled={!m.validation.passed} onClick={() => setAsking(true)}>{t.propose}</Button>}
          {proposal && (m.may_approve ? <Button kind="primary" busy={busy} onClick={() => change.mutate('approve')}>{t.approve}</Button> : <span className={css.quiet}>{t.own}</span>)}
        </div>
      )}
      {asking && (
        <Dialog title={t.propose} onClose={() => setAsking(false)} actions={<><Button onClick={() => setAsking(false)}>{t.cancel}</Button><Button kind="primary" busy={busy} disabled={reason.trim() === ''} onClick={() => change.mutate('propose')}>{t.propose}</Button></>}>
          <AreaField label={t.reason} hint={t.reasonHint} value={reason} onChange={(e) => setReason(e.target.value)} />
        </Dialog>
      )}
    </Card>
  )
}

function Local({ m }: { m: Model }) {
  const v = m.validation
  const w = v.wanted
  const known = v.judged > 0
  const rows: [string, string, string][] = [
    [t.days, String(v.days), String(w.days)], [t.verdicts, v.verdicts.toLocaleString('en'), ''], [t.acted, v.acted.toLocaleString('en'), ''], [t.judged, v.judged.toLocaleString('en'), w.judged.toLocaleString('en')],
    [t.true, v.true.toLocaleString('en'), w.true.toLocaleString('en')], [t.false, v.false.toLocaleString('en'), w.false.toLocaleString('en')],
    ...(m.kind === 'false-alarm'
      ? [[t.kept, v.true > 0 ? percent(v.kept) : t.unknown, percent(w.keep_at)], [t.demoted, v.false > 0 ? percent(v.demoted) : t.unknown, '']] as [string, string, string][]
      : [[t.ppv, known ? percent(v.ppv) : t.unknown, ''], [t.perDay, known ? v.per_day.toFixed(1) : t.unknown, '']] as [string, string, string][]),
    [t.auroc, v.auroc > 0 ? v.auroc.toFixed(3) : t.unknown, w.auroc.toFixed(2)],
  ]
  return (
    <Card title={t.local}>
      <table className={css.local}>
        <thead><tr><th scope="col" /><th scope="col">{t.here}</th><th scope="col">{t.wanted}</th></tr></thead>
        <tbody>{rows.map(([k, a, b]) => <tr key={k}><th scope="row">{k}</th><td><b>{a}</b></td><td>{b && `≥ ${b}`}</td></tr>)}</tbody>
      </table>
      {m.lost > 0 && <p className={css.quiet}>{t.lost(m.lost)}</p>}
    </Card>
  )
}
