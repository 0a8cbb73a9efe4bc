import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Button, date, Dialog, problem, SelectField, TextField, toast, useFindPatients } from '@vigil/ui'
import { enrol, type Panel } from './api'
import { text as t } from './text'
import css from './EnrolDialog.module.css'

export function EnrolDialog({ programmes, onClose }: { programmes: Panel['programmes']; onClose: () => void }) {
  const client = useQueryClient()
  const [q, setQ] = useState('')
  const [programme, setProgramme] = useState(programmes[0]?.id ?? '')
  const { data = [] } = useFindPatients(q)
  const add = useMutation({ mutationFn: (id: string) => enrol(id, programme), onError: problem, onSuccess: () => { void client.invalidateQueries({ queryKey: ['rpm-panel'] }); toast(t.enrolled); onClose() } })
  return (
    <Dialog title={t.enrol} onClose={onClose}>
      <SelectField label={t.programme} value={programme} onChange={(e) => setProgramme(e.target.value)}>{programmes.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}</SelectField>
      <TextField label={t.search} value={q} onChange={(e) => setQ(e.target.value)} autoFocus />
      <ul className={css.hits}>{data.slice(0, 8).map((p) => <li key={p.id}><span><b>{p.name}</b><small>{date(p.birth_date)} · {p.mrn}</small></span><Button size="small" disabled={!programme} busy={add.isPending} onClick={() => add.mutate(p.id)}>{t.enrolDo}</Button></li>)}</ul>
    </Dialog>
  )
}
