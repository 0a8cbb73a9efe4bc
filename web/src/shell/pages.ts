import { Activity, BellRing, Brain, CalendarClock, ChartColumn, Cpu, House, LayoutGrid, LifeBuoy, MailX, Pill, Scale, ServerCog, ShieldAlert, TriangleAlert, type LucideIcon } from 'lucide-react'
import { useSession } from '../api/queries'
import type { Role } from '../api/types'
import { desk, shell as t } from '../text/en'

export interface Page { path: string; title: string; icon: LucideIcon }

const care: Role[] = ['nurse', 'physician', 'admin']
const tech: Role[] = ['engineer', 'admin']
const all: Role[] = ['nurse', 'physician', 'engineer', 'admin']

const fixed: (Page & { roles: Role[] })[] = [
  { path: '/ward', title: t.central, icon: LayoutGrid, roles: all },
  { path: '/alerts', title: t.alerts, icon: TriangleAlert, roles: care },
  { path: '/rules', title: t.rules, icon: Scale, roles: all },
  { path: '/on-call', title: desk.onCall, icon: CalendarClock, roles: all },
  { path: '/notifications', title: desk.mine, icon: BellRing, roles: all },
  { path: '/dead-letters', title: desk.dead, icon: MailX, roles: tech },
  { path: '/devices', title: t.devices, icon: Cpu, roles: all },
  { path: '/quarantine', title: t.quarantine, icon: ShieldAlert, roles: tech },
  { path: '/status', title: t.status, icon: ServerCog, roles: all },
  { path: '/report', title: t.report, icon: ChartColumn, roles: all },
  { path: '/models', title: t.models, icon: Brain, roles: all },
  { path: '/help', title: t.help, icon: LifeBuoy, roles: all },
]

const appIcons: Record<string, LucideIcon> = { house: House, home: House, pill: Pill, activity: Activity }

// usePages lists the pages of the product and of the applications for the person who is signed in.
export function usePages(): Page[] {
  const { data } = useSession()
  const roles = data?.user ? [data.user.role, ...data.user.roles] : []
  const own = fixed.filter((p) => p.roles.some((r) => roles.includes(r)))
  const apps = (data?.menu ?? []).map((m) => ({ path: m.path, title: m.title, icon: appIcons[m.icon] ?? Activity }))
  const known = new Set(own.map((p) => p.path))
  return [...own.slice(0, 2), ...apps.filter((a) => !known.has(a.path)), ...own.slice(2)]
}
