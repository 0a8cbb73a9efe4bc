import type { Priority } from '../../api/types'
import { textOf } from '../../rule/say'
import type { Entry } from '../../rule/types'

export type Filter = 'all' | 'waiting' | 'shadow' | 'site' | 'off'
export interface Wanted { q: string; filter: Filter; priority: Priority | '' }

const fits: Record<Filter, (e: Entry) => boolean> = {
  all: () => true, waiting: (e) => e.waiting.some((v) => v.state !== 'shadow'), shadow: (e) => e.waiting.some((v) => v.state === 'shadow'),
  site: (e) => e.origin === 'site' || e.waiting.length > 0, off: (e) => e.state === 'retired',
}

// filterRules keeps what fits; every word that is looked for must stand in key, title or sentence.
export function filterRules(list: Entry[], { q, filter, priority }: Wanted): Entry[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean)
  return list.filter((e) => {
    if (!fits[filter](e) || priority && e.priority !== priority) return false
    const text = `${e.key} ${e.title} ${textOf(e.sentence)}`.toLowerCase()
    return words.every((w) => text.includes(w))
  })
}

export const countBy = (list: Entry[], filter: Filter): number => list.filter(fits[filter]).length
