import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { post } from '../api/client'
import { problem } from '../api/queries'
import type { Consult, Patient } from '../api/types'
import { useTopic } from '../live/hooks'
import { patient as t } from '../text/en'
import { Button } from '../ui/Button'
import { Card } from '../ui/Card'
import { initials } from '../lib/format'
import { CloseDialog } from './CloseDialog'
import { Messages } from './Messages'
import { useCall } from './useCall'
import { VideoStage } from './VideoStage'
import css from './ConsultPanel.module.css'

// ConsultPanel is the clinician's side of a consult: video while active, messages with the patient, and its close.
export function ConsultPanel({ patient, alarm, active, setActive }: { patient: Patient; alarm?: string; active: boolean; setActive: (on: boolean) => void }) {
  const client = useQueryClient()
  const consult = patient.consult
  const [closing, setClosing] = useState(false)
  const put = (c: Consult) => client.setQueryData<Patient>(['patient', patient.id], (p) => p && { ...p, consult: c.state === 'closed' ? undefined : c })
  const open = useMutation({ mutationFn: () => post<Consult>('/consults', { patient_id: patient.id, alarm, video: true }), onSuccess: put, onError: (e) => { setActive(false); problem(e) } })
  const say = useMutation({ mutationFn: (text: string) => post<Consult>(`/consults/${consult!.id}/messages`, { text }), onSuccess: put, onError: problem })
  const ring = open.mutate
  useEffect(() => { if (active) ring() }, [active, ring])
  useTopic(consult ? { topic: 'consult', consult: consult.id } : null)
  if (!active && !consult) return null
  return (
    <Card flush className={css.card}>
      {active && consult && open.isSuccess && <LiveVideo consult={consult.id} patient={patient} onHangUp={() => setActive(false)} />}
      {consult && (
        <div className={css.below}>
          <Messages consult={consult} busy={say.isPending} onSend={(text) => say.mutateAsync(text)} label={t.consult} />
          <div className={css.actions}>
            {!active && <Button size="small" onClick={() => setActive(true)}>{t.call}</Button>}
            <Button size="small" onClick={() => setClosing(true)}>{t.closeConsult}</Button>
          </div>
        </div>
      )}
      {closing && consult && <CloseDialog consult={consult} onDone={(c) => { put(c); setActive(false); setClosing(false) }} onCancel={() => setClosing(false)} />}
    </Card>
  )
}

function LiveVideo({ consult, patient, onHangUp }: { consult: string; patient: Patient; onHangUp: () => void }) {
  const call = useCall(consult, 'clinician')
  return <VideoStage call={call} title={t.videoOf(patient.given)} initials={initials(`${patient.given} ${patient.family}`)} onHangUp={onHangUp} />
}
