import { Link, useNavigate } from '@tanstack/react-router'
import { Ambulance, Bell, Droplets, Phone, Pill, Thermometer, Truck, Wrench, type LucideIcon } from 'lucide-react'
import { isAcked, pausedFor } from '../../alarm/model'
import { useAlarmAction } from '../../api/queries'
import type { AttentionItem } from '../../api/types'
import { age } from '../../lib/format'
import { central as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { PriorityGlyph } from '../../ui/Glyph'
import css from './AttentionEntry.module.css'

const icons: Record<string, LucideIcon> = { phone: Phone, wrench: Wrench, ambulance: Ambulance, pill: Pill, thermometer: Thermometer, truck: Truck, droplets: Droplets }

function Icon({ item }: { item: AttentionItem }) {
  const p = item.priority
  if (item.kind === 'alarm' && !item.technical) return <PriorityGlyph priority={p} size={19} ink={`var(--${p})`} fill={`var(--${p}-ink)`} title={false} />
  const I = item.technical ? Wrench : (icons[item.icon] ?? Bell)
  return <I size={17} aria-hidden />
}

function when(item: AttentionItem, now: number): string {
  if (item.due_ms !== undefined && item.due_ms > now) return `${item.icon === 'ambulance' ? 'ETA ' : ''}${t.minutes(Math.max(1, Math.floor((item.due_ms - now) / 60_000)))}`
  return age(now - item.since_ms)
}

// AttentionEntry is one matter of the queue. The first one, and calls, carry their actions; all others open what they are about.
export function AttentionEntry({ item, now, first }: { item: AttentionItem; now: number; first?: boolean }) {
  const act = useAlarmAction()
  const navigate = useNavigate()
  const a = item.alarm
  const acked = a ? isAcked(a) : false
  const paused = a ? pausedFor(a, now) : 0
  const can = (name: string) => item.actions.includes(name)
  const full = a !== undefined && (first || item.kind === 'call')
  const text = [item.text, paused > 0 && !item.text.includes('paused') && `audio paused ${age(paused)}`, acked && a?.acked_by && !/acknowledged by/i.test(item.text) && t.ackBy(a.acked_by)].filter(Boolean).join(' · ')
  return (
    <li className={css.item} data-kind={item.kind} data-priority={first && !acked ? item.priority : undefined}>
      <span className={css.icon} data-kind={item.kind} data-priority={item.priority !== 'none' ? item.priority : undefined} data-acked={acked || undefined}><Icon item={item} /></span>
      <div className={css.body}>
        <div className={css.top}>
          <Link to={item.link} className={css.title}>{item.priority !== 'none' && <span className="sr">{item.priority} priority: </span>}{item.title}</Link>
          <span className={css.when}>{when(item, now)}</span>
        </div>
        <p className={css.text}>{text}</p>
        {full && (
          <div className={css.actions}>
            {can('acknowledge') && !acked && <Button size="small" kind="white" onClick={() => act.mutate({ alarm: a.id, action: 'acknowledge' })}>{t.acknowledge}</Button>}
            {can('going') && !acked && <Button size="small" onClick={() => act.mutate({ alarm: a.id, action: 'going' })}>{t.going}</Button>}
            {can('talk') && <Button size="small" onClick={() => navigate({ to: item.link })}>{t.talk}</Button>}
            {can('open') && <Button size="small" onClick={() => navigate({ to: item.link })}>{t.openChart}</Button>}
          </div>
        )}
      </div>
    </li>
  )
}
