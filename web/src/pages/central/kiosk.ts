import { useEffect, useState, type RefObject } from 'react'
import { isAcked, openAlarms } from '../../alarm/model'
import type { Bed } from '../../api/types'
import { useBeat } from '../../live/hooks'

// A wall display: /ward?kiosk=1. It has no pointer and no actions; when there are more beds than places it turns pages, and
// beds in alarm stay in view.

const PAGE_MS = 15_000
const TILE = 214 // least height of a row with its gap

export const isKiosk = (): boolean => new URLSearchParams(location.search).get('kiosk') === '1'

const alarmed = (b: Bed): boolean => openAlarms(b.alarms).some((a) => !isAcked(a))

// choose picks the beds of a page in their own order: those in alarm always, the others by turns.
export function choose(beds: Bed[], places: number, page: number): Bed[] {
  if (beds.length <= places) return beds
  const urgent = beds.filter(alarmed).slice(0, places)
  const others = beds.filter((b) => !urgent.includes(b))
  const left = places - urgent.length
  const pages = left > 0 ? Math.ceil(others.length / left) : 1
  const from = (page % pages) * left
  const shown = new Set([...urgent, ...others.slice(from, from + left)])
  return beds.filter((b) => shown.has(b))
}

export function useKiosk(beds: Bed[], grid: RefObject<HTMLElement | null>): { on: boolean; beds: Bed[] } {
  const [on] = useState(isKiosk)
  const now = useBeat()
  useEffect(() => {
    if (!on) return
    document.documentElement.dataset.kiosk = ''
    return () => { delete document.documentElement.dataset.kiosk }
  }, [on])
  if (!on || !grid.current) return { on, beds }
  const columns = getComputedStyle(grid.current).gridTemplateColumns.split(' ').length
  const rows = Math.max(1, Math.floor(((grid.current.parentElement?.clientHeight ?? 0) + 8) / TILE))
  return { on, beds: choose(beds, columns * rows, Math.floor(now / PAGE_MS)) }
}
