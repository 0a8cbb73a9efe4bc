import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { get, post, put } from '../../api/client'
import { problem } from '../../api/queries'
import type { Priority } from '../../api/types'
import { Frame } from '../../shell/Frame'
import { common, desk as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { SelectField, TextField } from '../../ui/Field'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { toast } from '../../ui/toast'
import { subscribe } from './push'
import css from './desk.module.css'

interface Device { id: string; channel: string; to: string; label: string; added?: string }
interface Quiet { days: string[]; from: string; to: string; hold: Priority }
interface Settings { key: string; order: string[]; devices: Device[]; quiet: Quiet[] }
interface View extends Settings { channels: string[]; own_channels: string[]; routes: { channel: string; label: string; device?: string }[]; push_key: string; quiet_floor: Priority }
interface Result { message: string; channel: string; steps: { what: string; ok: boolean; text: string; took_ms: number }[] }

// MyNotifications is how one person is reached: the ways in their order, each with a test, and quiet hours.
export function MyNotifications() {
  const client = useQueryClient()
  const { data, isError, error, refetch } = useQuery({ queryKey: ['notify'], queryFn: () => get<View>('/notify/settings') })
  const save = useMutation({
    mutationFn: (s: Partial<Settings>) => put<View>('/notify/settings', { key: data!.key, order: data!.order, devices: data!.devices, quiet: data!.quiet, ...s }),
    onSuccess: (v) => { client.setQueryData(['notify'], v); toast(t.saved) }, onError: problem,
  })
  return (
    <Frame title={t.mine}>
      {isError ? <ErrorPanel error={error} what={t.mine} retry={() => void refetch()} /> : !data ? <Skeleton /> : <><Ways data={data} save={save.mutate} /><QuietHours data={data} save={save.mutate} /></>}
    </Frame>
  )
}

function Ways({ data, save }: { data: View; save: (s: Partial<Settings>) => void }) {
  const [results, setResults] = useState<Record<string, Result>>({})
  const test = useMutation({ mutationFn: (r: View['routes'][number]) => post<Result>('/notify/test', { channel: r.channel, device: r.device }), onSuccess: (x, r) => setResults((old) => ({ ...old, [r.channel + (r.device ?? '')]: x })), onError: problem })
  const push = useMutation({
    mutationFn: () => subscribe(data.push_key), onError: () => toast(t.noPush, 'bad'),
    onSuccess: (to) => { toast(t.subscribed); save({ devices: [...data.devices.filter((d) => d.to !== to), { id: '', channel: 'push', to, label: t.thisBrowser }] }) },
  })
  const order = [...new Set(data.routes.map((r) => r.channel))]
  const earlier = (channel: string) => { const i = order.indexOf(channel); const next = [...order]; next.splice(i, 1); next.splice(i - 1, 0, channel); save({ order: next }) }
  return (
    <Card title={t.order} flush>
      <p className={css.pad}>{t.orderText}</p>
      <ul className={css.list}>{data.routes.map((r) => {
        const key = r.channel + (r.device ?? '')
        const result = results[key]
        return (
          <li key={key}>
            <span>{t.channels[r.channel] ?? r.channel}<small>{r.label}</small></span>
            {result?.steps.map((s) => <Chip key={s.what} tone={s.ok ? 'good' : 'bad'}>{s.what}: {s.text}{s.took_ms > 0 && ` (${s.took_ms} ms)`}</Chip>)}
            {result && <Receipt message={result.message} />}
            <Button size="small" busy={test.isPending && test.variables === r} onClick={() => test.mutate(r)}>{t.test}</Button>
            {order.indexOf(r.channel) > 0 && <Button size="small" onClick={() => earlier(r.channel)}>{t.up}</Button>}
            {r.device && <Button size="small" kind="danger" onClick={() => save({ devices: data.devices.filter((d) => d.id !== r.device) })}>{t.remove}</Button>}
          </li>
        )
      })}</ul>
      <div className={css.row}><Button kind="primary" busy={push.isPending} onClick={() => push.mutate()}>{t.subscribe}</Button></div>
      <AddDevice channels={data.own_channels.filter((c) => c !== 'push')} add={(d) => save({ devices: [...data.devices, d] })} />
    </Card>
  )
}

// Receipt follows what comes back of a test: delivered, seen.
function Receipt({ message }: { message: string }) {
  const { data } = useQuery({ queryKey: ['test', message], queryFn: () => get<{ state: string }>('/notify/test?message=' + encodeURIComponent(message)), refetchInterval: 2_000 })
  if (!data || !['delivered', 'seen', 'answered'].includes(data.state)) return null
  return <Chip tone="good">{t.states[data.state]}</Chip>
}

function AddDevice({ channels, add }: { channels: string[]; add: (d: Device) => void }) {
  const [channel, setChannel] = useState(channels[0] ?? '')
  const [to, setTo] = useState('')
  const [label, setLabel] = useState('')
  if (channels.length === 0) return null
  return (
    <form className={css.row} onSubmit={(e) => { e.preventDefault(); add({ id: '', channel, to: to.trim(), label: label.trim() || t.channels[channel] || channel }); setTo(''); setLabel('') }}>
      <SelectField label={t.channel} value={channel} onChange={(e) => setChannel(e.target.value)}>{channels.map((c) => <option key={c} value={c}>{t.channels[c] ?? c}</option>)}</SelectField>
      <TextField label={t.address} value={to} onChange={(e) => setTo(e.target.value)} required />
      <TextField label={t.label} value={label} onChange={(e) => setLabel(e.target.value)} maxLength={60} />
      <Button type="submit">{t.addDevice}</Button>
    </form>
  )
}

function QuietHours({ data, save }: { data: View; save: (s: Partial<Settings>) => void }) {
  const [from, setFrom] = useState('22:00')
  const [to, setTo] = useState('06:00')
  const [hold, setHold] = useState<Priority>('low')
  const offered: Priority[] = data.quiet_floor === 'medium' ? ['low'] : ['low', 'medium']
  return (
    <Card title={t.quiet} flush>
      <p className={css.pad}>{t.quietText(common.priority[data.quiet_floor])}</p>
      {data.quiet.length === 0 ? <p className={css.pad}>{t.noQuiet}</p> : <ul className={css.list}>{data.quiet.map((q, i) => (
        <li key={q.from + q.to + String(i)}><span>{q.from}–{q.to}<small>{q.days.map((d) => t.dayNames[d]).join(', ') || t.everyDay} · {t.hold.toLowerCase()} {common.priority[q.hold].toLowerCase()}</small></span>
          <Button size="small" kind="danger" onClick={() => save({ quiet: data.quiet.filter((_, n) => n !== i) })}>{t.remove}</Button></li>
      ))}</ul>}
      <form className={css.row} onSubmit={(e) => { e.preventDefault(); save({ quiet: [...data.quiet, { days: [], from, to, hold }] }) }}>
        <TextField label={t.from} type="time" value={from} onChange={(e) => setFrom(e.target.value)} required />
        <TextField label={t.to} type="time" value={to} onChange={(e) => setTo(e.target.value)} required />
        <SelectField label={t.hold} value={hold} onChange={(e) => setHold(e.target.value as Priority)}>{offered.map((p) => <option key={p} value={p}>{common.priority[p]}</option>)}</SelectField>
        <Button type="submit">{t.addQuiet}</Button>
      </form>
    </Card>
  )
}
