import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useRef, useState, type KeyboardEvent as ReactKeyboardEvent } from 'react'
import { openAlarms } from '../../alarm/model'
import { usePatient } from '../../api/queries'
import { useKeys } from '../../lib/keys'
import { useTopic } from '../../live/hooks'
import { LostBanner } from '../../shell/LostBanner'
import { TopBar } from '../../shell/TopBar'
import { patient as t } from '../../text/en'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { PatientBand } from '../patient/PatientBand'
import { RecordList } from './RecordList'
import { ResourcePane } from './ResourcePane'
import css from './RecordPage.module.css'

// RecordPage is the whole record of a patient in reading order: the entries on one side, one of them in words on the other.
// "?r=Type/id" names the entry that is open.
export function RecordPage() {
  const { id = '' } = useParams({ strict: false }) as { id?: string }
  const { r } = useSearch({ strict: false }) as { r?: unknown }
  const open = r === undefined ? undefined : String(r)
  const navigate = useNavigate()
  const { data: p, isError, error, refetch } = usePatient(id)
  useTopic({ topic: 'patient', patient: id })
  const [query, setQuery] = useState('')
  const search = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const leave = () => void navigate({ to: '/patient/$id/$tab', params: { id, tab: 'record' } })
  const close = () => {
    void navigate({ to: '/patients/$id/record', params: { id } })
    requestAnimationFrame(() => entryOf(list.current, open)?.focus())
  }
  const walk = (by: number) => (e: KeyboardEvent) => {
    const at = document.activeElement
    if (at && at !== document.body && !list.current?.contains(at)) return
    e.preventDefault()
    step(list.current, open, by)
  }
  useKeys({
    '/': (e) => { e.preventDefault(); search.current?.focus(); search.current?.select() },
    ArrowDown: walk(1), ArrowUp: walk(-1), Escape: (e) => { e.preventDefault(); if (open) close(); else if (query) setQuery(''); else leave() }, '?': () => void navigate({ to: '/help' }),
  }, true)
  const onSearchKey = (e: ReactKeyboardEvent<HTMLInputElement>) => {
    if (e.key === 'ArrowDown') step(list.current, undefined, 1)
    else if (e.key === 'Enter') list.current?.querySelector<HTMLElement>('[data-entry]')?.click()
    else if (e.key === 'Escape' && query) setQuery('')
    else if (e.key === 'Escape') e.currentTarget.blur()
    else return
    e.preventDefault()
  }
  const toMonitor = (hash?: string) => void navigate({ to: '/patient/$id', params: { id }, hash })
  return (
    <div className={css.page}>
      <TopBar back={leave} compact />
      <LostBanner />
      {isError ? <main id="main"><ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /></main> : !p ? <Skeleton lines={8} /> : (
        <>
          <PatientBand patient={p} alarm={openAlarms(p.alarms)[0]} onVideo={() => toMonitor('video')} onMessage={() => toMonitor()} onReport={() => void navigate({ to: '/patient/$id/report', params: { id } })} />
          <main id="main" className={css.main} data-open={open !== undefined || undefined}>
            <RecordList patient={id} open={open} query={query} setQuery={setQuery} search={search} list={list} onSearchKey={onSearchKey} />
            <ResourcePane key={open} patient={id} open={open} onClose={close} />
          </main>
        </>
      )}
    </div>
  )
}

const entries = (list: HTMLElement | null): HTMLElement[] => [...(list?.querySelectorAll<HTMLElement>('[data-entry], [data-more]') ?? [])]
const entryOf = (list: HTMLElement | null, ref: string | undefined): HTMLElement | undefined => entries(list).find((x) => x.dataset.entry === ref)

// step moves the focus along the entries, from the one that has it, or else from the one that is open.
function step(list: HTMLElement | null, open: string | undefined, by: number): void {
  const all = entries(list)
  const at = all.findIndex((x) => x === document.activeElement)
  const from = at >= 0 ? at : all.findIndex((x) => x.dataset.entry === open)
  const next = from < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, from + by))
  all[next]?.focus()
}
