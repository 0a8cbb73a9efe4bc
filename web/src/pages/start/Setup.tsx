import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Activity, Building2, Eye } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { ApiError, post } from '../../api/client'
import type { Session } from '../../api/types'
import { start as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { TextField } from '../../ui/Field'
import css from './Start.module.css'

// Setup is the first run: look around without any data, or make the first account of one's own site.
export function Setup() {
  const [mode, setMode] = useState<'choose' | 'own' | 'demo'>('choose')
  return (
    <main id="main" className={css.page}>
      <div className={css.panel}>
        <p className={css.brand}><span className={css.mark}><Activity size={20} strokeWidth={2.600} aria-hidden /></span>Vigil</p>
        <h1>{t.setupTitle}</h1>
        {mode === 'own' ? <Own onBack={() => setMode('choose')} /> : (
          <>
            <p className={css.soft}>{t.choose}</p>
            <div className={css.choices}>
              <button type="button" className={css.role} aria-expanded={mode === 'demo'} onClick={() => setMode('demo')}><Eye size={24} aria-hidden /><b>{t.demo}</b></button>
              <button type="button" className={css.role} onClick={() => setMode('own')}><Building2 size={24} aria-hidden /><b>{t.own}</b><small>{t.ownText}</small></button>
            </div>
            {mode === 'demo' && <div role="status"><p>{t.demoHow}</p><pre className={css.code}>vigil demo</pre></div>}
          </>
        )}
      </div>
    </main>
  )
}

function Own({ onBack }: { onBack: () => void }) {
  const client = useQueryClient()
  const make = useMutation({ mutationFn: (b: object) => post<Session>('/setup', b), onSuccess: (s) => client.setQueryData(['session'], s) })
  const submit = (e: FormEvent<HTMLFormElement>) => { e.preventDefault(); make.mutate(Object.fromEntries(new FormData(e.currentTarget))) }
  const error = make.error instanceof ApiError ? make.error : null
  const fault = (path: string) => error?.faults.find((f) => f.path === path)?.message
  return (
    <form className={css.form} onSubmit={submit}>
      <TextField label={t.token} name="token" required autoFocus autoComplete="off" hint={t.tokenHint} fault={fault('/token') ?? (error && error.faults.length === 0 ? error.message : undefined)} />
      <TextField label={t.site} name="site" required fault={fault('/site')} />
      <TextField label={t.name} name="name" autoComplete="name" required fault={fault('/name')} />
      <TextField label={t.login} name="login" autoComplete="username" required fault={fault('/login')} />
      <TextField label={t.password} name="password" type="password" autoComplete="new-password" required hint={t.passwordHint} fault={fault('/password')} />
      <div className={css.end}><Button size="large" onClick={onBack}>{t.back}</Button><Button type="submit" kind="primary" size="large" busy={make.isPending}>{t.finish}</Button></div>
    </form>
  )
}
