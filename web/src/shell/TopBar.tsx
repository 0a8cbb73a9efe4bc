import { useNavigate } from '@tanstack/react-router'
import { Activity, ArrowLeft, Search } from 'lucide-react'
import type { ReactNode } from 'react'
import { useAttention, useSession } from '../api/queries'
import { count } from '../alarm/model'
import { shell as t } from '../text/en'
import { PriorityGlyph } from '../ui/Glyph'
import { AudioState } from './AudioState'
import { BrandMenu } from './BrandMenu'
import { Clock } from './Clock'
import { openCommand } from './CommandBox'
import { ConnectionState } from './ConnectionState'
import { UserMenu } from './UserMenu'
import css from './TopBar.module.css'

// TopBar: brand, what the page adds, search, the open alarms by priority, sound, connection, clock, user.
export function TopBar({ children, back, compact }: { children?: ReactNode; back?: () => void; compact?: boolean }) {
  return (
    <header className={css.bar}>
      {back && <button type="button" className={css.back} aria-label="Back" onClick={back}><ArrowLeft size={18} /></button>}
      <BrandMenu mark={<span className={css.mark}><Activity size={16} strokeWidth={2.600} aria-hidden /></span>} />
      <div className={css.middle}>{children}</div>
      <button type="button" className={css.find} aria-label={t.find} onClick={openCommand}>
        <Search size={15} aria-hidden /><span>{t.find}</span><kbd aria-hidden="true">/</kbd>
      </button>
      <Training />
      <AlarmCounts compact={compact} />
      <AudioState />
      <ConnectionState />
      <Clock withDate={!compact} />
      <UserMenu />
    </header>
  )
}

// Training marks the simulated hospital on every page, so that nobody takes an invented patient for a real one.
function Training() {
  const { data } = useSession()
  return data?.site.demo ? <span className={css.training}><span className={css.long}>{t.training}</span><span className={css.short}>{t.trainingShort}</span></span> : null
}

function AlarmCounts({ compact }: { compact?: boolean }) {
  const { data } = useAttention(undefined)
  const navigate = useNavigate()
  const c = count((data?.open ?? []).filter((i) => i.kind === 'alarm' && i.alarm?.state !== 'acknowledged'))
  return (
    <div className={css.counts}>
      {(['high', 'medium', 'low'] as const).map((p) => c[p] > 0 && (
        <button key={p} type="button" className={css.count} data-priority={p} onClick={() => navigate({ to: '/alerts' })} aria-label={t.alarmCount(c[p], t[p])}>
          <PriorityGlyph priority={p} size={17} ink={`var(--${p})`} fill={`var(--${p}-ink)`} title={false} />
          {c[p]}{!compact && <span className={css.word}> {t[p]}</span>}
        </button>
      ))}
    </div>
  )
}
