import { useSyncExternalStore } from 'react'

export const themes = ['ward', 'day', 'night', 'contrast'] as const
export type Theme = (typeof themes)[number]

const KEY = 'vigil.theme'
const listeners = new Set<() => void>()

const stored = (): Theme => {
  const t = localStorage.getItem(KEY)
  return themes.includes(t as Theme) ? (t as Theme) : 'ward'
}

// A page may force its own theme: the patient's phone is always bright.
let forced: Theme | null = null

const apply = () => {
  document.documentElement.dataset.theme = forced ?? stored()
  for (const fn of listeners) fn()
}

export function setTheme(t: Theme): void { localStorage.setItem(KEY, t); apply() }
export function forceTheme(t: Theme | null): void { forced = t; apply() }
export const initTheme = apply

const subscribe = (fn: () => void) => { listeners.add(fn); return () => { listeners.delete(fn) } }
export const useTheme = (): Theme => useSyncExternalStore(subscribe, () => forced ?? stored())
