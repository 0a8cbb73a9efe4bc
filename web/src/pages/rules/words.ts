import { clock, date, time } from '../../lib/format'

// when gives "12 Mar 2026, 14:32".
export const when = (iso: string): string => `${date(iso)}, ${clock(time(iso))}`

// lasted says seconds as a person would: "0.4 s", "42 s", "3 min", "1.5 h", "12 d".
export function lasted(s: number): string {
  if (s > 0 && s < 10) return `${Math.max(0.1, Math.round(s * 10) / 10)} s`
  if (s < 100) return `${Math.round(s)} s`
  if (s < 100 * 60) return `${Math.round(s / 60)} min`
  return s < 100 * 3600 ? `${Math.round(s / 360) / 10} h` : `${Math.round(s / 86_400)} d`
}

// amount says a large number short: "21.6 million".
export const amount = (n: number): string => new Intl.NumberFormat('en', { notation: 'compact', compactDisplay: 'long', maximumFractionDigits: 1 }).format(n)

export const percent = (share: number): string => `${Math.round(share * 100)} %`

// perDay has two digits that mean something: "0.27", "3.1", "14".
export const perDay = (n: number): string => (n === 0 ? '0' : n < 1 ? n.toFixed(2) : n < 10 ? n.toFixed(1) : String(Math.round(n)))

export const signed = (n: number, text: (n: number) => string): string => (n === 0 ? '±0' : (n > 0 ? '+' : '−') + text(Math.abs(n)))
