import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { api, get, post, query } from '../api/client'
import { useFindPatients } from '../api/queries'
import type { Trend } from '../api/types'
import { fileOf } from './file'
import type { Action, Checked, DayAlarms, Entry, Form, Replay, RuleView, Shadow, Tested, Version, Vocabulary } from './types'

export const useRules = () => useQuery({ queryKey: ['rules'], queryFn: async () => (await get<{ rules: Entry[] }>('/rules')).rules, refetchInterval: 60_000 })

export const useRule = (key: string | undefined) => useQuery({ queryKey: ['rule', key], queryFn: () => get<RuleView>('/rules/' + encodeURIComponent(key!)), enabled: key !== undefined })

export const useVocabulary = () => useQuery({ queryKey: ['rule-words'], queryFn: () => get<Vocabulary>('/rules/vocabulary'), staleTime: Infinity })

export interface RuleAlarms { from: string; rules: Record<string, number>; days: DayAlarms[]; more: boolean }
export const useRuleAlarms = (days: number) => useQuery({ queryKey: ['rule-alarms', days], queryFn: () => get<RuleAlarms>('/rules/alarms' + query({ days })), staleTime: 60_000 })

// useRaisedSince is what a rule raised since a moment.
export const useRaisedSince = (rule: string, from: number | undefined) => useQuery({ queryKey: ['rule-raised', rule, from], queryFn: () => get<RuleAlarms>('/rules/alarms' + query({ from_ms: from, rule })), enabled: from !== undefined, refetchInterval: 20_000 })

export const useShadows = (rule: string) => useQuery({ queryKey: ['rule-shadows', rule], queryFn: async () => (await get<{ shadows: Shadow[] | null }>('/rules/shadows' + query({ rule, limit: 5000 }))).shadows ?? [], refetchInterval: 20_000 })

export const check = (body: { edit: Form } | { text: string }) => post<Checked>('/rules/check', body)

// useChecked asks the server about a form once the person rests, and keeps the former answer until the next is there.
export function useChecked(form: Form | undefined) {
  const text = JSON.stringify(form)
  const [asked, setAsked] = useState(text)
  useEffect(() => { const id = setTimeout(() => setAsked(text), 250); return () => clearTimeout(id) }, [text])
  const q = useQuery({ queryKey: ['rule-check', asked], queryFn: () => check({ edit: JSON.parse(asked) as Form }), enabled: asked !== undefined, placeholderData: (old) => old, retry: false })
  return { ...q, settled: asked === text && !q.isPlaceholderData }
}

// useCheckedText gives the sentences of a rule file.
export const useCheckedText = (text: string | undefined) => useQuery({ queryKey: ['rule-check-text', text], queryFn: () => check({ text: text! }), enabled: Boolean(text), staleTime: Infinity, retry: false })

// compose writes the rule file of a form and its tests, with the server's own words.
export async function compose(form: Form, tests: string): Promise<string> {
  const checked = await check({ edit: form })
  return fileOf(checked.text ?? '', tests)
}

export const useRunTests = () => useMutation({ mutationFn: async ({ form, tests }: { form: Form; tests: string }) => post<Tested>('/rules/test', { text: await compose(form, tests) }) })

export interface DraftBody { text?: string; off?: string; note: string; propose?: boolean }

function useRefresh(key: string | undefined) {
  const client = useQueryClient()
  return () => Promise.all([client.invalidateQueries({ queryKey: ['rules'] }), client.invalidateQueries({ queryKey: ['rule', key] })])
}

export function useDraft(key: string | undefined) {
  const refresh = useRefresh(key)
  return useMutation({ mutationFn: (body: DraftBody) => post<Version>('/rules', body), onSettled: refresh })
}

export function useStep(key: string) {
  const refresh = useRefresh(key)
  return useMutation({
    mutationFn: ({ action, version, note }: { action: Action; version: number; note: string }) =>
      post<Version>(`/rules/${encodeURIComponent(key)}/${action}`, action === 'rollback' ? { note } : { version, note }),
    onSettled: refresh,
  })
}

export const isOver = (r: Replay): boolean => r.state !== 'queued' && r.state !== 'running'

export const useReplays = () => useQuery({
  queryKey: ['replays'], queryFn: async () => (await get<{ replays: Replay[] | null }>('/rules/replays')).replays ?? [],
  refetchInterval: (q) => (q.state.data?.some((r) => !isOver(r)) ? 2000 : 30_000),
})

export const useReplay = (id: string) => useQuery({ queryKey: ['replay', id], queryFn: () => get<Replay>('/rules/replays/' + id), refetchInterval: (q) => (q.state.data && isOver(q.state.data) ? false : 1000) })

export function useStartReplay() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (body: { text: string; days: number; units: string[]; note: string }) => post<Replay>('/rules/replays', body), onSuccess: () => client.invalidateQueries({ queryKey: ['replays'] }) })
}

export function useCancelReplay(id: string) {
  const client = useQueryClient()
  return useMutation({ mutationFn: () => api<void>('DELETE', '/rules/replays/' + id), onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['replay', id] }), client.invalidateQueries({ queryKey: ['replays'] })]) })
}

export const useMoment = (link: string) => useQuery({ queryKey: ['moment', link], queryFn: () => get<Trend>(link.replace(/^\/api/, '') + '&points=80'), staleTime: Infinity, retry: false })

// useNames gives the name of a subject, and its id where there is no patient of that id.
export function useNames(): (subject: string) => string {
  const { data } = useFindPatients('')
  return (subject) => {
    const id = subject.replace(/^Patient\//, '')
    return data?.find((p) => p.id === id)?.name ?? id
  }
}
