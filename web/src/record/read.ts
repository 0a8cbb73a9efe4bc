import { codeWords, element, isElement, list, nameOf, str, type Element, type Fact, type Json, type Resource } from './fhir'
import { attached, choice, choiceOf, dateText, refTo, valueText } from './values'

// Reading is a resource in words: what a list shows (title, text, date, status) and the facts that matter for its type.
export interface Reading { title: string; text: string; date: string; status: string; facts: Fact[] }

// Reader says where a type keeps what a reader wants first. Elements of several types go by their stem: "value".
interface Reader { title?: (r: Resource) => string; text?: (r: Resource) => string; status?: string[]; date?: string[]; facts: string[] }

const codeTitle = (r: Resource): string => valueText(r.code)
const typeTitle = (r: Resource): string => valueText(r.type) || valueText(r.category)
const medication = (r: Resource): string => choice(r, 'medication')
const of = (...stems: string[]) => (r: Resource): string => stems.map((s) => choice(r, s)).filter(Boolean).join(' · ')

const readers: Record<string, Reader> = {
  Patient: { title: (r) => valueText(list(r.name)[0]), text: of('gender', 'birthDate'), facts: ['birthDate', 'gender', 'deceased', 'identifier', 'address', 'telecom', 'contact', 'communication', 'maritalStatus', 'generalPractitioner', 'managingOrganization'] },
  RelatedPerson: { title: (r) => valueText(list(r.name)[0]), text: of('relationship'), facts: ['relationship', 'telecom', 'address', 'period'] },
  Encounter: { title: (r) => typeTitle(r) || valueText(r.class), text: of('reasonCode', 'serviceType'), date: ['period'], facts: ['period', 'class', 'type', 'reasonCode', 'location', 'participant', 'serviceProvider', 'hospitalization'] },
  Condition: { title: codeTitle, text: of('severity', 'note'), status: ['clinicalStatus', 'verificationStatus'], date: ['onset', 'recordedDate'], facts: ['clinicalStatus', 'verificationStatus', 'severity', 'bodySite', 'onset', 'abatement', 'recordedDate', 'recorder', 'asserter', 'encounter', 'note'] },
  AllergyIntolerance: { title: codeTitle, text: (r) => list(r.reaction).map((x) => valueText(element(x).manifestation)).filter(Boolean).join(', ') || codeWords(str(r.criticality)) && `criticality ${codeWords(str(r.criticality))}`, status: ['clinicalStatus', 'verificationStatus'], date: ['onset', 'recordedDate', 'lastOccurrence'], facts: ['clinicalStatus', 'verificationStatus', 'type', 'category', 'criticality', 'reaction', 'onset', 'lastOccurrence', 'recorder', 'note'] },
  Flag: { title: codeTitle, text: of('category'), date: ['period'], facts: ['category', 'period', 'author'] },
  MedicationRequest: { title: medication, text: of('dosageInstruction'), date: ['authoredOn'], facts: ['status', 'intent', 'dosageInstruction', 'reasonCode', 'authoredOn', 'requester', 'dispenseRequest', 'substitution', 'statusReason', 'note'] },
  MedicationAdministration: { title: medication, text: of('dosage'), date: ['effective'], facts: ['status', 'dosage', 'effective', 'performer', 'request', 'reasonCode', 'device', 'note'] },
  MedicationStatement: { title: medication, text: of('dosage'), date: ['effective', 'dateAsserted'], facts: ['status', 'dosage', 'effective', 'informationSource', 'reasonCode', 'note'] },
  MedicationDispense: { title: medication, text: of('quantity', 'dosageInstruction'), date: ['whenHandedOver', 'whenPrepared'], facts: ['status', 'quantity', 'daysSupply', 'dosageInstruction', 'whenHandedOver', 'performer', 'note'] },
  Immunization: { title: (r) => valueText(r.vaccineCode), text: of('lotNumber'), date: ['occurrence'], facts: ['status', 'occurrence', 'lotNumber', 'manufacturer', 'site', 'route', 'doseQuantity', 'performer', 'note'] },
  Observation: { title: codeTitle, text: observed, date: ['effective', 'issued'], facts: ['value', 'dataAbsentReason', 'interpretation', 'referenceRange', 'effective', 'method', 'bodySite', 'device', 'performer', 'specimen', 'encounter', 'note'] },
  DiagnosticReport: { title: codeTitle, text: of('conclusion'), date: ['effective', 'issued'], facts: ['conclusion', 'conclusionCode', 'effective', 'issued', 'performer', 'result', 'presentedForm', 'encounter'] },
  DocumentReference: { title: (r) => str(r.description) || typeTitle(r), text: typeTitle, date: ['date'], facts: ['description', 'type', 'date', 'author', 'docStatus', 'custodian', 'context'] },
  Composition: { title: (r) => str(r.title), text: typeTitle, date: ['date'], facts: ['type', 'date', 'author', 'attester', 'custodian', 'encounter'] },
  Communication: { title: (r) => payload(r) || typeTitle(r), text: of('category', 'topic'), date: ['sent', 'received'], facts: ['sent', 'received', 'sender', 'recipient', 'category', 'topic', 'about', 'reasonCode', 'note'] },
  Procedure: { title: codeTitle, text: of('reasonCode', 'outcome'), date: ['performed'], facts: ['status', 'performed', 'performer', 'bodySite', 'reasonCode', 'outcome', 'complication', 'location', 'note'] },
  CarePlan: { title: (r) => str(r.title) || valueText(r.category), text: of('description'), date: ['period', 'created'], facts: ['intent', 'category', 'period', 'description', 'author', 'careTeam', 'goal', 'addresses', 'note'] },
  CareTeam: { title: (r) => str(r.name) || typeTitle(r), date: ['period'], facts: ['period', 'participant', 'reasonCode', 'note'] },
  Goal: { title: (r) => valueText(r.description), status: ['lifecycleStatus'], date: ['start', 'statusDate'], facts: ['lifecycleStatus', 'achievementStatus', 'priority', 'start', 'target', 'expressedBy', 'note'] },
  ServiceRequest: { title: codeTitle, text: of('reasonCode'), date: ['authoredOn', 'occurrence'], facts: ['status', 'intent', 'priority', 'occurrence', 'authoredOn', 'requester', 'performer', 'reasonCode', 'bodySite', 'note'] },
  Device: { title: (r) => valueText(element(list(r.deviceName)[0]).name) || valueText(r.type), text: of('manufacturer', 'modelNumber'), facts: ['type', 'manufacturer', 'modelNumber', 'serialNumber', 'expirationDate', 'location'] },
  Practitioner: { title: (r) => valueText(list(r.name)[0]), facts: ['qualification', 'telecom', 'identifier'] },
  Location: { title: (r) => str(r.name), text: of('physicalType'), facts: ['physicalType', 'type', 'partOf', 'managingOrganization'] },
  Consent: { title: (r) => valueText(r.category) || valueText(r.scope), date: ['dateTime'], facts: ['scope', 'category', 'dateTime', 'performer', 'organization', 'policyRule', 'provision'] },
  Provenance: { title: (r) => valueText(r.activity) || 'Provenance', text: (r) => agents(r), date: ['recorded', 'occurred'], facts: ['target', 'recorded', 'agent', 'activity', 'reason', 'location'] },
}

