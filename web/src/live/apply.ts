import type { QueryClient } from '@tanstack/react-query'
import { putAlarm } from '../api/queries'
import type { Alarm, Attention, Bed, Consult, DeviceMessage, Patient, Score, Ward } from '../api/types'
import type { Off, Offs } from '../alarm/off'
import type { LiveMessage } from './frame'
import { patientKey } from './vitals'

// apply writes what the live channel tells into the query cache, so that pages read one truth however it arrived.
export function apply(client: QueryClient, m: LiveMessage): void {
  switch (m.op) {
    case 'alarm': return alarmChanged(client, m.alarm as Alarm)
    case 'attention': return client.setQueriesData<Attention>({ queryKey: ['attention'] }, () => ({ open: m.open, coming: m.coming }) as Attention) as unknown as void
    case 'off': return void client.setQueryData<Offs>(['alarms-off'], (o) => ({ limits_s: o?.limits_s ?? {}, standing: m.standing as Off[] }))
    case 'bed': return putBed(client, m.bed as Bed)
    case 'score': return putScore(client, patientKey(m.subject as string), m.score as Score)
    case 'consult': return putConsult(client, m.consult as Consult)
    case 'portal': return void client.invalidateQueries({ queryKey: ['portal'] })
    case 'message': return putMessage(client, m.device as string | undefined, m.message as DeviceMessage)
    case 'hello': // after a reconnect anything may have changed meanwhile
      return void client.invalidateQueries({ predicate: (q) => ['ward', 'attention', 'patient', 'alarms', 'portal', 'consult', 'alarms-off'].includes(String(q.queryKey[0])) })
  }
}

// alarmChanged also reads again what a page derives from the patient's alarms: next steps and the alarm list.
function alarmChanged(client: QueryClient, alarm: Alarm): void {
  putAlarm(client, alarm)
  const patient = alarm.patient?.id
  if (patient) void client.invalidateQueries({ predicate: (q) => ['steps', 'patient-alarms'].includes(String(q.queryKey[0])) && q.queryKey[1] === patient })
}

function putBed(client: QueryClient, bed: Bed): void {
  client.setQueriesData<Ward>({ queryKey: ['ward'] }, (w) => w && { ...w, beds: w.beds.map((b) => (b.id === bed.id ? bed : b)) })
}

function putScore(client: QueryClient, patient: string, score: Score): void {
  client.setQueriesData<Ward>({ queryKey: ['ward'] }, (w) => w && { ...w, beds: w.beds.map((b) => (b.patient?.id === patient ? { ...b, news2: score } : b)) })
  client.setQueryData<Patient>(['patient', patient], (p) => p && { ...p, news2: score })
}

function putConsult(client: QueryClient, c: Consult): void {
  client.setQueryData(['consult', c.id], (old: Consult | undefined) => mine(c, old))
  client.setQueryData<Patient>(['patient', c.patient.id], (p) => p && { ...p, consult: c.state === 'closed' ? undefined : c })
  void client.invalidateQueries({ queryKey: ['portal'] })
}

// The live message is the same for both sides; "mine" is kept from what this side fetched, else judged by the page.
const mine = (c: Consult, old: Consult | undefined): Consult => ({
  ...c, messages: c.messages.map((m) => ({ ...m, mine: old?.messages.find((o) => o.id === m.id)?.mine ?? m.mine })),
})

function putMessage(client: QueryClient, device: string | undefined, m: DeviceMessage): void {
  // Only a page that is open has asked for messages; the list of a page left behind must not take another device's.
  const queryKey = device ? ['device-messages', device] : ['device-messages']
  client.setQueriesData<DeviceMessage[]>({ queryKey, type: 'active' }, (l) => l && [m, ...l].slice(0, 200))
}
