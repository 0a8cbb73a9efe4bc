import { Link, useNavigate } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { get, query } from '../../api/client'
import type { Device } from '../../api/types'
import { ago } from '../../lib/format'
import { useBeat } from '../../live/hooks'
import { Frame } from '../../shell/Frame'
import { devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { TextField } from '../../ui/Field'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { Table, type Column } from '../../ui/Table'
import { DeviceState } from './DeviceState'
import { EnrolDialog } from './EnrolDialog'

function Seen({ device }: { device: Device }) {
  const now = useBeat()
  return <>{device.last_seen_ms ? ago(now - device.last_seen_ms) : '–'}</>
}

const columns: Column<Device>[] = [
  { key: 'name', title: t.columns.name, sort: (d) => d.name, cell: (d) => <><Link to="/devices/$id" params={{ id: d.id }}>{d.name}</Link><br /><small>{d.id}</small></> },
  { key: 'kind', title: t.columns.kind, sort: (d) => d.title, cell: (d) => d.title },
  { key: 'state', title: t.columns.state, sort: (d) => d.state, cell: (d) => <DeviceState device={d} /> },
  { key: 'subject', title: t.columns.subject, sort: (d) => d.subject_name ?? '', cell: (d) => d.subject_name ?? '–' },
  { key: 'place', title: t.columns.place, sort: (d) => d.place ?? '', cell: (d) => d.place ?? '–' },
  { key: 'battery', title: t.columns.battery, sort: (d) => d.battery ?? 101, cell: (d) => (d.battery === undefined ? '–' : d.battery < 20 ? <Chip tone="caution">{d.battery} %</Chip> : `${d.battery} %`) },
  { key: 'seen', title: t.columns.seen, sort: (d) => -(d.last_seen_ms ?? 0), cell: (d) => <Seen device={d} /> },
  { key: 'protocol', title: t.columns.protocol, sort: (d) => d.protocol ?? '', cell: (d) => d.protocol ?? '–' },
  { key: 'held', title: t.columns.held, sort: (d) => -d.quarantined, cell: (d) => (d.quarantined > 0 ? <Link to="/quarantine"><Chip tone="caution">{d.quarantined}</Chip></Link> : '0') },
]

export function Devices() {
  const [q, setQ] = useState('')
  const [enrolling, setEnrolling] = useState(false)
  const navigate = useNavigate()
  const { data, isError, error, refetch } = useQuery({ queryKey: ['devices', q], queryFn: () => get<Device[]>('/devices' + query({ q })), refetchInterval: 10_000, placeholderData: (old) => old })
  const held = (data ?? []).reduce((n, d) => n + d.quarantined, 0)
  return (
    <Frame title={t.title} actions={<>
      <Button onClick={() => void navigate({ to: '/quarantine' })}>{t.quarantine(held)}</Button>
      <Button kind="primary" icon={<Plus size={16} aria-hidden />} onClick={() => setEnrolling(true)}>{t.enrol}</Button>
    </>}>
      <TextField label={t.search} value={q} onChange={(e) => setQ(e.target.value)} />
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton lines={6} /> : (
        <Card flush><Table label={t.title} columns={columns} rows={data} rowKey={(d) => d.id} onOpen={(d) => void navigate({ to: '/devices/$id', params: { id: d.id } })} empty={<Empty title={t.none} text={t.noneText} />} /></Card>
      )}
      {enrolling && <EnrolDialog onClose={() => setEnrolling(false)} />}
    </Frame>
  )
}
