import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { cx } from './cx'
import css from './Button.module.css'

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'plain' | 'primary' | 'white' | 'danger' | 'ghost'
  size?: 'small' | 'normal' | 'large' | 'phone'
  icon?: ReactNode
  hint?: string // the key that does the same
  busy?: boolean
}

export function Button({ kind = 'plain', size = 'normal', icon, hint, busy, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} disabled={disabled || busy} aria-busy={busy || undefined}
      className={cx(css.button, css[kind], css[size], className)}>
      {icon}
      {children !== undefined && <span>{children}</span>}
      {hint && <kbd className={css.hint} aria-hidden="true">{hint}</kbd>}
    </button>
  )
}
