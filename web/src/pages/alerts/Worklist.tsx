import { Link, useNavigate } from '@tanstack/react-router'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Check } from 'lucide-react'
import { useState } from 'react'
import { Judge } from '../../alarm/Judge'
import { compareItems, isAcked, isEnded, lastPaged } from '../../alarm/model'
import { command, post } from '../../api/client'
import { problem, putAlarm, useAlarmAction, useAttention } from '../../api/queries'
import type { Alarm, AttentionItem } from '../../api/types'
import { age, clock } from '../../lib/format'
import { useMedia } from '../../lib/media'
import { useBeat } from '../../live/hooks'
import { Frame } from '../../shell/Frame'
import { alerts as t, common } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { PriorityGlyph } from '../../ui/Glyph'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { Table, type Column } from '../../ui/Table'
import { AttentionEntry } from '../central/AttentionEntry'
import css from './Worklist.module.css'

type Filter = 'all' | 'high' | 'unacked'
const KEY = 'vigil.alerts.filter'

// Worklist is every open item of every kind, with the step of its chain and who holds it.
export function Worklist() {
  const { data, isError, error, refetch } = useAttention(undefined)
  const [filter, setFilterState] = useState<Filter>(() => (localStorage.getItem(KEY) as Filter | null) ?? 'all')
  const client = useQueryClient()
  const bulk = useMutation({
    mutationFn: (ids: string[]) => post<Alarm[]>('/alarms/acknowledge', { ids, command: command() }),
    onSuccess: (list) => list.forEach((a) => putAlarm(client, a)), onError: problem,
  })
  const phone = useMedia('(max-width: 699px)')
  const setFilter = (f: Filter) => { localStorage.setItem(KEY, f); setFilterState(f) }
  const rows = [...(data?.open ?? [])].sort(compareItems).filter((i) => filter === 'all' || (filter === 'high' ? i.priority === 'high' : !(i.alarm && isAcked(i.alarm))))
  // Only low alarms may be acknowledged together: each other one deserves its own look.
  const low = rows.filter((i) => i.priority === 'low' && i.alarm && !isAcked(i.alarm))
  const empty = <Empty title={t.none} text={t.noneText} />
  return (
    <Frame title={t.title} actions={<>
      <Segmented label={t.filter} value={filter} onChange={setFilter} options={[{ value: 'all', label: t.all }, { value: 'high', label: t.high }, { value: 'unacked', label: t.unacked }]} />
      {low.length > 1 && <Button busy={bulk.isPending} onClick={() => bulk.mutate(low.map((i) => i.alarm!.id))}>{t.ackLow(low.length)}</Button>}
    </>}>
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton />
        : phone ? <PhoneList items={rows} empty={empty} />
          : <Card flush><Wide items={rows} empty={empty} /></Card>}
      {data && data.coming.length > 0 && <Card title={t.coming} flush={!phone}>{phone ? <PhoneList items={data.coming} empty={null} /> : <Wide items={data.coming} empty={null} />}</Card>}
    </Frame>
  )
}

const target = (i: AttentionItem) => (i.alarm?.kind === 'alarm' ? `/alert/${i.alarm.id}` : i.link)

function PhoneList({ items, empty }: { items: AttentionItem[]; empty: React.ReactNode }) {
  const now = useBeat()
  if (items.length === 0) return <>{empty}</>
  return <ul className={css.phone}>{items.map((i, n) => <AttentionEntry key={i.id} item={{ ...i, link: target(i) }} now={now} first={n === 0} />)}</ul>
}

function Age({ item }: { item: AttentionItem }) {
  const now = useBeat()
  return <>{item.due_ms && item.due_ms > now ? clock(item.due_ms) : age(now - item.since_ms)}</>
}

function State({ item }: { item: AttentionItem }) {
  const a = item.alarm
  if (!a) return null
  if (isAcked(a)) return <Chip tone="use" icon={<Check size={13} aria-hidden />}>{a.acked_by}</Chip>
  return <Chip>{isEnded(a) ? t.endedNotSeen : a.state}</Chip>
}

function Wide({ items, empty }: { items: AttentionItem[]; empty: React.ReactNode }) {
  const act = useAlarmAction()
  const navigate = useNavigate()
  const columns: Column<AttentionItem>[] = [
    { key: 'p', title: t.columns.priority, cell: (i) => <span className={css.priority}>{i.priority !== 'none' && <PriorityGlyph priority={i.priority} size={20} fill={`var(--${i.priority})`} ink={`var(--${i.priority}-ink)`} title={false} />}{i.priority === 'none' ? i.kind : common.priority[i.priority]}</span> },
    { key: 'what', title: t.columns.what, sort: (i) => i.title, cell: (i) => <><Link to={target(i)} className={css.title}>{i.title}</Link>{i.technical && <small> {t.technical}</small>}<div className={css.soft}>{i.text}</div></> },
    { key: 'patient', title: t.columns.patient, sort: (i) => i.alarm?.patient?.name ?? '', cell: (i) => i.alarm?.patient?.name ?? '' },
    { key: 'since', title: t.columns.since, sort: (i) => i.since_ms, cell: (i) => <Age item={i} /> },
    { key: 'step', title: t.columns.step, cell: (i) => (i.alarm && i.alarm.step > 0 ? t.stepOf(i.alarm.step, i.alarm.steps) : '–') },
    { key: 'holder', title: t.columns.holder, cell: (i) => i.alarm?.acked_by ?? (i.alarm && lastPaged(i.alarm)) ?? '–' },
    { key: 'state', title: t.columns.state, cell: (i) => <State item={i} /> },
    { key: 'do', title: '', cell: (i) => i.alarm && (isAcked(i.alarm) ? <Judge alarm={i.alarm} bare /> : i.actions.includes('acknowledge') && <Button size="small" onClick={() => act.mutate({ alarm: i.alarm!.id, action: 'acknowledge' })}>{t.acknowledge}</Button>) },
  ]
  return <Table label={t.title} columns={columns} rows={items} rowKey={(i) => i.id} empty={empty} onOpen={(i) => void navigate({ to: target(i) })} />
}
