import { Link, useParams } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import { Activity, ChartLine, House, MessageSquare, Pill, Users, type LucideIcon } from 'lucide-react'
import { useEffect, useState } from 'react'
import { get } from '../../api/client'
import { useUser } from '../../api/queries'
import type { Portal as PortalData } from '../../api/types'
import { VideoStage } from '../../consult/VideoStage'
import { useCall } from '../../consult/useCall'
import { forceTheme } from '../../lib/theme'
import { useLink, useTopic } from '../../live/hooks'
import { portal as t } from '../../text/en'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { FamilyTab } from './FamilyTab'
import { HomeTab } from './HomeTab'
import { MedicinesTab } from './MedicinesTab'
import { MessagesTab } from './MessagesTab'
import { PortalUser } from './PortalUser'
import { ReadingsTab } from './ReadingsTab'
import css from './Portal.module.css'

const tabs: { key: keyof typeof t.tabs; icon: LucideIcon }[] = [
  { key: 'home', icon: House }, { key: 'readings', icon: ChartLine }, { key: 'medicines', icon: Pill }, { key: 'messages', icon: MessageSquare }, { key: 'family', icon: Users },
]

// Portal is the patient's own phone. It shows no alarms and is always bright.
export function Portal() {
  const { tab = 'home' } = useParams({ strict: false }) as { tab?: string }
  const { data, isError, error, refetch } = useQuery({ queryKey: ['portal'], queryFn: () => get<PortalData>('/portal'), refetchInterval: 30_000 })
  const [call, setCall] = useState<{ consult: string; name: string; initials: string }>()
  const link = useLink()
  const user = useUser()
  useTopic({ topic: 'portal' })
  useEffect(() => { forceTheme('day'); return () => forceTheme(null) }, [])
  // The caller has hung up or closed: leave the video as well.
  const ended = call && data && data.consult?.id !== call.consult && !data.calling
  useEffect(() => { if (ended) setCall(undefined) }, [ended])
  return (
    <div className={css.page}>
      <header className={css.top}>
        <span className={css.brand}><span className={css.mark}><Activity size={20} strokeWidth={2.600} aria-hidden /></span>Vigil</span>
        <PortalUser initials={user?.initials ?? ''} name={user?.name ?? ''} />
      </header>
      <main id="main" className={css.main}>
        {(link.state === 'lost' || link.state === 'reconnecting') && <p className={css.notice} role="status">{t.live}</p>}
        {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton lines={6} /> : content(tab, data, (c) => setCall(c))}
      </main>
      <nav className={css.tabs} aria-label={t.nav}>
        {tabs.map(({ key, icon: Icon }) => (
          <Link key={key} to="/home/$tab" params={{ tab: key }} aria-current={key === tab ? 'page' : undefined}>
            <Icon size={24} aria-hidden />{t.tabs[key]}{key === 'messages' && (data?.messages_unread ?? 0) > 0 && <i className={css.unread} role="img" aria-label={t.unread(data!.messages_unread)} />}
          </Link>
        ))}
      </nav>
      {call && <PatientVideo {...call} onEnd={() => { setCall(undefined); void refetch() }} />}
    </div>
  )
}

function content(tab: string, data: PortalData, onJoin: (c: NonNullable<PortalData['calling']>) => void) {
  switch (tab) {
    case 'readings': return <ReadingsTab />
    case 'medicines': return <MedicinesTab medicines={data.medicines} />
    case 'messages': return <MessagesTab />
    case 'family': return <FamilyTab />
    default: return <HomeTab data={data} onJoin={onJoin} />
  }
}

function PatientVideo({ consult, name, initials, onEnd }: { consult: string; name: string; initials: string; onEnd: () => void }) {
  const call = useCall(consult, 'patient')
  return <VideoStage full call={call} title={t.inCall(name)} initials={initials} onHangUp={onEnd} />
}
