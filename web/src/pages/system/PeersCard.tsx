import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { get, post } from '../../api/client'
import type { Peer, PeerItem } from '../../api/types'
import { useUser } from '../../api/queries'
import { system as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { ErrorPanel } from '../../ui/State'
import { Table } from '../../ui/Table'

// PeersCard shows the other FHIR servers: what goes through, what waits and why. Who looks after them may try again.
export function PeersCard({ peers }: { peers: Peer[] }) {
  const upkeep = useUser()?.roles.some((r) => r === 'engineer' || r === 'admin') ?? false
  const [open, setOpen] = useState('')
  if (peers.length === 0) return null
  return (
    <Card title={t.peers} flush>
      <Table label={t.peers} rows={peers} rowKey={(p) => p.name} onOpen={upkeep ? (p) => setOpen(open === p.name ? '' : p.name) : undefined} columns={[
        { key: 's', title: t.state, cell: (p) => <Chip tone={p.ok ? 'good' : 'caution'}>{p.ok ? t.ok : t.bad}</Chip> },
        { key: 'n', title: t.peer, sort: (p) => p.name, cell: (p) => <b>{p.name}</b> },
        { key: 'w', title: t.waiting, sort: (p) => -p.waiting, cell: (p) => p.waiting.toLocaleString('en') },
        { key: 'd', title: t.refused, sort: (p) => -p.dead, cell: (p) => (p.dead > 0 ? <Chip tone="caution">{p.dead}</Chip> : '0') },
        { key: 't', title: t.says, cell: (p) => p.text },
      ]} />
      {open && <Queue peer={open} />}
    </Card>
  )
}

function Queue({ peer }: { peer: string }) {
  const cache = useQueryClient()
  const path = `/peers/${encodeURIComponent(peer)}`
  const { data = [], isError, error, refetch } = useQuery({ queryKey: ['peer', peer], queryFn: () => get<PeerItem[]>(`${path}/queue`), refetchInterval: 5_000 })
  const retry = useMutation({
    mutationFn: (key: string) => post(`${path}/retry`, { key }),
    onSettled: () => Promise.all([cache.invalidateQueries({ queryKey: ['peer', peer] }), cache.invalidateQueries({ queryKey: ['status'] })]),
  })
  if (isError) return <ErrorPanel error={error} what={t.queue} retry={() => void refetch()} />
  return (
    <>
      <Table label={`${t.queue} ${peer}`} rows={data} rowKey={(i) => i.key} empty={<p>{t.nothingWaits}</p>} columns={[
        { key: 's', title: t.state, cell: (i) => <Chip tone={i.dead ? 'caution' : undefined}>{i.dead ? t.refused : t.waiting}</Chip> },
        { key: 'k', title: t.what, sort: (i) => i.key, cell: (i) => i.key },
        { key: 'n', title: t.tries, sort: (i) => -i.tries, cell: (i) => i.tries },
        { key: 'e', title: t.lastError, cell: (i) => i.error ?? '' },
        { key: 'r', title: t.retry, cell: (i) => <Button size="small" busy={retry.isPending && retry.variables === i.key} onClick={() => retry.mutate(i.key)}>{t.retry}</Button> },
      ]} />
      {data.length > 0 && <Button busy={retry.isPending && retry.variables === ''} onClick={() => retry.mutate('')}>{t.retryAll}</Button>}
    </>
  )
}
