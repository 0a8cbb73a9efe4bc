import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { get, post, query } from '../../api/client'
import { problem } from '../../api/queries'
import type { Alarm, CareStep, Score, ThreadEntry, Trend } from '../../api/types'
import { serverNow } from '../../lib/clock'

const MINUTE = 60_000

// useTrend is the last hours, or those around a moment.
export const useTrend = (id: string, metrics: string[], hours: number, at?: number) => useQuery({
  queryKey: ['trend', id, metrics.join(), hours, at],
  queryFn: () => { const now = Math.round(serverNow()); const to = at === undefined ? now : Math.min(now, at + hours * 30 * MINUTE); return get<Trend>(`/patients/${id}/trend` + query({ metrics: metrics.join(), from_ms: to - hours * 60 * MINUTE, to_ms: to, points: 500 })) },
  enabled: metrics.length > 0, refetchInterval: MINUTE, placeholderData: (old) => old,
})

export const useNews = (id: string, hours: number) => useQuery({
  queryKey: ['news2', id, hours],
  queryFn: () => { const to = Math.round(serverNow()); const span = hours * 60 * MINUTE; return get<{ columns: { time_ms: number; score: Score }[] }>(`/patients/${id}/news2` + query({ from_ms: to - span, to_ms: to, step_ms: Math.round(span / 12) })) },
  refetchInterval: MINUTE, placeholderData: (old) => old,
})

export const usePatientAlarms = (id: string) => useQuery({ queryKey: ['patient-alarms', id], queryFn: () => get<Alarm[]>(`/patients/${id}/alarms`) })

export const useSteps = (id: string) => useQuery({ queryKey: ['steps', id], queryFn: () => get<CareStep[]>(`/patients/${id}/steps`), refetchInterval: 20_000 })

export function useTick(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ step, done }: { step: string; done: boolean }) => post<CareStep[]>(`/patients/${id}/steps/${step}`, { done }),
    onSuccess: (list) => client.setQueryData(['steps', id], list), onError: problem,
  })
}

export const useThread = (id: string) => useQuery({ queryKey: ['thread', id], queryFn: () => get<ThreadEntry[]>(`/patients/${id}/thread`), refetchInterval: 10_000 })

export function useWrite(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: { text: string; kind: 'message' | 'note' }) => post<ThreadEntry[]>(`/patients/${id}/thread`, body),
    onSuccess: (list) => (Array.isArray(list) ? client.setQueryData(['thread', id], list) : client.invalidateQueries({ queryKey: ['thread', id] })),
    onError: problem,
  })
}
