import { useNavigate, useParams } from '@tanstack/react-router'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { get, post } from '../../api/client'
import { problem } from '../../api/queries'
import type { DeviceDetail } from '../../api/types'
import { ago, clock, date, time } from '../../lib/format'
import { useBeat } from '../../live/hooks'
import { Frame } from '../../shell/Frame'
import { common, devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Dialog } from '../../ui/Dialog'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import { BindDialog } from './BindDialog'
import { DeviceState } from './DeviceState'
import { LiveMessages } from './LiveMessages'
import { TokenOnce } from './TokenOnce'
import css from './DevicePage.module.css'

export function DevicePage() {
  const { id = '' } = useParams({ strict: false }) as { id?: string }
  const navigate = useNavigate()
  const { data, isError, error, refetch } = useQuery({ queryKey: ['device', id], queryFn: () => get<DeviceDetail>(`/devices/${id}`), refetchInterval: 10_000 })
  return (
    <Frame title={data?.name ?? id} back={() => void navigate({ to: '/devices' })} actions={data && <Actions device={data} />}>
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton lines={6} /> : (
        <div className={css.columns}>
          <div className={css.side}><Facts device={data} /><Bindings device={data} /><Readings device={data} /></div>
          <LiveMessages device={id} />
        </div>
      )}
    </Frame>
  )
}

function Actions({ device }: { device: DeviceDetail }) {
  const [asking, setAsking] = useState(false)
  const [binding, setBinding] = useState(false)
  const renew = useMutation({ mutationFn: () => post<{ token: string }>(`/devices/${device.id}/token`), onError: problem })
  return (
    <>
      <Button onClick={() => setAsking(true)}>{t.newToken}</Button>
      <Button kind="primary" onClick={() => setBinding(true)}>{t.bind}</Button>
      {binding && <BindDialog device={device.id} onClose={() => setBinding(false)} />}
      {asking && !renew.data && <Dialog title={t.newTokenTitle} onClose={() => setAsking(false)} actions={<><Button onClick={() => setAsking(false)}>{common.cancel}</Button><Button kind="danger" busy={renew.isPending} onClick={() => renew.mutate()}>{t.newToken}</Button></>}><p>{t.newTokenText}</p></Dialog>}
      {asking && renew.data && <TokenOnce device={device} token={renew.data.token} onClose={() => { setAsking(false); renew.reset() }} />}
    </>
  )
}

function Facts({ device: d }: { device: DeviceDetail }) {
  const now = useBeat()
  const rows: [string, React.ReactNode][] = [
    [t.columns.state, <DeviceState key="s" device={d} />], [t.columns.seen, d.last_seen_ms ? `${ago(now - d.last_seen_ms)} (${clock(d.last_seen_ms, true)})` : '–'], [t.id, d.id], [t.profileLabel, `${d.title} · ${d.profile}`], [t.serial, d.serial ?? '–'],
    [t.columns.protocol, d.protocol ?? '–'], [t.columns.battery, d.battery === undefined ? '–' : `${d.battery} %`], [t.signal, d.signal === undefined ? '–' : `${d.signal} %`], [t.columns.place, d.place ?? '–'], [t.columns.held, String(d.quarantined)],
  ]
  return <Card title={t.facts}><dl className={css.facts}>{rows.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl></Card>
}

function Bindings({ device }: { device: DeviceDetail }) {
  const client = useQueryClient()
  const unbind = useMutation({ mutationFn: () => post(`/devices/${device.id}/unbind`), onSuccess: () => void client.invalidateQueries({ queryKey: ['device', device.id] }), onError: problem })
  return (
    <Card title={t.bindings} aside={device.subject && <Button size="small" busy={unbind.isPending} onClick={() => unbind.mutate()}>{t.unbind}</Button>}>
      {device.bindings.length === 0 ? <Empty title={t.noBindings} text={t.noBindingsText} /> : (
        <ul className={css.bindings}>{device.bindings.map((b) => <li key={b.from + b.subject}><b>{b.name}</b> {t.from} {date(b.from)} {clock(time(b.from))} {t.to} {b.to ? `${date(b.to)} ${clock(time(b.to))}` : t.now}</li>)}</ul>
      )}
    </Card>
  )
}

function Readings({ device }: { device: DeviceDetail }) {
  const now = useBeat()
  return (
    <Card title={t.readings} flush>
      <Table label={t.readings} rows={device.readings} rowKey={(n) => n.metric} empty={<Empty title={t.noReadings} />} columns={[
        { key: 'm', title: 'Metric', cell: (n) => n.label }, { key: 'v', title: 'Value', cell: (n) => <b>{n.value === null ? '–' : `${n.value.toFixed(n.decimals)} ${n.unit}`}</b> }, { key: 'a', title: 'Age', cell: (n) => ago(now - n.time_ms) },
      ]} />
    </Card>
  )
}