const plain: Reader = { title: (r) => [codeTitle(r), str(r.title), valueText(r.name), str(r.description), typeTitle(r)].find(Boolean) ?? '', facts: [] }
const dates = ['effective', 'performed', 'occurrence', 'period', 'date', 'authoredOn', 'created', 'recorded', 'recordedDate', 'issued', 'sent', 'start', 'started', 'servicedPeriod']
// Elements that every resource may have and that say nothing at the bedside.
const hidden = new Set(['resourceType', 'id', 'meta', 'text', 'implicitRules', 'language', 'contained', 'subject', 'patient'])

// read puts any resource in words. A type without a reader of its own is read from its elements, as they stand.
export function read(r: Resource): Reading {
  const reader = readers[r.resourceType] ?? plain
  return {
    title: reader.title?.(r) || plain.title!(r) || nameOf(r.resourceType),
    text: reader.text?.(r) ?? '',
    date: firstDate(r, reader.date ?? dates),
    status: (reader.status ?? ['status']).map((k) => valueText(r[k])).filter(Boolean).map(codeWords).join(', '),
    facts: [...special(r), ...(reader.facts.length > 0 ? reader.facts.flatMap((stem) => factsOf(r, stem)) : Object.keys(r).filter((k) => !hidden.has(k) && !k.startsWith('_')).flatMap((k) => deep(nameOf(k), r[k])))],
  }
}

