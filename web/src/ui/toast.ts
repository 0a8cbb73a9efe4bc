// A toast tells that an action was done or failed. Never for alarms: those must not pass by.

export interface ToastItem { id: number; text: string; tone: 'good' | 'bad' }

let items: ToastItem[] = []
let next = 1
const listeners = new Set<() => void>()
const set = (list: ToastItem[]) => { items = list; for (const fn of listeners) fn() }

export function toast(text: string, tone: 'good' | 'bad' = 'good'): void {
  const id = next++
  set([...items.slice(-2), { id, text, tone }])
  setTimeout(() => set(items.filter((i) => i.id !== id)), tone === 'bad' ? 8000 : 4000)
}

export const toasts = {
  get: () => items,
  on: (fn: () => void) => { listeners.add(fn); return () => { listeners.delete(fn) } },
}
