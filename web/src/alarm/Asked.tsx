import { useQuery } from '@tanstack/react-query'
import { Check } from 'lucide-react'
import { get } from '../api/client'
import type { Alarm } from '../api/types'
import { clock, time } from '../lib/format'
import { desk as t } from '../text/en'
import { Chip } from '../ui/Chip'
import css from './Asked.module.css'

interface Page { id: string; to: { id: string; name: string }; created: string; state: string }

// Asked is who was paged, what became of each page, who took it, and how long it took to be heard.
export function Asked({ alarm: a }: { alarm: Alarm }) {
  const { data } = useQuery({ queryKey: ['pages', a.id], queryFn: () => get<Page[]>(`/alarms/${encodeURIComponent(a.id)}/pages`), refetchInterval: 5_000 })
  const last = new Map<string, Page>()
  for (const p of [...(data ?? [])].reverse()) last.set(p.to.id, p)
  const d = a.delays
  if (last.size === 0 && !d) return null
  return (
    <section className={css.asked} aria-label={t.askedTitle}>
      <h2>{t.askedTitle}</h2>
      <ul>{[...last.values()].map((p) => (
        <li key={p.to.id}><span>{p.to.name} · {clock(time(p.created))}</span>{a.acked_by === p.to.name
          ? <Chip tone="good" icon={<Check size={13} aria-hidden />}>{t.acceptedBy(a.acked_by)}</Chip>
          : <Chip tone={p.state === 'failed' ? 'bad' : 'plain'}>{t.states[p.state] ?? p.state}</Chip>}</li>
      ))}
      {a.acked_by && ![...last.values()].some((p) => p.to.name === a.acked_by) && <li><span>{a.acked_by}</span><Chip tone="good" icon={<Check size={13} aria-hidden />}>{t.acceptedBy(a.acked_by)}</Chip></li>}</ul>
      {d && d.paging_ns !== undefined && <p className={css.soft}>{t.delays(seconds(d.condition_ns), seconds(d.signal_ns), seconds(d.paging_ns))}</p>}
    </section>
  )
}

const seconds = (ns: number) => (ns < 1e9 ? `${Math.max(1, Math.round(ns / 1e6))} ms` : `${(ns / 1e9).toFixed(ns < 1e10 ? 1 : 0)} s`)
