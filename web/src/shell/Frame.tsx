import type { ReactNode } from 'react'
import { LostBanner } from './LostBanner'
import { TopBar } from './TopBar'
import css from './Frame.module.css'

// Frame is the page of lists and forms: top bar, a heading, content that scrolls.
export function Frame({ title, actions, children, back }: { title: string; actions?: ReactNode; children: ReactNode; back?: () => void }) {
  return (
    <div className={css.page}>
      <TopBar back={back} />
      <LostBanner />
      <main id="main" className={css.main}>
        <div className={css.head}><h1>{title}</h1><div className={css.actions}>{actions}</div></div>
        {children}
      </main>
    </div>
  )
}
