import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react'
import css from './Field.module.css'

interface Common { label: string; hint?: ReactNode; fault?: string }

function Frame({ id, label, hint, fault, children }: Common & { id: string; children: ReactNode }) {
  return (
    <div className={css.field}>
      <label htmlFor={id} className={css.label}>{label}</label>
      {children}
      {hint && <div id={id + 'h'} className={css.hint}>{hint}</div>}
      {fault && <div id={id + 'f'} className={css.fault} role="alert">{fault}</div>}
    </div>
  )
}

const describe = (id: string, hint: unknown, fault: unknown) =>
  [hint ? id + 'h' : '', fault ? id + 'f' : ''].filter(Boolean).join(' ') || undefined

export function TextField({ label, hint, fault, ...rest }: Common & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, fault }}>
      <input id={id} className={css.input} aria-invalid={fault ? true : undefined} aria-describedby={describe(id, hint, fault)} {...rest} />
    </Frame>
  )
}

export function SelectField({ label, hint, fault, children, ...rest }: Common & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId()
  return <Frame {...{ id, label, hint, fault }}><select id={id} className={css.input} {...rest}>{children}</select></Frame>
}

export function AreaField({ label, hint, fault, ...rest }: Common & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId()
  return <Frame {...{ id, label, hint, fault }}><textarea id={id} className={css.input} rows={3} aria-describedby={describe(id, hint, fault)} {...rest} /></Frame>
}
