import { QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { toast } from '../ui/toast'
import { ApiError, get, post, query } from './client'
import type { Alarm, AlarmAction, Attention, Bed, Metric, Patient, PatientShort, Session, Truth, Unit, User, Ward } from './types'

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      retry: (n, e) => n < 2 && !(e instanceof ApiError && e.status >= 400 && e.status < 500),
    },
  },
})

export const useSession = () => useQuery({ queryKey: ['session'], queryFn: () => get<Session>('/session'), staleTime: Infinity })

export function useUser(): User | null {
  return useSession().data?.user ?? null
}

const useMetrics = () => useQuery({ queryKey: ['metrics'], queryFn: () => get<Metric[]>('/metrics'), staleTime: Infinity })

// useMetric is the catalogue's entry of a metric: its name, unit and decimals.
export function useMetric(key: string | undefined): Metric | undefined {
  return useMetrics().data?.find((m) => m.key === key)
}

export const useUnits = () => useQuery({ queryKey: ['units'], queryFn: () => get<Unit[]>('/units'), staleTime: 60_000 })

export const useWard = (unit: string | undefined) => useQuery({
  queryKey: ['ward', unit], queryFn: () => get<Ward>('/ward' + query({ unit })), enabled: unit !== undefined,
  refetchInterval: 60_000, // the live channel keeps it fresh; this heals what a lost message left behind
})

export const useAttention = (unit: string | undefined, enabled = true) => useQuery({
  queryKey: ['attention', unit ?? ''], queryFn: () => get<Attention>('/attention' + query({ unit })), enabled, refetchInterval: 30_000,
})

export const usePatient = (id: string) => useQuery({ queryKey: ['patient', id], queryFn: () => get<Patient>(`/patients/${id}`), refetchInterval: 60_000 })

export const useAlarm = (id: string) => useQuery({ queryKey: ['alarm', id], queryFn: () => get<Alarm>(`/alarms/${id}`) })

export const useFindPatients = (q: string) => useQuery({ queryKey: ['patients', q], queryFn: () => get<PatientShort[]>('/patients' + query({ q })), staleTime: 5_000 })

// problem shows what went wrong with an action; it is never used for alarms.
export const problem = (e: unknown): void => toast(e instanceof Error ? e.message : 'The action did not work.', 'bad')

export function useAlarmAction() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ alarm, action, body }: { alarm: string; action: AlarmAction; body?: { reason?: string; text?: string; truth?: Truth } }) =>
      post<Alarm>(`/alarms/${alarm}/${action}`, body ?? {}),
    onSuccess: (a) => putAlarm(client, a),
    onError: problem,
  })
}

// putAlarm writes a changed alarm everywhere it is shown.
export function putAlarm(client: QueryClient, a: Alarm): void {
  const open = a.state !== 'resolved'
  const change = (list: Alarm[]) => [...list.filter((x) => x.id !== a.id), ...(open ? [a] : [])]
  client.setQueryData<Alarm>(['alarm', a.id], (old) => ({ ...a, evidence: a.evidence ?? old?.evidence }))
  client.setQueriesData<Ward>({ queryKey: ['ward'] }, (w) => w && {
    ...w, beds: w.beds.map((b) => (belongs(b, a) ? { ...b, alarms: change(b.alarms) } : b)),
  })
  const id = a.patient?.id ?? a.subject.replace(/^Patient\//, '')
  client.setQueryData<Patient>(['patient', id], (p) => p && { ...p, alarms: change(p.alarms) })
  client.setQueriesData<Alarm[]>({ queryKey: ['patient-alarms', id] }, (l) => l && l.map((x) => (x.id === a.id ? { ...a, evidence: a.evidence ?? x.evidence } : x)))
  client.setQueryData<Alarm[]>(['alarms'], (l) => l && [a, ...l.filter((x) => x.id !== a.id)])
  client.setQueriesData<Attention>({ queryKey: ['attention'] }, (t) => t && {
    ...t, open: open ? t.open.map((i) => (i.id === a.id || i.alarm?.id === a.id ? { ...i, alarm: a, priority: a.priority } : i)) : t.open.filter((i) => i.alarm?.id !== a.id && i.id !== a.id),
  })
}

const belongs = (b: Bed, a: Alarm): boolean =>
  b.patient !== undefined && (a.patient?.id === b.patient.id || a.subject === 'Patient/' + b.patient.id) || a.bed?.id === b.id
