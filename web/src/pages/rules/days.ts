import type { DayAlarms } from '../../rule/types'
import type { Bar } from './Bars'

const DAY = 86_400_000

// dayBars puts two lists of days side by side, with the days on which nothing happened, at most so many at the end.
export function dayBars(was: DayAlarms[], now: DayAlarms[], fromISO: string, toISO: string, most = 60): Bar[] {
  const [a, b] = [new Map(was.map((d) => [d.day, d.alarms])), new Map(now.map((d) => [d.day, d.alarms]))]
  const known = [...a.keys(), ...b.keys(), localDay(Date.parse(fromISO)), localDay(Date.parse(toISO))].sort()
  const [first, last] = [Date.parse(known[0]!), Date.parse(known.at(-1)!)]
  const out: Bar[] = []
  for (let d = Math.max(first, last - (most - 1) * DAY); d <= last; d += DAY) {
    const day = new Date(d).toISOString().slice(0, 10)
    out.push({ label: `${Number(day.slice(8))}.${Number(day.slice(5, 7))}.`, was: a.get(day) ?? 0, now: b.get(day) ?? 0 })
  }
  return out
}

const pad = (n: number) => String(n).padStart(2, '0')
export function localDay(ms: number): string {
  const d = new Date(ms)
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`
}

export function countDays(times: string[]): DayAlarms[] {
  const days = new Map<string, number>()
  for (const t of times) { const d = localDay(Date.parse(t)); days.set(d, (days.get(d) ?? 0) + 1) }
  return [...days].map(([day, alarms]) => ({ day, alarms })).sort((x, y) => (x.day < y.day ? -1 : 1))
}
