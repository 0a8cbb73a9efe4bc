import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { ApiError, get, post } from '../../api/client'
import type { Device, Profile } from '../../api/types'
import { devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { SelectField, TextField } from '../../ui/Field'
import { TokenOnce } from './TokenOnce'
import css from './EnrolDialog.module.css'

export function EnrolDialog({ onClose }: { onClose: () => void }) {
  const client = useQueryClient()
  const { data: profiles = [] } = useQuery({ queryKey: ['profiles'], queryFn: () => get<Profile[]>('/profiles') })
  const [key, setKey] = useState('')
  const profile = profiles.find((p) => p.key === key) ?? profiles[0]
  const enrol = useMutation({ mutationFn: (b: object) => post<{ device: Device; token: string }>('/devices', b), onSuccess: () => void client.invalidateQueries({ queryKey: ['devices'] }) })
  const error = enrol.error instanceof ApiError ? enrol.error : null
  const fault = (path: string) => error?.faults.find((f) => f.path === path)?.message
  const submit = (e: FormEvent<HTMLFormElement>) => { e.preventDefault(); enrol.mutate({ ...Object.fromEntries(new FormData(e.currentTarget)), profile: profile?.key }) }
  if (enrol.data) return <TokenOnce device={enrol.data.device} token={enrol.data.token} example={profile?.example} onClose={onClose} />
  return (
    <Dialog title={t.enrolTitle} onClose={onClose}>
      <form className={css.form} onSubmit={submit}>
        <SelectField label={t.profile} value={profile?.key ?? ''} onChange={(e) => setKey(e.target.value)} hint={profile && `${profile.manufacturer} ${profile.model} · ${profile.metrics.join(', ')} · ${profile.protocols.join(', ')}`}>
          {profiles.map((p) => <option key={p.key} value={p.key}>{p.title}</option>)}
        </SelectField>
        <TextField label={t.id} name="id" required pattern="[A-Za-z0-9\-_.]+" hint={t.idHint} autoComplete="off" fault={fault('/id') ?? (error && error.faults.length === 0 ? error.message : undefined)} />
        <TextField label={t.name} name="name" required fault={fault('/name')} />
        <TextField label={t.serial} name="serial" fault={fault('/serial')} />
        <div className={css.end}><Button type="submit" kind="primary" busy={enrol.isPending}>{t.make}</Button></div>
      </form>
    </Dialog>
  )
}
