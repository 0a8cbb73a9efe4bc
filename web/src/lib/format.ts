import type { PatientShort } from '../api/types'

const pad = (n: number) => String(n).padStart(2, '0')

// clock gives "14:32" or "14:32:07": always 24 h in clinical places.
export function clock(ms: number, seconds = false): string {
  const d = new Date(ms)
  const hm = `${pad(d.getHours())}:${pad(d.getMinutes())}`
  return seconds ? `${hm}:${pad(d.getSeconds())}` : hm
}

const dayFormat = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' })
export const day = (ms: number): string => dayFormat.format(ms).replace(',', '')

const dateFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })
// date gives "12 Mar 1972"; an empty or broken date gives "–".
export function date(iso: string): string {
  const ms = Date.parse(iso)
  return Number.isNaN(ms) ? '–' : dateFormat.format(ms)
}

// age gives "0:44" or "1:02:10": how long something has lasted.
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  if (s >= 86_400) return `${Math.floor(s / 86_400)} d`
  const h = Math.floor(s / 3600)
  const rest = `${h > 0 ? pad(Math.floor(s / 60) % 60) : Math.floor(s / 60)}:${pad(s % 60)}`
  return h > 0 ? `${h}:${rest}` : rest
}

// ago gives words for a person: "just now", "4 min ago", "2 days ago".
export function ago(ms: number): string {
  const min = Math.floor(ms / 60_000)
  if (min < 1) return 'just now'
  if (min < 60) return `${min} min ago`
  if (min < 48 * 60) return `${Math.floor(min / 60)} h ago`
  return `${Math.floor(min / 1440)} days ago`
}

export const time = (iso: string | undefined): number => (iso ? Date.parse(iso) : Number.NaN)

export const fixed = (v: number, decimals: number): string => v.toFixed(decimals).replace('-', '−')

export const ageSex = (p: PatientShort): string => [p.age, p.sex].filter((x) => x !== undefined).join(' ')

const sexWords = { F: 'female', M: 'male', O: 'other', U: 'sex unknown' }
export const sexWord = (p: PatientShort): string => sexWords[p.sex]

export function initials(name: string): string {
  const parts = name.replace(/,/g, ' ').split(/\s+/).filter(Boolean)
  return parts.slice(0, 2).map((w) => w[0]!.toUpperCase()).join('')
}

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let i = 0
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i++ }
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`
}
