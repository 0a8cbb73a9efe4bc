import type { ReactNode } from 'react'
import css from './Segmented.module.css'

export function Segmented<T extends string>({ label, options, value, onChange }: {
  label: string; options: { value: T; label: string; icon?: ReactNode }[]; value: T; onChange: (v: T) => void
}) {
  return (
    <div className={css.group} role="group" aria-label={label}>
      {options.map((o) => (
        <button key={o.value} type="button" aria-pressed={o.value === value} className={css.option} onClick={() => onChange(o.value)}>
          {o.icon}{o.label}
        </button>
      ))}
    </div>
  )
}
