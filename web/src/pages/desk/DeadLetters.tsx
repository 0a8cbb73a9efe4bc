import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { get, post } from '../../api/client'
import { problem, useUser } from '../../api/queries'
import { clock, date, time } from '../../lib/format'
import { Frame } from '../../shell/Frame'
import { desk as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { Table, type Column } from '../../ui/Table'
import { toast } from '../../ui/toast'

interface Letter { id: string; to: { name: string }; text: string; created: string; receipts: { channel: string; state: string; detail?: string }[] }
interface Health { channel: string; sent: number; failed: number; last_ok?: string; last_error?: string; error?: string }
interface Person { key: string; name: string; role?: string; order: string[]; devices: { channel: string; label: string }[]; quiet: { from: string; to: string }[] }

const at = (s: string | undefined) => (s ? `${date(s)} ${clock(time(s), true)}` : t.never)

// DeadLetters is what reached nobody, how the channels do, and how everybody is reached.
export function DeadLetters() {
  const client = useQueryClient()
  const admin = useUser()?.roles.includes('admin') ?? false
  const { data, isError, error, refetch } = useQuery({ queryKey: ['dead'], queryFn: () => get<{ dead: Letter[]; channels: Health[] }>('/notify/dead'), refetchInterval: 10_000 })
  const people = useQuery({ queryKey: ['notify-people'], queryFn: () => get<Person[]>('/notify/people'), enabled: admin })
  const retry = useMutation({ mutationFn: (id: string) => post('/notify/retry', { id }), onSuccess: () => { toast(t.retried); void client.invalidateQueries({ queryKey: ['dead'] }) }, onError: problem })
  const letters: Column<Letter>[] = [
    { key: 'when', title: t.when, sort: (l) => l.created, cell: (l) => at(l.created) },
    { key: 'to', title: t.toWho, sort: (l) => l.to.name, cell: (l) => l.to.name },
    { key: 'what', title: t.what, cell: (l) => l.text },
    { key: 'why', title: t.why, cell: (l) => { const r = l.receipts.filter((x) => x.detail).at(-1); return r ? `${t.channels[r.channel] ?? r.channel}: ${r.detail}` : '–' } },
    { key: 'do', title: '', cell: (l) => <Button size="small" busy={retry.isPending && retry.variables === l.id} onClick={() => retry.mutate(l.id)}>{t.retry}</Button> },
  ]
  const health: Column<Health>[] = [
    { key: 'c', title: t.channel, cell: (h) => t.channels[h.channel] ?? h.channel },
    { key: 's', title: t.sent, cell: (h) => h.sent }, { key: 'f', title: t.failed, cell: (h) => (h.failed > 0 ? <Chip tone="caution">{h.failed}</Chip> : 0) },
    { key: 'ok', title: t.lastOk, cell: (h) => at(h.last_ok) }, { key: 'e', title: t.lastError, cell: (h) => (h.error ? `${at(h.last_error)}: ${h.error}` : t.never) },
  ]
  const persons: Column<Person>[] = [
    { key: 'n', title: t.person, sort: (p) => p.name, cell: (p) => p.name }, { key: 'r', title: t.role, cell: (p) => p.role ?? '' },
    { key: 'd', title: t.addresses, cell: (p) => p.devices.map((d) => `${t.channels[d.channel] ?? d.channel} (${d.label})`).join(', ') || '–' },
    { key: 'o', title: t.order2, cell: (p) => p.order.map((c) => t.channels[c] ?? c).join(', ') || t.usual },
    { key: 'q', title: t.quiet, cell: (p) => p.quiet.map((q) => `${q.from}–${q.to}`).join(', ') || '–' },
  ]
  return (
    <Frame title={t.dead}>
      {isError ? <ErrorPanel error={error} what={t.dead} retry={() => void refetch()} /> : !data ? <Skeleton /> : <>
        <Card title={t.letters} flush>{data.dead.length === 0 ? <Empty title={t.noLetters} text={t.noLettersText} /> : <Table label={t.letters} columns={letters} rows={data.dead} rowKey={(l) => l.id} />}</Card>
        <Card title={t.health} flush><Table label={t.health} columns={health} rows={data.channels} rowKey={(h) => h.channel} /></Card>
        {people.data && <Card title={t.people} flush><Table label={t.people} columns={persons} rows={people.data} rowKey={(p) => p.key} /></Card>}
      </>}
    </Frame>
  )
}
