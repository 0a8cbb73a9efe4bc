import { useQuery } from '@tanstack/react-query'
import { get } from '../../api/client'
import type { Status } from '../../api/types'
import { bytes } from '../../lib/format'
import { Frame } from '../../shell/Frame'
import { system as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import { PeersCard } from './PeersCard'
import css from './StatusPage.module.css'

const uptime = (s: number) => (s >= 86_400 ? `${Math.floor(s / 86_400)} d ${Math.floor(s / 3600) % 24} h` : `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`)

export function StatusPage() {
  const { data: s, isError, error, refetch } = useQuery({ queryKey: ['status'], queryFn: () => get<Status>('/status'), refetchInterval: 5_000 })
  return <Frame title={t.status}>{isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !s ? <Skeleton lines={6} /> : <Body s={s} />}</Frame>
}

function Body({ s }: { s: Status }) {
  const cards: [string, string][] = [
    [t.online, `${s.devices.online} / ${s.devices.total}`], [t.rate, String(Math.round(s.values_per_s))], [t.delay, `${Math.round(s.delay_ms)} ms`], [t.held, String(s.quarantine)], [t.uptime, uptime(s.uptime_s)], [t.version, s.version],
  ]
  return (
    <>
      <div className={css.state} data-ok={s.acknowledging || undefined} role="status">{s.acknowledging ? t.acknowledging : `${t.notAcknowledging}. ${s.reason ?? ''}`}</div>
      <div className={css.cards}>{cards.map(([k, v]) => <div key={k} className={css.card}><span>{k}</span><b>{v}</b></div>)}</div>
      <div className={css.columns}>
        <Card title={t.steps} flush><Table label={t.steps} rows={s.steps} rowKey={(x) => x.name} columns={[
          { key: 'n', title: t.step, cell: (x) => x.name }, { key: 'c', title: t.count, sort: (x) => x.count, cell: (x) => x.count.toLocaleString('en') }, { key: 'f', title: t.failed, sort: (x) => -x.failed, cell: (x) => (x.failed > 0 ? <Chip tone="caution">{x.failed}</Chip> : '0') },
        ]} /></Card>
        <Card title={t.checks}>
          <ul className={css.checks}>
            {s.checks.map((c) => <li key={c.name}><Chip tone={c.ok ? 'good' : 'caution'}>{c.ok ? t.ok : t.bad}</Chip><b>{c.name}</b><span>{c.text}</span></li>)}
            <li><Chip>{t.screen}</Chip><span>{t.p99(Math.round(s.alarm_to_screen_ms.p50), Math.round(s.alarm_to_screen_ms.p99))}</span></li>
            <li><Chip>{t.disk}</Chip><span>{t.used(bytes(s.disk.used_bytes), bytes(s.disk.free_bytes))}</span></li>
          </ul>
        </Card>
      </div>
      <PeersCard peers={s.peers ?? []} />
    </>
  )
}
