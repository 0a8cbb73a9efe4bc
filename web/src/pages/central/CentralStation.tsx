import { useNavigate } from '@tanstack/react-router'
import { LayoutGrid, List, PanelRight } from 'lucide-react'
import { useRef, useState } from 'react'
import { EscalateDialog } from '../../alarm/EscalateDialog'
import { isAcked, openAlarms } from '../../alarm/model'
import { useAlarmAction, useAttention, useWard } from '../../api/queries'
import type { Alarm, Bed } from '../../api/types'
import { useKeys } from '../../lib/keys'
import { useUnit } from '../../lib/unit'
import { useTopic } from '../../live/hooks'
import { LostBanner } from '../../shell/LostBanner'
import { TopBar } from '../../shell/TopBar'
import { central as t, shell } from '../../text/en'
import { Button } from '../../ui/Button'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { AdmitDialog } from './AdmitDialog'
import { AlarmBanner } from './AlarmBanner'
import { AttentionRail } from './AttentionRail'
import { BedList, PhoneRows } from './BedList'
import { BedTile } from './BedTile'
import { KeyHints } from './KeyHints'
import { useKiosk } from './kiosk'
import { UnitMap } from './UnitMap'
import { UnitSwitch } from './UnitSwitch'
import { useMedia } from '../../lib/media'
import css from './CentralStation.module.css'

type View = 'tiles' | 'list'
const VIEW_KEY = 'vigil.view'

// CentralStation watches one unit: tiles or list, the most urgent alarm, and the one queue beside it.
export function CentralStation() {
  const unit = useUnit()
  const ward = useWard(unit)
  const attention = useAttention(undefined)
  useTopic(unit ? { topic: 'ward', unit } : null)
  const [view, setViewState] = useState<View>(() => (localStorage.getItem(VIEW_KEY) === 'list' ? 'list' : 'tiles'))
  const [selected, setSelected] = useState<string>()
  const [admitting, setAdmitting] = useState<Bed>()
  const [escalating, setEscalating] = useState<Alarm>()
  const [rail, setRail] = useState(false)
  const wide = useMedia('(min-width: 1600px)')
  const phone = useMedia('(max-width: 599px)')
  const beds = ward.data?.beds ?? []
  const top = openAlarms(beds.flatMap((b) => b.alarms)).find((a) => !isAcked(a))
  const setView = (v: View) => { localStorage.setItem(VIEW_KEY, v); setViewState(v) }
  const actions = useCentralKeys({ beds, selected, top, setView, setAdmitting, setEscalating })

  const grid = useRef<HTMLDivElement>(null)
  const kiosk = useKiosk(beds, grid)
  const showRail = wide || rail
  return (
    <div className={css.page}>
      <TopBar>
        <UnitSwitch unit={unit} />
        {!phone && <Segmented label={shell.view} value={view} onChange={setView} options={[
          { value: 'tiles', label: shell.tiles, icon: <LayoutGrid size={15} aria-hidden /> }, { value: 'list', label: shell.list, icon: <List size={15} aria-hidden /> },
        ]} />}
      </TopBar>
      <LostBanner />
      {top && <AlarmBanner alarm={top} onAck={() => actions.act(top, 'acknowledge')} onVideo={() => actions.video(top)} onPause={() => actions.act(top, 'pause')} />}
      <div className={css.split} data-rail={showRail || undefined}>
        <main id="main" className={css.main} data-view={phone ? 'rows' : view}>
          <h1 className="sr">{t.title}</h1>
          {ward.isError ? <ErrorPanel error={ward.error} what={t.loadingWard} retry={() => void ward.refetch()} />
            : !ward.data ? <Skeleton lines={8} />
              : beds.length === 0 ? <Empty title={t.noBeds} text={t.noBedsText} />
                : phone ? <PhoneRows beds={beds} />
                  : view === 'list' ? <BedList beds={beds} />
                    : <div ref={grid} className={css.grid}>{kiosk.beds.map((b, i) => (
                        <BedTile key={b.id} bed={b} room={ward.data.room} selected={selected ? selected === b.id : i === 0} onFocus={setSelected} onAdmit={setAdmitting} />
                      ))}</div>}
        </main>
        {showRail && <AttentionRail data={attention.data}>{ward.data && beds.length > 0 && beds.length <= 20 && <UnitMap ward={ward.data} />}</AttentionRail>}
      </div>
      {!wide && <Button className={css.railButton} icon={<PanelRight size={16} aria-hidden />} aria-expanded={rail} onClick={() => setRail(!rail)}>{t.showRail(attention.data?.open.length ?? 0)}</Button>}
      <KeyHints ward={ward.data} />
      {admitting && <AdmitDialog bed={admitting} onClose={() => setAdmitting(undefined)} />}
      {escalating && <EscalateDialog alarm={escalating} onClose={() => setEscalating(undefined)} />}
    </div>
  )
}

