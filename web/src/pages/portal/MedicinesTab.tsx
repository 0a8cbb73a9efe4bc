import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Check } from 'lucide-react'
import { post } from '../../api/client'
import { problem } from '../../api/queries'
import type { PortalMedicine } from '../../api/types'
import { portal as t } from '../../text/en'
import { toast } from '../../ui/toast'
import css from './MedicinesTab.module.css'

export function MedicinesTab({ medicines }: { medicines: PortalMedicine[] }) {
  return <section className={css.box}><h1>{t.today}</h1><MedicineList medicines={medicines} /></section>
}

export function MedicineList({ medicines }: { medicines: PortalMedicine[] }) {
  const client = useQueryClient()
  const taken = useMutation({
    mutationFn: (id: string) => post(`/portal/medicines/${id}/taken`), onError: problem,
    onSuccess: () => { toast(t.takenDone); void client.invalidateQueries({ queryKey: ['portal'] }) },
  })
  if (medicines.length === 0) return <p className={css.none}>{t.noMedicines}</p>
  return (
    <ul className={css.list}>
      {medicines.map((m) => (
        <li key={m.id} data-state={m.state}>
          <i className={css.mark} aria-hidden="true">{m.state === 'taken' && <Check size={18} strokeWidth={2.600} />}</i>
          <span className={css.name}>{m.name}</span>
          {m.state === 'due' || m.state === 'late'
            ? <button type="button" className={css.take} disabled={taken.isPending} onClick={() => taken.mutate(m.id)}>{t.taken}</button>
            : <span className={css.text}>{m.text}</span>}
        </li>
      ))}
    </ul>
  )
}
