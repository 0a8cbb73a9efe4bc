import { useNavigate } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { get, query } from '../api/client'
import { useFindPatients } from '../api/queries'
import type { Device } from '../api/types'
import { useKeys } from '../lib/keys'
import { shell as t } from '../text/en'
import { Dialog } from '../ui/Dialog'
import { usePages } from './pages'
import css from './CommandBox.module.css'

const EVENT = 'vigil:command'
export const openCommand = (): void => { window.dispatchEvent(new Event(EVENT)) }

// CommandBox finds patients, devices and pages. It stands once in the shell.
export function CommandBox() {
  const [open, setOpen] = useState(false)
  useEffect(() => {
    const show = () => setOpen(true)
    window.addEventListener(EVENT, show)
    return () => window.removeEventListener(EVENT, show)
  }, [])
  const show = (e: KeyboardEvent) => { e.preventDefault(); setOpen(true) }
  useKeys({ '/': show, 'ctrl+k': show })
  return open ? <Box onClose={() => setOpen(false)} /> : null
}

interface Hit { key: string; group: string; title: string; text: string; path: string }

function useHits(q: string): Hit[] {
  const pages = usePages()
  const patients = useFindPatients(q)
  const devices = useQuery({ queryKey: ['devices', q], queryFn: () => get<Device[]>('/devices' + query({ q })), retry: false })
  const match = (s: string) => s.toLowerCase().includes(q.toLowerCase())
  return [
    ...(patients.data ?? []).slice(0, 6).map((p) => ({ key: 'p' + p.id, group: t.patients, title: p.name, text: [p.bed && `Bed ${p.bed.label}`, p.unit?.name, p.mrn].filter(Boolean).join(' · '), path: `/patient/${p.id}` })),
    ...pages.filter((p) => match(p.title)).map((p) => ({ key: p.path, group: t.pagesGroup, title: p.title, text: '', path: p.path })),
    ...(devices.data ?? []).slice(0, 5).map((d) => ({ key: 'd' + d.id, group: t.devicesGroup, title: d.name, text: [d.place, d.subject_name].filter(Boolean).join(' · '), path: `/devices/${d.id}` })),
  ]
}

function Box({ onClose }: { onClose: () => void }) {
  const [q, setQ] = useState('')
  const [at, setAt] = useState(0)
  const hits = useHits(q)
  const navigate = useNavigate()
  const go = (h: Hit | undefined) => { if (h) { onClose(); void navigate({ to: h.path }) } }
  const onKey = (e: React.KeyboardEvent) => {
    if (e.key === 'ArrowDown') setAt(Math.min(hits.length - 1, at + 1))
    else if (e.key === 'ArrowUp') setAt(Math.max(0, at - 1))
    else if (e.key === 'Enter') go(hits[at])
    else return
    e.preventDefault()
  }
  return (
    <Dialog title={t.findTitle} onClose={onClose} bare>
      <input className={css.input} autoFocus value={q} placeholder={t.find} aria-label={t.find} role="combobox" aria-expanded="true" aria-controls="hits"
        aria-activedescendant={hits[at] ? 'hit-' + at : undefined} onChange={(e) => { setQ(e.target.value); setAt(0) }} onKeyDown={onKey} />
      {hits.length === 0 ? <p className={css.none}>{t.noHit}</p> : (
        <ul id="hits" className={css.hits} role="listbox" aria-label={t.findTitle}>
          {hits.map((h, i) => (
            <li key={h.key} id={'hit-' + i} role="option" aria-selected={i === at} className={css.hit} onMouseMove={() => setAt(i)} onClick={() => go(h)}>
              <span>{h.title}</span><small>{h.text || h.group}</small>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  )
}
