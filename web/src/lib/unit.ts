import { useSyncExternalStore } from 'react'
import { useUnits } from '../api/queries'

// The unit this workstation watches, remembered on it.

const KEY = 'vigil.unit'
const listeners = new Set<() => void>()

export function setUnit(id: string): void {
  localStorage.setItem(KEY, id)
  for (const fn of listeners) fn()
}

const subscribe = (fn: () => void) => { listeners.add(fn); return () => { listeners.delete(fn) } }

export function useUnit(): string | undefined {
  const stored = useSyncExternalStore(subscribe, () => localStorage.getItem(KEY))
  const { data } = useUnits()
  if (!data) return undefined
  return (data.find((u) => u.id === stored) ?? data.find((u) => u.beds > 0) ?? data[0])?.id
}
