import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { post } from '../../api/client'
import { problem, useFindPatients, useUser } from '../../api/queries'
import { serverNow } from '../../lib/clock'
import { date } from '../../lib/format'
import { devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { SelectField, TextField } from '../../ui/Field'
import { toast } from '../../ui/toast'
import css from './BindDialog.module.css'

const HOUR = 3_600_000
const sinces = { now: 0, hour: HOUR, day: 24 * HOUR }

// BindDialog says whom a device speaks for, and since when: what it sent before it was bound waits in the quarantine for that.
export function BindDialog({ device, onClose }: { device: string; onClose: () => void }) {
  const client = useQueryClient()
  const clinical = useUser()?.roles.some((r) => r !== 'engineer') ?? false
  const [since, setSince] = useState<keyof typeof sinces>('now')
  const bind = useMutation({
    mutationFn: (subject: string) => post(`/devices/${device}/bind`, { subject, from: sinces[since] ? new Date(serverNow() - sinces[since]).toISOString() : undefined }), onError: problem,
    onSuccess: () => { void client.invalidateQueries({ queryKey: ['device', device] }); toast(t.bound); onClose() },
  })
  return (
    <Dialog title={t.bind} onClose={onClose}>
      <div className={css.form}>
        <SelectField label={t.since} value={since} onChange={(e) => setSince(e.target.value as keyof typeof sinces)} hint={t.sinceHint}>
          {Object.entries(t.sinces).map(([k, v]) => <option key={k} value={k}>{v}</option>)}
        </SelectField>
        {clinical ? <Find busy={bind.isPending} onBind={(id) => bind.mutate('Patient/' + id)} /> : <ByNumber busy={bind.isPending} onBind={bind.mutate} />}
      </div>
    </Dialog>
  )
}

function Find({ busy, onBind }: { busy: boolean; onBind: (id: string) => void }) {
  const [q, setQ] = useState('')
  const { data = [] } = useFindPatients(q)
  return (
    <>
      <TextField label={t.bindSearch} value={q} onChange={(e) => setQ(e.target.value)} autoFocus />
      <ul className={css.hits}>{data.slice(0, 8).map((p) => (
        <li key={p.id}><span><b>{p.name}</b><small>{[p.bed && `Bed ${p.bed.label}`, date(p.birth_date), p.mrn].filter(Boolean).join(' · ')}</small></span><Button size="small" busy={busy} aria-label={`${t.bindDo} ${p.name}`} onClick={() => onBind(p.id)}>{t.bindDo}</Button></li>
      ))}</ul>
    </>
  )
}

// ByNumber is for those who may not look into charts: they bind by what stands on the wristband or the door.
function ByNumber({ busy, onBind }: { busy: boolean; onBind: (subject: string) => void }) {
  const [id, setId] = useState('')
  const submit = (e: FormEvent) => { e.preventDefault(); const s = id.trim(); if (s) onBind(/^(Patient|Location)\//.test(s) ? s : 'Patient/' + s) }
  return (
    <form className={css.form} onSubmit={submit}>
      <TextField label={t.bindId} value={id} onChange={(e) => setId(e.target.value)} autoFocus required hint={t.bindIdHint} />
      <div className={css.end}><Button type="submit" kind="primary" busy={busy}>{t.bindDo}</Button></div>
    </form>
  )
}
