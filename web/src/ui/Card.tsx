import type { ReactNode } from 'react'
import { cx } from './cx'
import css from './Card.module.css'

export function Card({ title, aside, children, className, flush }: {
  title?: ReactNode; aside?: ReactNode; children: ReactNode; className?: string; flush?: boolean
}) {
  return (
    <section className={cx(css.card, className)}>
      {title !== undefined && <header className={css.head}><h2>{title}</h2>{aside !== undefined && <div className={css.aside}>{aside}</div>}</header>}
      <div className={cx(css.body, flush && css.flush)}>{children}</div>
    </section>
  )
}
