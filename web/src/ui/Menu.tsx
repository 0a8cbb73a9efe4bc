import { useEffect, useRef, useState, type ReactNode } from 'react'
import css from './Menu.module.css'

// Menu is a button with a sheet of choices. Arrow keys walk, Escape closes and gives the focus back.
export function Menu({ label, button, className, children, align = 'left' }: {
  label: string; button: ReactNode; className?: string; children: ReactNode; align?: 'left' | 'right'
}) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!open) return
    const away = (e: Event) => { if (!root.current!.contains(e.target as Node)) setOpen(false) }
    document.addEventListener('pointerdown', away)
    items(root.current!)[0]?.focus()
    return () => document.removeEventListener('pointerdown', away)
  }, [open])
  const onKeyDown = (e: React.KeyboardEvent) => {
    if (!open) return
    const all = items(root.current!)
    const at = all.indexOf(document.activeElement as HTMLElement)
    if (e.key === 'Escape') { setOpen(false); root.current!.querySelector('button')!.focus(); e.stopPropagation() }
    else if (e.key === 'ArrowDown') all[(at + 1) % all.length]?.focus()
    else if (e.key === 'ArrowUp') all[(at + all.length - 1) % all.length]?.focus()
    else return
    e.preventDefault()
  }
  return (
    <div ref={root} className={css.root} onKeyDown={onKeyDown}>
      <button type="button" className={className} aria-haspopup="true" aria-expanded={open} aria-label={label} onClick={() => setOpen(!open)}>{button}</button>
      {open && <div className={css.sheet} data-align={align} onClick={(e) => { if ((e.target as HTMLElement).closest('[data-item]')) setOpen(false) }}>{children}</div>}
    </div>
  )
}

const items = (root: HTMLElement) => [...root.querySelectorAll<HTMLElement>('[data-item]')]

export function MenuItem({ icon, children, onClick, pressed }: { icon?: ReactNode; children: ReactNode; onClick: () => void; pressed?: boolean }) {
  return <button type="button" data-item className={css.item} aria-pressed={pressed} onClick={onClick}>{icon}{children}</button>
}

export const MenuLabel = ({ children }: { children: ReactNode }) => <div className={css.label}>{children}</div>
