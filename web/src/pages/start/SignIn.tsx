import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Activity, HeartPulse, Smartphone, Stethoscope, Wrench, type LucideIcon } from 'lucide-react'
import type { FormEvent } from 'react'
import { post } from '../../api/client'
import { useSession } from '../../api/queries'
import type { Session } from '../../api/types'
import { start as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { TextField } from '../../ui/Field'
import css from './Start.module.css'

const visits: { role: 'nurse' | 'physician' | 'patient' | 'engineer'; icon: LucideIcon }[] = [
  { role: 'nurse', icon: HeartPulse }, { role: 'physician', icon: Stethoscope }, { role: 'patient', icon: Smartphone }, { role: 'engineer', icon: Wrench },
]

// SignIn: one field for name or badge (a scanner types into it as well), then the password. In the simulated hospital a role is enough.
export function SignIn() {
  const client = useQueryClient()
  const { data } = useSession()
  const done = (s: Session) => client.setQueryData(['session'], s)
  const sign = useMutation({ mutationFn: (b: object) => post<Session>('/session', b), onSuccess: done })
  const visit = useMutation({ mutationFn: (role: string) => post<Session>('/session/visit', { role }), onSuccess: done })
  const submit = (e: FormEvent<HTMLFormElement>) => { e.preventDefault(); sign.mutate(Object.fromEntries(new FormData(e.currentTarget))) }
  const fault = (sign.error ?? visit.error)?.message
  return (
    <main id="main" className={css.page}>
      <div className={css.panel}>
        <p className={css.brand}><span className={css.mark}><Activity size={20} strokeWidth={2.600} aria-hidden /></span>Vigil</p>
        <h1>{t.title}</h1>
        <p className={css.soft}>{data?.site.name}</p>
        {data?.site.demo && (
          <section className={css.visits} aria-label={t.look}>
            <h2>{t.look}</h2>
            <div className={css.roles}>{visits.map(({ role, icon: Icon }) => (
              <button key={role} type="button" className={css.role} disabled={visit.isPending} onClick={() => visit.mutate(role)}><Icon size={22} aria-hidden /><b>{t.roles[role]}</b><small>{t.roleText[role]}</small></button>
            ))}</div>
            <p className={css.soft}>{t.demoText}</p>
          </section>
        )}
        <form className={css.form} onSubmit={submit}>
          <TextField label={t.login} name="login" autoComplete="username" autoFocus={!data?.site.demo} required />
          <TextField label={t.password} name="password" type="password" autoComplete="current-password" required fault={fault} />
          <Button type="submit" kind="primary" size="large" busy={sign.isPending}>{t.go}</Button>
        </form>
        {data && <p className={css.soft}>{t.version(data.site.version)}</p>}
      </div>
    </main>
  )
}
