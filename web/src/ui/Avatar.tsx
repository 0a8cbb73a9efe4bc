import { cx } from './cx'
import css from './Avatar.module.css'

export function Avatar({ initials, size = 28, className }: { initials: string; size?: number; className?: string }) {
  return <span className={cx(css.avatar, className)} style={{ width: size, height: size, fontSize: Math.round(size * 0.36) }} aria-hidden="true">{initials}</span>
}
