import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { AreaField, Button, Dialog, problem, toast } from '@vigil/ui'
import { hold, type Day, type Dose } from './api'
import { text as t } from './text'

// HoldDialog: every dose that is not given asks for a reason.
export function HoldDialog({ dose, onDone, onClose }: { dose: Dose; onDone: (d: Day) => void; onClose: () => void }) {
  const [reason, setReason] = useState('')
  const act = useMutation({ mutationFn: () => hold(dose.id, reason.trim()), onSuccess: (d) => { toast(t.held); onDone(d) }, onError: problem })
  return (
    <Dialog title={t.holdTitle} onClose={onClose} actions={<><Button onClick={onClose}>{t.cancel}</Button><Button kind="primary" disabled={!reason.trim()} busy={act.isPending} onClick={() => act.mutate()}>{t.hold}</Button></>}>
      <p><b>{dose.medication}</b> {dose.dose}</p>
      <AreaField label={t.reason} hint={t.reasonHint} value={reason} onChange={(e) => setReason(e.target.value)} autoFocus />
    </Dialog>
  )
}
