import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { post } from '../api/client'
import { problem } from '../api/queries'
import type { Consult } from '../api/types'
import { patient as t, common } from '../text/en'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { AreaField, SelectField } from '../ui/Field'

// CloseDialog asks for what was found and done: both go to the record and to the alarm's history.
export function CloseDialog({ consult, onDone, onCancel }: { consult: Consult; onDone: (c: Consult) => void; onCancel: () => void }) {
  const [note, setNote] = useState('')
  const [action, setAction] = useState<keyof typeof t.actions>('none')
  const close = useMutation({ mutationFn: () => post<Consult>(`/consults/${consult.id}/close`, { note, action: t.actions[action] }), onSuccess: onDone, onError: problem })
  return (
    <Dialog title={t.closeTitle} onClose={onCancel} actions={<><Button onClick={onCancel}>{common.cancel}</Button><Button kind="primary" disabled={!note.trim()} busy={close.isPending} onClick={() => close.mutate()}>{t.closeDo}</Button></>}>
      <AreaField label={t.note} value={note} onChange={(e) => setNote(e.target.value)} autoFocus />
      <SelectField label={t.action} value={action} onChange={(e) => setAction(e.target.value as keyof typeof t.actions)}>
        {Object.entries(t.actions).map(([k, v]) => <option key={k} value={k}>{v}</option>)}
      </SelectField>
    </Dialog>
  )
}
