import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { get } from '../../api/client'
import type { DeviceMessage } from '../../api/types'
import { bytes, clock } from '../../lib/format'
import { useTopic } from '../../live/hooks'
import { devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip, type Tone } from '../../ui/Chip'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import css from './LiveMessages.module.css'

const tones: Record<DeviceMessage['outcome'], Tone> = { stored: 'good', duplicate: 'use', quarantined: 'caution' }

// LiveMessages streams what one device says and what became of it. Pausing holds the list still for reading; nothing is lost.
export function LiveMessages({ device }: { device: string }) {
  const [held, setHeld] = useState<DeviceMessage[] | null>(null)
  const { data, isError, error } = useQuery({ queryKey: ['device-messages', device], queryFn: () => get<DeviceMessage[]>(`/devices/${device}/messages`) })
  useTopic({ topic: 'device', device })
  const rows = held ?? data
  return (
    <Card title={t.messages} flush aside={<Button size="small" disabled={!data} onClick={() => setHeld(held ? null : (data ?? []))}>{held ? t.resume : t.pauseStream}</Button>}>
      {isError ? <ErrorPanel error={error} what={t.messages} /> : !rows ? <Skeleton /> : rows.length === 0 ? <Empty title={t.noMessages} text={t.noMessagesText} /> : (
        <ol className={css.list} tabIndex={0} aria-label={t.messages}>{rows.slice(0, 100).map((m, i) => <Row key={`${m.at_ms}-${rows.length - i}`} message={m} />)}</ol>
      )}
    </Card>
  )
}

function Row({ message: m }: { message: DeviceMessage }) {
  return (
    <li className={css.row}>
      <div className={css.top}><time>{clock(m.at_ms, true)}</time><Chip tone={tones[m.outcome]}>{t.outcome[m.outcome]}</Chip><span>{m.protocol} · {bytes(m.size)} · {t.ack(Math.round(m.ack_ms * 10) / 10)}</span><b>{m.values.map((v) => `${v.label} ${v.value} ${v.unit}`).join(', ')}</b></div>
      {m.reason && <p className={css.reason}>{m.reason}</p>}
      <code>{m.payload}</code>
    </li>
  )
}
