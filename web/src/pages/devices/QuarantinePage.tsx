import { Link, useNavigate } from '@tanstack/react-router'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { del, get, post, query } from '../../api/client'
import { problem } from '../../api/queries'
import type { Quarantine, QuarantineItem } from '../../api/types'
import { clock, date, time } from '../../lib/format'
import { Frame } from '../../shell/Frame'
import { common, devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Dialog } from '../../ui/Dialog'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { toast } from '../../ui/toast'
import css from './QuarantinePage.module.css'

// QuarantinePage: messages that could not be used, by reason. Each can be tried again once its cause is mended.
export function QuarantinePage() {
  const client = useQueryClient()
  const navigate = useNavigate()
  const [reason, setReason] = useState('')
  const [removing, setRemoving] = useState<QuarantineItem>()
  const { data, isError, error, refetch } = useQuery({ queryKey: ['quarantine', reason], queryFn: () => get<Quarantine>('/quarantine' + query({ reason })), refetchInterval: 10_000, placeholderData: (old) => old })
  const again = () => { void client.invalidateQueries({ queryKey: ['quarantine'] }); void client.invalidateQueries({ queryKey: ['devices'] }) }
  const all = useMutation({ mutationFn: () => post<{ released: number; kept: number }>('/quarantine/release', reason ? { reason } : {}), onSuccess: (r) => { toast(t.released(r.released, r.kept)); again() }, onError: problem })
  const one = useMutation({ mutationFn: (id: string) => post<{ detail: string }>(`/quarantine/${id}/release`), onSuccess: (r) => { toast(t.releasedOne(r.detail)); again() }, onError: problem })
  const remove = useMutation({ mutationFn: (id: string) => del(`/quarantine/${id}`), onSuccess: () => { setRemoving(undefined); again() }, onError: problem })
  return (
    <Frame title={t.qTitle} back={() => void navigate({ to: '/devices' })} actions={data && data.total > 0 && <Button kind="primary" busy={all.isPending} onClick={() => all.mutate()}>{t.releaseAll}</Button>}>
      {isError ? <ErrorPanel error={error} what={t.qTitle} retry={() => void refetch()} /> : !data ? <Skeleton /> : data.total === 0 ? <Empty title={t.qNone} text={t.qNoneText} /> : (
        <>
          <div><Segmented label={t.reason} value={reason} onChange={setReason} options={[{ value: '', label: `${t.all} ${data.total}` }, ...data.reasons.map((r) => ({ value: r.reason, label: `${r.reason.replace(/_/g, ' ')} ${r.count}` }))]} /></div>
          <ul className={css.list}>
            {data.items.map((q) => (
              <li key={q.id}>
                <Card flush title={<Link to="/devices/$id" params={{ id: q.device }}>{q.device}</Link>} aside={<><Chip tone="caution">{q.reason.replace(/_/g, ' ')}</Chip><span>{q.protocol} · {date(q.at)} {clock(time(q.at), true)}</span></>}>
                  <div className={css.body}>
                    <p>{q.detail}</p>
                    <pre tabIndex={0} aria-label={t.payload}>{q.payload}</pre>
                    <div className={css.actions}><Button size="small" kind="danger" onClick={() => setRemoving(q)}>{t.remove}</Button><Button size="small" busy={one.isPending && one.variables === q.id} onClick={() => one.mutate(q.id)}>{t.release}</Button></div>
                  </div>
                </Card>
              </li>
            ))}
          </ul>
        </>
      )}
      {removing && <Dialog title={t.removeTitle} onClose={() => setRemoving(undefined)} actions={<><Button onClick={() => setRemoving(undefined)}>{common.cancel}</Button><Button kind="danger" busy={remove.isPending} onClick={() => remove.mutate(removing.id)}>{t.remove}</Button></>}><p>{t.removeText}</p></Dialog>}
    </Frame>
  )
}
