import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { post } from '../../api/client'
import { problem, useFindPatients } from '../../api/queries'
import type { Bed, PatientShort, Ward } from '../../api/types'
import { date } from '../../lib/format'
import { central as t, common } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { SelectField, TextField } from '../../ui/Field'
import { Segmented } from '../../ui/Segmented'
import { toast } from '../../ui/toast'
import css from './AdmitDialog.module.css'

export function AdmitDialog({ bed, onClose }: { bed: Bed; onClose: () => void }) {
  const client = useQueryClient()
  const [mode, setMode] = useState<'known' | 'new'>('known')
  const admit = useMutation({
    mutationFn: (body: object) => post<Bed>(`/beds/${bed.id}/admit`, body),
    onSuccess: (b) => {
      client.setQueriesData<Ward>({ queryKey: ['ward'] }, (w) => w && { ...w, beds: w.beds.map((x) => (x.id === b.id ? b : x)) })
      toast(t.admitted)
      onClose()
    },
    onError: problem,
  })
  return (
    <Dialog title={t.admitTitle(bed.label)} onClose={onClose}>
      <Segmented label={t.admit} value={mode} onChange={setMode} options={[{ value: 'known', label: t.admitKnown }, { value: 'new', label: t.admitNew }]} />
      {mode === 'known' ? <Known onPick={(p) => admit.mutate({ patient_id: p.id })} busy={admit.isPending} /> : <NewPatient onDone={(b) => admit.mutate(b)} busy={admit.isPending} />}
    </Dialog>
  )
}

function Known({ onPick, busy }: { onPick: (p: PatientShort) => void; busy: boolean }) {
  const [q, setQ] = useState('')
  const { data = [] } = useFindPatients(q)
  return (
    <>
      <TextField label={t.search} value={q} onChange={(e) => setQ(e.target.value)} autoFocus />
      <ul className={css.hits}>{data.filter((p) => !p.bed).slice(0, 8).map((p) => (
        <li key={p.id}><span><b>{p.name}</b><small>{date(p.birth_date)} · {p.mrn}</small></span><Button size="small" kind="primary" busy={busy} onClick={() => onPick(p)}>{t.admitDo}</Button></li>
      ))}</ul>
    </>
  )
}

function NewPatient({ onDone, busy }: { onDone: (body: object) => void; busy: boolean }) {
  const submit = (e: FormEvent<HTMLFormElement>) => { e.preventDefault(); onDone(Object.fromEntries(new FormData(e.currentTarget))) }
  return (
    <form className={css.form} onSubmit={submit}>
      <TextField label={t.family} name="family" required autoFocus />
      <TextField label={t.given} name="given" required />
      <TextField label={t.born} name="birth_date" type="date" required />
      <SelectField label={t.sex} name="sex">{(['F', 'M', 'O', 'U'] as const).map((s) => <option key={s} value={s}>{t.sexes[s]}</option>)}</SelectField>
      <TextField label={t.mrn} name="mrn" required />
      <div className={css.end}><Button type="submit" kind="primary" busy={busy}>{t.admitDo}</Button></div>
      <span className="sr">{common.save}</span>
    </form>
  )
}
