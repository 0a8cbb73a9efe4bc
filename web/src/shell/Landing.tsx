import { Navigate } from '@tanstack/react-router'
import { useUser } from '../api/queries'

// Landing sends each role to where its work is; a physician on a phone begins with the alarms.
export function Landing() {
  const user = useUser()
  if (!user) return null
  if (user.role === 'patient') return <Navigate to="/home" replace />
  if (user.role === 'engineer') return <Navigate to="/devices" replace />
  if (user.role === 'physician' && window.innerWidth < 600) return <Navigate to="/alerts" replace />
  return <Navigate to="/ward" replace />
}