// rest are the elements that the facts leave out, for a reader who wants all of the resource.
export function rest(r: Resource): Fact[] {
  const reader = readers[r.resourceType]
  if (!reader) return []
  const used = (k: string) => k === 'component' || k === 'section' || k === 'payload' || reader.facts.some((s) => choiceKey(r, s) === k)
  return Object.keys(r).filter((k) => !k.startsWith('_') && k !== 'resourceType' && k !== 'text' && !used(k)).flatMap((k) => deep(nameOf(k), r[k]))
}

const choiceKey = (r: Element, stem: string): string | undefined => Object.keys(r).find((k) => k === stem || k.startsWith(stem) && /^[A-Z]/.test(k.slice(stem.length)))

// firstDate is when it happened, as the resource says; when it was stored is another thing.
function firstDate(r: Resource, stems: string[]): string {
  for (const stem of stems) {
    const v = choiceOf(r, stem)
    const at = isElement(v) ? str(v.start) || str(v.end) : str(v)
    if (/^\d{4}/.test(at)) return at
  }
  return ''
}

// factsOf reads one element: a line for what fits in one, else a line for each of its parts.
function factsOf(r: Resource, stem: string): Fact[] {
  const v = choiceOf(r, stem)
  if (v === undefined) return []
  if (stem === 'reaction') return list(v).map((x) => ({ label: 'Reaction', text: [valueText(element(x).manifestation), codeWords(str(element(x).severity)), valueText(element(x).substance)].filter(Boolean).join(' · ') }))
  if (stem === 'location' || stem === 'participant' || stem === 'performer' || stem === 'agent') return list(v).flatMap((x) => person(nameOf(stem), element(x)))
  return deep(nameOf(stem), v)
}

// person reads what names somebody or some place with a part it plays: Encounter.participant, Procedure.performer, …
function person(label: string, e: Element): Fact[] {
  const who = [e.individual, e.actor, e.who, e.location, e.member].find((x) => x !== undefined) ?? e
  const part = [e.type, e.function, e.role].map(valueText).find(Boolean)
  const text = valueText(who)
  return text ? [{ label, text: part && who !== e ? `${text} (${codeWords(part)})` : text, ref: refTo(who) }] : deep(label, e)
}

// deep reads a value to its last part: "Contact · Name". The depth is bounded, as FHIR's is.
function deep(label: string, v: Json | undefined, depth = 0): Fact[] {
  if (v === undefined || v === null || depth > 8) return []
  if (Array.isArray(v)) return v.flatMap((x) => deep(label, x, depth + 1))
  if (isElement(v) && 'extension' in v && Object.keys(v).length === 1) return deep(label, v.extension, depth + 1)
  const text = valueText(v)
  if (text !== '') return [{ label, text: typeof v === 'string' ? codeWords(text) : text, ref: refTo(v) }]
  if (!isElement(v)) return []
  if (typeof v.url === 'string') return deep(`${label} · ${nameOf(v.url.split('/').pop() ?? '')}`, choiceOf(v, 'value') ?? v.extension, depth + 1)
  return Object.entries(v).filter(([k]) => k !== 'id' && !k.startsWith('_')).flatMap(([k, x]) => deep(`${label} · ${nameOf(k)}`, x, depth + 1))
}

// special are the facts whose lines are made of more than one element.
function special(r: Resource): Fact[] {
  switch (r.resourceType) {
    case 'Observation':
      return list(r.component).map((c) => ({ label: valueText(element(c).code), text: choice(element(c), 'value') || valueText(element(c).dataAbsentReason) }))
    case 'DocumentReference':
      return list(r.content).flatMap((c) => document(element(element(c).attachment)))
    case 'Composition':
      return list(r.section).map((s) => ({ label: str(element(s).title) || valueText(element(s).code), text: narrative(element(s)) || valueText(element(s).entry) }))
    case 'Communication':
      return list(r.payload).map((p) => ({ label: 'Message', text: choice(element(p), 'content'), ref: refTo(choiceOf(element(p), 'content')) }))
  }
  return []
}

