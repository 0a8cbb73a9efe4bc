import { Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { Suspense, useEffect } from 'react'
import { useSession } from '../api/queries'
import { live } from '../live/socket'
import { shell as t } from '../text/en'
import { ErrorPanel, Skeleton } from '../ui/State'
import { Toasts } from '../ui/Toasts'
import { CommandBox } from './CommandBox'
import { ErrorBoundary } from './ErrorBoundary'
import { useAlarmSound } from './useAlarmSound'
import css from './Root.module.css'

const open = ['/signin', '/setup']

// Root decides who may stay: first run goes to setup, strangers to sign-in, patients to their own home.
export function Root() {
  const session = useSession()
  const { pathname } = useLocation()
  const navigate = useNavigate()
  const s = session.data
  const isPatient = s?.user?.role === 'patient'
  const target = !s ? null
    : s.site.setup_needed && !s.user ? '/setup'
      : !s.user ? '/signin'
        : open.includes(pathname) ? '/'
          : isPatient && !pathname.startsWith('/home') ? '/home' : null
  const away = target !== null && target !== pathname
  useEffect(() => { if (away) void navigate({ to: target, replace: true }) }, [away, target, navigate])
  const signedIn = Boolean(s?.user)
  useEffect(() => { if (signedIn) live.start(); else live.stop() }, [signedIn])
  if (session.isError) return <main><ErrorPanel error={session.error} what={t.brand} retry={() => void session.refetch()} /></main>
  if (!s || away) return <Skeleton />
  return (
    <>
      <a className={css.skip} href="#main">{t.skip}</a>
      <ErrorBoundary key={pathname}>
        <Suspense fallback={<Skeleton />}><Outlet /></Suspense>
      </ErrorBoundary>
      {signedIn && !isPatient && <StaffExtras />}
      <Toasts />
    </>
  )
}

function StaffExtras() {
  useAlarmSound()
  return <CommandBox />
}
