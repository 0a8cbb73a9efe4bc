import { Link } from '@tanstack/react-router'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { get, post } from '../../api/client'
import { problem } from '../../api/queries'
import type { Device, Patient } from '../../api/types'
import { ago } from '../../lib/format'
import { useBeat } from '../../live/hooks'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Empty, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import { DeviceState } from '../devices/DeviceState'

export function DevicesTab({ patient }: { patient: Patient }) {
  const client = useQueryClient()
  const now = useBeat()
  const { data } = useQuery({ queryKey: ['patient-devices', patient.id], queryFn: () => get<Device[]>(`/patients/${patient.id}/devices`) })
  const unbind = useMutation({
    mutationFn: (id: string) => post(`/devices/${id}/unbind`), onError: problem,
    onSuccess: () => { void client.invalidateQueries({ queryKey: ['patient-devices', patient.id] }); void client.invalidateQueries({ queryKey: ['patient', patient.id] }) },
  })
  if (!data) return <Skeleton />
  return (
    <Card title={t.tabs.devices} flush>
      <Table label={t.tabs.devices} rows={data} rowKey={(d) => d.id} empty={<Empty title={t.noDevices} text={t.noDevicesText} />} columns={[
        { key: 'name', title: 'Device', cell: (d) => <><div><Link to="/devices/$id" params={{ id: d.id }}>{d.name}</Link></div><small>{d.title}</small></> },
        { key: 'state', title: 'State', cell: (d) => <DeviceState device={d} /> },
        { key: 'battery', title: 'Battery', cell: (d) => (d.battery === undefined ? '–' : `${d.battery} %`) },
        { key: 'signal', title: 'Signal', cell: (d) => (d.signal === undefined ? '–' : `${d.signal} %`) },
        { key: 'seen', title: 'Last seen', cell: (d) => (d.last_seen_ms ? ago(now - d.last_seen_ms) : '–') },
        { key: 'do', title: '', cell: (d) => <Button size="small" busy={unbind.isPending} onClick={() => unbind.mutate(d.id)}>{t.unbind}</Button> },
      ]} />
    </Card>
  )
}
