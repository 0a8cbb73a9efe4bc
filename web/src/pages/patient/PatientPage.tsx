import { Link, useLocation, useNavigate, useParams } from '@tanstack/react-router'
import { Suspense, useState } from 'react'
import { EscalateDialog } from '../../alarm/EscalateDialog'
import { isAcked, openAlarms } from '../../alarm/model'
import { useAlarmAction, usePatient } from '../../api/queries'
import type { Alarm, Patient } from '../../api/types'
import { patientTab } from '../../apps'
import { useKeys } from '../../lib/keys'
import { useTopic } from '../../live/hooks'
import { LostBanner } from '../../shell/LostBanner'
import { TopBar } from '../../shell/TopBar'
import { patient as t } from '../../text/en'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { AlarmLine } from './AlarmLine'
import { AlarmsTab } from './AlarmsTab'
import { DevicesTab } from './DevicesTab'
import { MonitorTab } from './MonitorTab'
import { NotesTab } from './NotesTab'
import { PatientBand } from './PatientBand'
import { RecordTab } from './RecordTab'
import css from './PatientPage.module.css'

const tabs = ['monitor', 'alarms', 'medication', 'notes', 'devices', 'record'] as const
type Tab = (typeof tabs)[number]

export function PatientPage() {
  const { id = '', tab = 'monitor' } = useParams({ strict: false }) as { id?: string; tab?: string }
  const { hash } = useLocation()
  const navigate = useNavigate()
  const { data: p, isError, error, refetch } = usePatient(id)
  useTopic({ topic: 'patient', patient: id })
  const [escalating, setEscalating] = useState<Alarm>()
  const [video, setVideo] = useState(hash === 'video')
  const act = useAlarmAction().mutate
  const alarms = openAlarms(p?.alarms ?? [])
  const alarm = alarms[0]
  const toTab = (x: Tab, h?: string) => navigate({ to: '/patient/$id/$tab', params: { id, tab: x }, hash: h })
  const call = () => { setVideo(true); if (tab !== 'monitor') void toTab('monitor') }
  const write = () => { if (tab !== 'monitor') void toTab('monitor'); setTimeout(() => document.getElementById('thread-input')?.focus(), 50) }
  useKeys({
    Escape: () => void navigate({ to: '/ward' }), a: () => alarm && !isAcked(alarm) && act({ alarm: alarm.id, action: 'acknowledge' }),
    s: () => alarm && act({ alarm: alarm.id, action: 'pause' }), e: () => alarm && setEscalating(alarm), v: call,
    m: (e) => { e.preventDefault(); write() }, '?': () => void navigate({ to: '/help' }),
  })
  return (
    <div className={css.page}>
      <TopBar back={() => void navigate({ to: '/ward' })} compact>
        <nav className={css.tabs} aria-label={p?.name}>
          {tabs.map((x) => <Link key={x} to="/patient/$id/$tab" params={{ id, tab: x }} className={css.tab} aria-current={x === tab ? 'page' : undefined}>{t.tabs[x]}{badge(x, p)}</Link>)}
        </nav>
      </TopBar>
      <LostBanner />
      {isError ? <main id="main"><ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /></main> : !p ? <Skeleton lines={8} /> : (
        <>
          <PatientBand patient={p} alarm={alarm} onVideo={call} onMessage={write} onReport={() => void navigate({ to: '/patient/$id/report', params: { id } })} />
          {alarm && <AlarmLine alarm={alarm} more={alarms.length - 1} onEscalate={() => setEscalating(alarm)} />}
          <main id="main" className={css.main} data-tab={tab}>{content(tab, p, alarm, video, setVideo)}</main>
        </>
      )}
      {escalating && <EscalateDialog alarm={escalating} onClose={() => setEscalating(undefined)} />}
    </div>
  )
}

const badge = (tab: Tab, p: Patient | undefined): string => {
  const n = tab === 'alarms' ? p?.alarms.length : tab === 'devices' ? p?.devices.length : 0
  return n ? ` ${n}` : ''
}

function content(tab: string, p: Patient, alarm: Alarm | undefined, video: boolean, setVideo: (on: boolean) => void) {
  switch (tab) {
    case 'alarms': return <AlarmsTab patient={p} />
    case 'notes': return <NotesTab patient={p} />
    case 'devices': return <DevicesTab patient={p} />
    case 'record': return <RecordTab patient={p} />
    case 'medication': {
      const Tab = patientTab('medication')
      return Tab ? <Suspense fallback={<Skeleton />}><Tab patient={p.id} /></Suspense> : <Empty title={t.noMedication} />
    }
    default: return <MonitorTab patient={p} alarm={alarm} video={video} setVideo={setVideo} />
  }
}
