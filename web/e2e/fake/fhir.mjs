// The FHIR door of the stand-in: a small record of one patient, in JSON, and one resource in XML.
import { patients } from './data.mjs'

const at = (version) => `2026-11-2${version}T08:00:00Z`
const subject = { reference: 'Patient/sara' }
const version = (resource, n) => ({ ...resource, meta: { versionId: String(n), lastUpdated: at(n) } })
const text = (s) => ({ text: s })

const reading = (i) => ({ resourceType: 'Observation', id: 't-' + i, meta: { versionId: '1', lastUpdated: at(1) }, status: 'final', code: text('Heart rate'), subject, device: { reference: 'Device/patch-031' }, effectiveDateTime: `2026-11-21T08:${String(i % 60).padStart(2, '0')}:00Z`, valueQuantity: { value: 60 + (i % 40), unit: '/min' } })
const readings = Array.from({ length: 120 }, (_, i) => reading(i))

const patient = (id) => {
  const p = patients.get(id)
  return { resourceType: 'Patient', id, meta: { versionId: '1', lastUpdated: at(1) }, name: [{ family: p.family, given: [p.given], text: p.name }], gender: p.sex === 'F' ? 'female' : 'male', birthDate: p.birth_date }
}

// Histories, oldest version first; the last is the resource as it is.
const histories = {
  'Condition/sigmoid': [version({ resourceType: 'Condition', id: 'sigmoid', subject, code: text('Sigmoid carcinoma'), clinicalStatus: text('active'), recorder: { display: 'J. Reyes' } }, 1)],
  'AllergyIntolerance/penicillin': [version({ resourceType: 'AllergyIntolerance', id: 'penicillin', patient: subject, code: text('Penicillin'), criticality: 'high', reaction: [{ manifestation: [text('Anaphylaxis')], severity: 'severe' }] }, 1)],
  'Observation/lactate': [version({ resourceType: 'Observation', id: 'lactate', status: 'final', subject, code: text('Lactate'), effectiveDateTime: '2026-11-21T13:52:00Z', valueQuantity: { value: 3.8, unit: 'mmol/L' } }, 1)],
}

// amend stores a new version of a condition; the tests of the interface use it to change what is on screen.
export function amend(ref, elements) {
  const list = histories[ref]
  list.push(version({ ...list.at(-1), ...elements }, list.length + 1))
}

const current = () => Object.values(histories).map((l) => l.at(-1))
const bundle = (resources, more, total) => ({ resourceType: 'Bundle', type: 'searchset', total, link: more ? [{ relation: 'next', url: 'http://elsewhere/fhir?_cursor=' + more }] : [], entry: resources.map((resource) => ({ resource, search: { mode: 'match' } })) })

function pageOf(all, q) {
  const from = Number(q.get('_cursor') ?? 0)
  const to = from + Number(q.get('_count') ?? 50)
  return bundle(all.slice(from, to), to < all.length ? String(to) : '', all.length)
}

const history = (ref) => ({ resourceType: 'Bundle', type: 'history', entry: histories[ref].map((resource, i) => ({ resource, request: { method: i ? 'PUT' : 'POST', url: ref }, response: { status: i ? '200' : '201', etag: `W/"${i + 1}"`, lastModified: at(i + 1) } })).reverse() })

function find(path, q) {
  const [, id, what] = /^Patient\/([^/]+)\/(Observation|\*)$/.exec(path) ?? []
  if (id && id !== 'sara') return what === '*' && q.get('_type').startsWith('Patient') ? bundle([patient(id)]) : bundle([])
  if (what === 'Observation') return q.get('device:missing') === 'true' ? pageOf(current().filter((r) => r.resourceType === 'Observation'), q) : pageOf(readings, q)
  if (what) return bundle([patient(id), ...current()].filter((r) => q.get('_type').split(',').includes(r.resourceType)))
  if (path === 'Provenance') return bundle([])
  if (path.endsWith('/_history')) return histories[path.replace('/_history', '')] && history(path.replace('/_history', ''))
  if (path.startsWith('Patient/') && patients.has(path.slice(8))) return patient(path.slice(8))
  return histories[path]?.at(-1) ?? readings.find((r) => 'Observation/' + r.id === path)
}

export function fhir(url, accept = '') {
  const found = find(decodeURIComponent(url.pathname.slice('/fhir/'.length)), url.searchParams)
  const type = { 'Content-Type': 'application/fhir+json' }
  if (!found) return { status: 404, headers: type, text: JSON.stringify({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'not-found', diagnostics: 'there is no such resource' }] }) }
  if (accept.includes('xml')) return { status: 200, headers: { 'Content-Type': 'application/fhir+xml' }, text: `<?xml version="1.0" encoding="UTF-8"?><${found.resourceType} xmlns="http://hl7.org/fhir"><id value="${found.id}"/></${found.resourceType}>` }
  return { status: 200, headers: type, text: JSON.stringify(found) }
}
