import { useSyncExternalStore } from 'react'

// useMedia follows a media query, for what CSS alone cannot decide (which component, not how it looks).
export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (fn) => { const m = window.matchMedia(query); m.addEventListener('change', fn); return () => m.removeEventListener('change', fn) },
    () => window.matchMedia(query).matches,
  )
}
