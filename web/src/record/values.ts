import { codeWords, element, isElement, list, str, target, type Element, type Json } from './fhir'

// Texts of FHIR's data types, short enough for one line. Dates keep the precision they were written with.

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const pad = (n: number) => String(n).padStart(2, '0')

// dateText gives "2026", "Mar 2026", "12 Mar 2026" or, in this browser's time, "12 Mar 2026 14:05".
export function dateText(iso: string): string {
  const m = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?(T.*)?$/.exec(iso)
  if (!m) return iso
  const [, year, month, day, rest] = m
  if (rest) {
    const d = new Date(iso)
    return Number.isNaN(d.getTime()) ? iso : `${d.getDate()} ${months[d.getMonth()]} ${d.getFullYear()} ${pad(d.getHours())}:${pad(d.getMinutes())}`
  }
  const name = month && months[Number(month) - 1]
  return [day && String(Number(day)), name, year].filter(Boolean).join(' ')
}

const joined = (parts: (string | undefined | false)[], by = ' '): string => parts.filter(Boolean).join(by)

const quantity = (q: Element): string => joined([str(q.comparator) + str(q.value), str(q.unit) || str(q.code)].map((s) => s.trim()))
// Codes of HL7 v3 that come without a display and say nothing to a reader.
const v3: Record<string, string> = {
  IMP: 'Inpatient stay', AMB: 'Outpatient visit', EMER: 'Emergency', HH: 'Care at home', VR: 'Remote care', ACUTE: 'Acute inpatient stay', OBSENC: 'Observation stay', SS: 'Short stay', PRENC: 'Pre-admission',
  ATND: 'attending', PPRF: 'primary performer', SPRF: 'secondary performer', ADM: 'admitter', CON: 'consultant', REF: 'referrer', DIS: 'discharger',
}
const coded = (c: Element): string => (str(c.system).startsWith('http://terminology.hl7.org/CodeSystem/v3-') && v3[str(c.code)]) || codeWords(str(c.code))
const coding = (c: Element): string => str(c.display) || coded(c)
const concept = (c: Element): string => str(c.text) || list(c.coding).map((x) => coding(element(x))).find(Boolean) || ''
const period = (p: Element): string => (p.start && p.end ? `${dateText(str(p.start))} – ${dateText(str(p.end))}` : p.start ? `since ${dateText(str(p.start))}` : `until ${dateText(str(p.end))}`)
const reference = (r: Element): string => str(r.display) || str(r.reference) || str(element(r.identifier).value) || str(r.type)
const humanName = (n: Element): string => str(n.text) || joined([list(n.prefix).map(str).join(' '), list(n.given).map(str).join(' '), str(n.family), list(n.suffix).map(str).join(' ')])
const address = (a: Element): string => str(a.text) || joined([list(a.line).map(str).join(', '), joined([str(a.postalCode), str(a.city)]), str(a.district), str(a.state), str(a.country)], ', ')
const identifier = (i: Element): string => joined([concept(element(i.type)), str(i.value)], ': ')

const periodUnits: Record<string, string> = { s: 'second', min: 'minute', h: 'hour', d: 'day', wk: 'week', mo: 'month', a: 'year' }

function repeat(r: Element): string {
  const times = str(r.frequency) || (r.period ? '1' : '')
  const unit = periodUnits[str(r.periodUnit)] ?? str(r.periodUnit)
  const rate = times && r.period ? `${times} × ${str(r.period) === '1' ? `per ${unit}` : `in ${str(r.period)} ${unit}s`}` : ''
  const at = list(r.timeOfDay).map((x) => str(x).slice(0, 5)).join(', ')
  const bounds = isElement(r.boundsPeriod) ? period(r.boundsPeriod) : ''
  return joined([rate, list(r.when).map(str).join(', '), at && `at ${at}`, bounds], ', ')
}

const timing = (t: Element): string => concept(element(t.code)) || repeat(element(t.repeat)) || list(t.event).map((x) => dateText(str(x))).join(', ')

