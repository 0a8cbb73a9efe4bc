import { useNavigate } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { usePages } from './pages'
import { shell as t } from '../text/en'
import { Menu, MenuItem } from '../ui/Menu'
import css from './BrandMenu.module.css'

// BrandMenu is the way to every page this person may open.
export function BrandMenu({ mark }: { mark: ReactNode }) {
  const navigate = useNavigate()
  const pages = usePages()
  return (
    <nav aria-label={t.pages}>
      <Menu label={`${t.brand}, ${t.pages.toLowerCase()}`} className={css.brand} button={<>{mark}<span className={css.word}>{t.brand}</span></>}>
        {pages.map((p) => <MenuItem key={p.path} icon={<p.icon size={16} aria-hidden />} onClick={() => navigate({ to: p.path })}>{p.title}</MenuItem>)}
      </Menu>
    </nav>
  )
}
