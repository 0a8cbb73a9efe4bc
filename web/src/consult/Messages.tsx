import { Send } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import type { Consult } from '../api/types'
import { useUser } from '../api/queries'
import { clock, time } from '../lib/format'
import { common } from '../text/en'
import css from './Messages.module.css'

// Messages is the talk between patient and clinician; the same on both sides, larger on the patient's.
export function Messages({ consult, onSend, busy, label, large }: { consult: Consult; onSend: (text: string) => Promise<unknown>; busy: boolean; label: string; large?: boolean }) {
  const [text, setText] = useState('')
  const user = useUser()
  const submit = (e: FormEvent) => { e.preventDefault(); if (text.trim()) void onSend(text.trim()).then(() => setText('')) }
  return (
    <div className={css.box} data-large={large || undefined}>
      <ul className={css.list} aria-label={label} tabIndex={0}>
        {consult.messages.slice(large ? -50 : -4).map((m) => <li key={m.id} data-mine={m.by === user?.id || (m.mine && m.name === user?.name) || undefined}><small>{m.name} · {clock(time(m.at))}</small>{m.text}</li>)}
      </ul>
      <form className={css.form} onSubmit={submit}>
        <input value={text} onChange={(e) => setText(e.target.value)} placeholder={label} aria-label={label} />
        <button type="submit" disabled={busy || !text.trim()} aria-label={common.send}><Send size={large ? 22 : 16} /></button>
      </form>
    </div>
  )
}