interface KeyContext {
  beds: Bed[]
  selected: string | undefined
  top: Alarm | undefined
  setView: (v: View) => void
  setAdmitting: (b: Bed) => void
  setEscalating: (a: Alarm) => void
}

const links = () => [...document.querySelectorAll<HTMLElement>('[data-bed-link]')]

// columnsOf counts the tiles that share the first row, so that up and down move by rows whatever the width.
function columnsOf(all: HTMLElement[]): number {
  const tops = all.map((e) => e.closest('[data-bed]')!.getBoundingClientRect().top)
  return Math.max(1, tops.filter((y) => Math.abs(y - tops[0]!) < 4).length)
}

function useCentralKeys({ beds, selected, top, setView, setAdmitting, setEscalating }: KeyContext) {
  const mutate = useAlarmAction().mutate
  const navigate = useNavigate()
  const digits = useRef({ text: '', at: 0 })
  const bed = beds.find((b) => b.id === selected)
  const own = bed && openAlarms(bed.alarms).find((a) => !isAcked(a))
  const target = own ?? top
  const act = (a: Alarm, action: 'acknowledge' | 'pause') => mutate({ alarm: a.id, action })
  const video = (a: Alarm) => { if (a.patient) void navigate({ to: '/patient/$id', params: { id: a.patient.id }, hash: 'video' }) }
  const open = (id: string | undefined, hash?: string) => { if (id) void navigate({ to: '/patient/$id', params: { id }, hash }) }
  const move = (by: (at: number, n: number, cols: number) => number) => (e: KeyboardEvent) => {
    // Tiles without a link (cleaning) are stepped over.
    const all = links()
    if (all.length === 0) return
    e.preventDefault()
    const at = all.indexOf(document.activeElement as HTMLElement)
    all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : by(at, all.length, columnsOf(all))))]!.focus()
  }
  const digit = (e: KeyboardEvent) => {
    const d = digits.current
    d.text = e.timeStamp - d.at < 700 ? (d.text + e.key).slice(-2) : e.key
    d.at = e.timeStamp
    document.querySelector<HTMLElement>(`[data-bed="${d.text}"] [data-bed-link]`)?.focus()
  }
  useKeys({
    ArrowLeft: move((i) => i - 1), ArrowRight: move((i) => i + 1), ArrowUp: move((i, _n, c) => i - c), ArrowDown: move((i, _n, c) => i + c),
    Home: move(() => 0), End: move((_i, n) => n - 1), digit,
    a: () => target && act(target, 'acknowledge'), s: () => target && act(target, 'pause'), e: () => target && setEscalating(target),
    v: () => open(bed?.patient?.id ?? top?.patient?.id, 'video'), m: () => open(bed?.patient?.id ?? top?.patient?.id, 'message'),
    n: () => { const free = bed?.state === 'free' ? bed : beds.find((b) => b.state === 'free'); if (free) setAdmitting(free) },
    t: () => setView('tiles'), l: () => setView('list'), '?': () => void navigate({ to: '/help' }), Enter: () => open(bed?.patient?.id),
  })
  return { act, video }
}
