import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { AreaField, Button, Dialog, problem, toast, type PatientShort } from '@vigil/ui'
import { contact } from './api'
import { text as t } from './text'

export function MessageDialog({ patients, onClose }: { patients: PatientShort[]; onClose: (sent: boolean) => void }) {
  const client = useQueryClient()
  const [words, setWords] = useState('')
  const send = useMutation({ mutationFn: () => contact(patients.map((p) => p.id), words.trim()), onError: problem, onSuccess: () => { void client.invalidateQueries({ queryKey: ['rpm-panel'] }); toast(t.sent); onClose(true) } })
  return (
    <Dialog title={t.messageTitle(patients.length)} onClose={() => onClose(false)} actions={<><Button onClick={() => onClose(false)}>{t.cancel}</Button><Button kind="primary" disabled={!words.trim()} busy={send.isPending} onClick={() => send.mutate()}>{t.send}</Button></>}>
      <p>{patients.map((p) => p.name).join(' · ')}</p>
      <AreaField label={t.messageText} rows={5} value={words} onChange={(e) => setWords(e.target.value)} autoFocus />
    </Dialog>
  )
}
