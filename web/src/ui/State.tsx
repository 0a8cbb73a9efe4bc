import type { ReactNode } from 'react'
import { ApiError } from '../api/client'
import { common as t } from '../text/en'
import { Button } from './Button'
import css from './State.module.css'

// Empty says what will be here, why it is not, and offers one action.
export function Empty({ title, text, action }: { title: string; text?: string; action?: ReactNode }) {
  return <div className={css.box}><p className={css.title}>{title}</p>{text && <p className={css.text}>{text}</p>}{action}</div>
}

// ErrorPanel says what failed, what to do, and gives a code to quote. A missing right is named as such.
export function ErrorPanel({ error, what, retry }: { error: unknown; what: string; retry?: () => void }) {
  const e = error instanceof ApiError ? error : null
  const denied = e?.kind === 'denied'
  return (
    <div className={css.box} role="alert">
      <p className={css.title}>{denied ? t.denied(what) : t.failed(what)}</p>
      <p className={css.text}>{e ? e.message : t.unexpected} {denied ? t.deniedHint : t.stillWorks}</p>
      {e?.id && <p className={css.code}>{t.code} {e.id}</p>}
      {retry && !denied && <Button size="small" onClick={retry}>{t.retry}</Button>}
    </div>
  )
}

// Skeleton keeps the frame of what is coming; it fades in late so that quick answers show nothing.
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return <div className={css.skeleton} role="status" aria-label={t.loading}>{Array.from({ length: lines }, (_, i) => <div key={i} />)}</div>
}
