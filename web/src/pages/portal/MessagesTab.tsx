import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { get, post } from '../../api/client'
import { problem } from '../../api/queries'
import type { Consult } from '../../api/types'
import { Messages } from '../../consult/Messages'
import { useTopic, useLiveMessage } from '../../live/hooks'
import { portal as t } from '../../text/en'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { useCallback } from 'react'
import css from './MessagesTab.module.css'

const KEY = ['portal-messages']
const none: Consult['messages'] = []

export function MessagesTab() {
  const client = useQueryClient()
  const { data, isPending, isError, error } = useQuery({ queryKey: KEY, queryFn: async () => (await get<Consult | null>('/portal/messages')) ?? null, refetchInterval: 10_000 })
  const say = useMutation({ mutationFn: (text: string) => post<Consult>('/portal/messages', { text }), onSuccess: (c) => client.setQueryData(KEY, c), onError: problem })
  useTopic(data ? { topic: 'consult', consult: data.id } : null)
  useLiveMessage('consult', useCallback(() => void client.invalidateQueries({ queryKey: KEY }), [client]))
  if (isError) return <ErrorPanel error={error} what={t.messages} />
  if (isPending) return <Skeleton />
  return (
    <section className={css.box}>
      <h1>{t.messages}</h1>
      {(data?.messages ?? none).length === 0 && <p className={css.none}><b>{t.noMessages}</b><br />{t.noMessagesText}</p>}
      <Messages large label={t.write} busy={say.isPending} onSend={(text) => say.mutateAsync(text)} consult={data ?? ({ messages: none } as unknown as Consult)} />
    </section>
  )
}