function dosage(d: Element): string {
  const dose = list(d.doseAndRate).map((x) => choice(element(x), 'dose') || choice(element(x), 'rate')).filter(Boolean).join(', ')
  return joined([str(d.text), dose, isElement(d.timing) && timing(d.timing), isElement(d.route) && concept(d.route), str(d.patientInstruction)], ', ')
}

const annotation = (a: Element): string => joined([str(a.text), joined([str(a.authorString) || reference(element(a.authorReference)), dateText(str(a.time))], ', ')], ' · ')
const attachment = (a: Element): string => joined([str(a.title), str(a.contentType), dateText(str(a.creation)), attached(a)], ' · ')

// attached is the text inside an attachment of plain text, or "".
export function attached(a: Element): string {
  if (!str(a.contentType).startsWith('text/plain') || !a.data) return ''
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(str(a.data)), (c) => c.charCodeAt(0)))
  } catch {
    return ''
  }
}

// Each kind is known by the elements that only it has; the first that fits reads the value.
const kinds: [(e: Element) => boolean, (e: Element) => string][] = [
  [(e) => 'reference' in e, reference],
  [(e) => 'coding' in e, concept],
  [(e) => 'family' in e || 'given' in e, humanName],
  [(e) => 'postalCode' in e || 'city' in e || 'line' in e, address],
  [(e) => 'repeat' in e || 'event' in e, timing],
  [(e) => 'doseAndRate' in e || 'timing' in e && !('status' in e) && !('intent' in e), dosage],
  [(e) => 'contentType' in e, attachment],
  [(e) => 'start' in e || 'end' in e, period],
  [(e) => 'numerator' in e || 'denominator' in e, (e) => `${quantity(element(e.numerator))} / ${quantity(element(e.denominator))}`],
  [(e) => 'low' in e || 'high' in e, range],
  [(e) => 'authorString' in e || 'authorReference' in e || 'text' in e && 'time' in e, annotation],
  [(e) => 'origin' in e && 'dimensions' in e, (e) => `${str(e.data).trim().split(/\s+/).length} samples every ${str(e.period)} ms`],
  [(e) => typeof e.value === 'number', quantity],
  [(e) => 'value' in e && ('system' in e || 'use' in e || 'type' in e), identifier],
  [(e) => 'code' in e && typeof e.code === 'string' || 'display' in e, coding],
  [(e) => typeof e.text === 'string', (e) => str(e.text)],
]

function range(e: Element): string {
  const [low, high] = [quantity(element(e.low)), quantity(element(e.high))]
  const text = str(e.text)
  return text || (low && high ? `${low} – ${high}` : low ? `≥ ${low}` : `≤ ${high}`)
}

const dateLike = /^\d{4}(-\d\d(-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?)?)?$/

// valueText is any value in words; "" when it has none that fit one line (then its parts are read one by one).
export function valueText(v: Json | undefined): string {
  if (typeof v === 'boolean') return v ? 'yes' : 'no'
  if (typeof v === 'string') return dateLike.test(v) && v.length > 4 ? dateText(v) : v
  if (typeof v === 'number') return String(v)
  if (Array.isArray(v)) return v.map(valueText).filter(Boolean).join(', ')
  return isElement(v) ? (kinds.find(([is]) => is(v))?.[1](v) ?? '').trim() : ''
}

// choice reads an element of several types: choice(observation, 'value') is the text of valueQuantity, valueString, …
export function choice(e: Element, stem: string): string {
  return valueText(choiceOf(e, stem))
}

export function choiceOf(e: Element, stem: string): Json | undefined {
  const key = Object.keys(e).find((k) => k === stem || k.startsWith(stem) && /^[A-Z]/.test(k.slice(stem.length)))
  return key === undefined ? undefined : e[key]
}

export const refTo = (v: Json | undefined): string | undefined => list(v).map(target).find(Boolean)
