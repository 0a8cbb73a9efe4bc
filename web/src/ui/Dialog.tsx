import { X } from 'lucide-react'
import { useEffect, useId, useRef, type ReactNode } from 'react'
import { cx } from './cx'
import css from './Dialog.module.css'

// Dialog is a native modal: the browser keeps the focus inside and gives it back.
export function Dialog({ title, onClose, children, actions, wide, bare }: {
  title: string; onClose: () => void; children: ReactNode; actions?: ReactNode; wide?: boolean; bare?: boolean
}) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => { if (!ref.current!.open) ref.current!.showModal() }, [])
  return (
    <dialog ref={ref} className={cx(css.dialog, wide && css.wide)} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); onClose() }}
      onClick={(e) => { if (e.target === ref.current) onClose() }}>
      <div className={css.inner}>
        <header className={bare ? 'sr' : css.head}>
          <h2 id={id}>{title}</h2>
          {!bare && <button type="button" className={css.close} aria-label="Close" onClick={onClose}><X size={18} /></button>}
        </header>
        <div className={bare ? undefined : css.body}>{children}</div>
        {actions && <footer className={css.actions}>{actions}</footer>}
      </div>
    </dialog>
  )
}