function document(a: Element): Fact[] {
  const text = attached(a)
  const about = [str(a.title), str(a.contentType), str(a.size) && `${str(a.size)} bytes`].filter(Boolean).join(' · ')
  const ref = /^Binary\/[A-Za-z0-9.-]+$/.exec(str(a.url))?.[0]
  return [{ label: 'Document', text: about || str(a.url), ref }, ...(text ? [{ label: 'Text', text }] : [])]
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'', nbsp: ' ', '#39': '\'' }

// narrative is the text of a Narrative without its markup: it is shown as words and never as HTML.
export const narrative = (e: Element): string =>
  str(element(e.text).div).replace(/<[^>]*>/g, ' ').replace(/&([a-z]+|#39);/g, (all, name: string) => entities[name] ?? all).replace(/\s+/g, ' ').trim()

function observed(r: Resource): string {
  const own = choice(r, 'value')
  if (own) return [own, valueText(r.interpretation)].filter(Boolean).join(' · ')
  const parts = list(r.component).map((c) => ({ name: valueText(element(c).code), value: choice(element(c), 'value') }))
  return pressure(parts) || parts.map((c) => `${c.name} ${c.value}`.trim()).join(', ') || valueText(r.dataAbsentReason)
}

// pressure writes a pair of blood pressures as everybody does: "124/79 mmHg".
function pressure(parts: { name: string; value: string }[]): string {
  const value = (name: RegExp) => /^([\d.]+) (.+)$/.exec(parts.find((c) => name.test(c.name))?.value ?? '')
  const [systolic, diastolic] = [value(/\bsystolic/i), value(/\bdiastolic/i)]
  return parts.length === 2 && systolic && diastolic && systolic[2] === diastolic[2] ? `${systolic[1]}/${diastolic[1]} ${systolic[2]}` : ''
}

const payload = (r: Resource): string => list(r.payload).map((p) => str(element(p).contentString)).filter(Boolean).join(' ').slice(0, 160)
export const agents = (r: Resource): string => list(r.agent).map((a) => valueText(element(a).who)).filter(Boolean).join(', ')

// wordsOf is all that a search looks through: the reading and every text of the resource, in lower case.
export function wordsOf(r: Resource): string {
  const out: string[] = []
  const walk = (v: Json | undefined): void => {
    if (typeof v === 'string' || typeof v === 'number') out.push(String(v))
    else if (Array.isArray(v)) v.forEach(walk)
    else if (isElement(v)) Object.entries(v).forEach(([k, x]) => { if (k !== 'data' && k !== 'system') walk(x) })
  }
  walk(r)
  const { title, text, date, status } = read(r)
  return [title, text, dateText(date), status, nameOf(r.resourceType), ...out].join(' ').toLowerCase()
}

// matches tells whether every word of the query is somewhere in the resource.
export const matches = (words: string, query: string): boolean => query.toLowerCase().split(/\s+/).every((w) => words.includes(w))

// author is who stands behind the content of a resource, by its own elements; "" when it names nobody.
export function author(r: Resource): string {
  for (const key of ['author', 'recorder', 'asserter', 'requester', 'performer', 'sender', 'informationSource']) {
    const text = list(r[key]).map((x) => valueText(element(x).actor ?? x)).filter(Boolean).join(', ')
    if (text) return text
  }
  return str(element(r.meta).source)
}

// strangerOf is the other patient ("Patient/x") whose resource this is, or undefined. What names no patient is nobody's.
export function strangerOf(r: Resource, patient: string): string | undefined {
  const mine = `Patient/${patient}`
  if (r.resourceType === 'Patient') return r.id === patient ? undefined : `Patient/${r.id}`
  const owners = [r.subject, r.patient, r.beneficiary, r.individual].map(refTo).filter((x): x is string => x?.startsWith('Patient/') ?? false)
  return owners.length === 0 || owners.includes(mine) ? undefined : owners[0]
}
