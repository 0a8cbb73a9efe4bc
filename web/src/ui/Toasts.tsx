import { useSyncExternalStore } from 'react'
import { cx } from './cx'
import { toasts } from './toast'
import css from './Toasts.module.css'

export function Toasts() {
  const items = useSyncExternalStore(toasts.on, toasts.get)
  return <div className={css.stack} role="status" aria-live="polite">{items.map((i) => <div key={i.id} className={cx(css.toast, css[i.tone])}>{i.text}</div>)}</div>
}
