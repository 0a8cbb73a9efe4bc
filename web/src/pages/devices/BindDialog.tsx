import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { post } from '../../api/client'
import { problem, useFindPatients } from '../../api/queries'
import { date } from '../../lib/format'
import { devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { TextField } from '../../ui/Field'
import { toast } from '../../ui/toast'
import css from './BindDialog.module.css'

export function BindDialog({ device, onClose }: { device: string; onClose: () => void }) {
  const client = useQueryClient()
  const [q, setQ] = useState('')
  const { data = [] } = useFindPatients(q)
  const bind = useMutation({
    mutationFn: (patient: string) => post(`/devices/${device}/bind`, { subject: `Patient/${patient}` }), onError: problem,
    onSuccess: () => { void client.invalidateQueries({ queryKey: ['device', device] }); toast(t.bound); onClose() },
  })
  return (
    <Dialog title={t.bind} onClose={onClose}>
      <TextField label={t.bindSearch} value={q} onChange={(e) => setQ(e.target.value)} autoFocus />
      <ul className={css.hits}>{data.slice(0, 8).map((p) => (
        <li key={p.id}><span><b>{p.name}</b><small>{[p.bed && `Bed ${p.bed.label}`, date(p.birth_date), p.mrn].filter(Boolean).join(' · ')}</small></span><Button size="small" busy={bind.isPending} onClick={() => bind.mutate(p.id)}>{t.bindDo}</Button></li>
      ))}</ul>
    </Dialog>
  )
}
