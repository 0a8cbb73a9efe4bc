import { useMutation, useQueryClient } from '@tanstack/react-query'
import { BellMinus } from 'lucide-react'
import { useState } from 'react'
import { command, del, post } from '../api/client'
import { problem, useUser } from '../api/queries'
import type { Patient, Priority } from '../api/types'
import { age, time } from '../lib/format'
import { useBeat } from '../live/hooks'
import { common, desk as t } from '../text/en'
import { Button } from '../ui/Button'
import { Chip } from '../ui/Chip'
import { Dialog } from '../ui/Dialog'
import { SelectField, TextField } from '../ui/Field'
import { toast } from '../ui/toast'
import { covers, useOffs, type Off, type Scope } from './off'
import css from './OffBanner.module.css'

// OffBanner stands on every screen of the staff while any alarms are off, with what is left of each.
export function OffBanner() {
  const { data } = useOffs()
  if (!data || data.standing.length === 0) return null
  return <>{data.standing.map((o) => <Line key={o.id} off={o} />)}</>
}

function Line({ off: o }: { off: Off }) {
  const now = useBeat()
  const client = useQueryClient()
  const on = useMutation({ mutationFn: () => del(`/alarms-off/${o.id}`), onError: problem, onSuccess: () => { toast(t.onDone); void client.invalidateQueries({ queryKey: ['alarms-off'] }) } })
  const left = time(o.until) - now
  if (left <= 0) return null
  return (
    <div className={css.banner} role="status">
      <BellMinus size={18} aria-hidden /><span>{t.offBanner(o.label, common.priority[o.priority].toLowerCase(), o.by_name, o.reason, age(left))}</span>
      <Button size="small" busy={on.isPending} onClick={() => on.mutate()}>{t.onNow}</Button>
    </div>
  )
}

// OffChip is the mark on a tile or a patient's page.
export function OffChip({ scope, large }: { scope: Scope; large?: boolean }) {
  const { data } = useOffs()
  const now = useBeat()
  const ends = (data?.standing ?? []).filter((o) => covers(o, scope)).map((o) => time(o.until)).filter((end) => end > now)
  if (ends.length === 0) return null
  const text = t.offLeft(age(Math.max(...ends) - now))
  if (large) return <Chip large tone="caution" icon={<BellMinus size={14} aria-hidden />}>{text}</Chip>
  return <span className={css.mark}><BellMinus size={13} aria-label={t.off} />{age(Math.max(...ends) - now)}</span>
}

// OffButton opens the dialog that turns a patient's alarms off.
export function OffButton({ patient }: { patient: Patient }) {
  const [open, setOpen] = useState(false)
  return <><Button icon={<BellMinus size={16} aria-hidden />} onClick={() => setOpen(true)}>{t.off}</Button>{open && <OffDialog patient={patient} onClose={() => setOpen(false)} />}</>
}

const lengths = [5, 10, 15, 30, 60, 120, 240, 480, 720]

function OffDialog({ patient: p, onClose }: { patient: Patient; onClose: () => void }) {
  const client = useQueryClient()
  const { data } = useOffs()
  const physician = useUser()?.roles.includes('physician') ?? false
  const [scope, setScope] = useState('patient')
  const [priority, setPriority] = useState<Priority>('low')
  const [minutes, setMinutes] = useState(10)
  const [reason, setReason] = useState('')
  const [id] = useState(command)
  const limit = (data?.limits_s[priority] ?? 0) / 60
  const allowed = lengths.filter((m) => m <= limit)
  const chosen = allowed.includes(minutes) ? minutes : allowed.at(-1) ?? 0
  const off = useMutation({
    mutationFn: () => post('/alarms-off', { id, priority, reason, seconds: chosen * 60, ...(scope === 'patient' ? { patient_id: p.id } : scope === 'bed' ? { bed: p.bed?.id } : { unit: p.unit?.id }) }),
    onError: problem, onSuccess: () => { toast(t.offDone); void client.invalidateQueries({ queryKey: ['alarms-off'] }); onClose() },
  })
  return (
    <Dialog title={t.offTitle(p.name)} onClose={onClose} actions={<><Button onClick={onClose}>{common.cancel}</Button>
      <Button kind="danger" busy={off.isPending} disabled={reason.trim().length < 3 || chosen === 0} onClick={() => off.mutate()}>{t.offDo}</Button></>}>
      <div className={css.form}>
        <p>{t.offText}</p>
        <SelectField label={t.offScope} value={scope} onChange={(e) => setScope(e.target.value)}>
          <option value="patient">{t.offPatient}</option>{p.bed && <option value="bed">{t.offBed}</option>}{p.unit && <option value="unit">{t.offUnit}</option>}
        </SelectField>
        <SelectField label={t.offPriority} value={priority} onChange={(e) => setPriority(e.target.value as Priority)} hint={physician ? undefined : t.offHighHint}>
          {(['low', 'medium', 'high'] as const).map((x) => <option key={x} value={x} disabled={x === 'high' && !physician}>{common.priority[x]}</option>)}
        </SelectField>
        <SelectField label={t.offFor} value={chosen} onChange={(e) => setMinutes(Number(e.target.value))}>{allowed.map((m) => <option key={m} value={m}>{t.minutes(m)}</option>)}</SelectField>
        <TextField label={t.reason} value={reason} onChange={(e) => setReason(e.target.value)} hint={t.reasonHint} maxLength={500} required autoFocus />
      </div>
    </Dialog>
  )
}
