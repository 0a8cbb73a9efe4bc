import type { ReactNode } from 'react'
import { cx } from './cx'
import css from './Chip.module.css'

export type Tone = 'plain' | 'good' | 'caution' | 'bad' | 'use'

export function Chip({ tone = 'plain', icon, children, large }: { tone?: Tone; icon?: ReactNode; children: ReactNode; large?: boolean }) {
  return <span className={cx(css.chip, css[tone], large && css.large)}>{icon}{children}</span>
}
