// The routes of the contract. Each entry: method, path pattern, handler(params, query, body, session).
import { admitted, alarms, alarmsOf, attention, bed, iso, now, numbersOf, nurse, patients, raise, score, short, start, ward } from './data.mjs'
import { control, publish, broadcast } from './live.mjs'
import { care } from './care.mjs'
import { fleet } from './fleet.mjs'
import { applications } from './apps.mjs'
import { amend } from './fhir.mjs'

const users = {
  nurse: { id: 'u1', login: 'k.adeyemi', name: 'K. Adeyemi', initials: 'KA', person: 'Practitioner/ka' },
  physician: { id: 'u2', login: 'j.reyes', name: 'J. Reyes', initials: 'JR', person: 'Practitioner/jr' },
  engineer: { id: 'u3', login: 'e.lund', name: 'E. Lund', initials: 'EL', person: 'Practitioner/el' },
  admin: { id: 'u4', login: 'a.root', name: 'A. Root', initials: 'AR', person: 'Practitioner/ar' },
  patient: { id: 'u5', login: 'sara', name: 'Sara Okafor', initials: 'SO', person: 'Patient/sara', patient_id: 'sara' },
}
const staff = ['nurse', 'physician', 'engineer', 'admin']
const menu = [{ app: 'rpm', title: 'Remote monitoring', path: '/app/rpm', icon: 'house', roles: staff }, { app: 'medication', title: 'Medication', path: '/app/medication', icon: 'pill', roles: staff }]
const setup = { needed: process.env.SETUP === '1' }

const session = (role) => ({
  user: role && users[role] ? { ...users[role], role, roles: [role] } : null,
  site: { name: 'Simulated hospital', demo: !setup.needed, setup_needed: setup.needed, version: '0.1.0' }, menu: role && role !== 'patient' ? menu : [],
})
const sign = (role) => ({ status: 200, body: session(role), headers: { 'Set-Cookie': `vigil_session=${role}; Path=/; HttpOnly; SameSite=Strict` } })
export const fail = (status, kind, message) => ({ status, body: { error: { kind, message, id: 'e-7f3a' } } })
export const ok = (body) => ({ status: body === undefined ? 204 : 200, body })

const act = {
  seen: (a, who) => { if (a.state !== 'acknowledged') a.state = 'seen'; a.history.push({ at: iso(now()), what: 'seen', who }) },
  acknowledge: (a, who, initials) => { Object.assign(a, { state: 'acknowledged', acked_by: who, acked_initials: initials, acked_at: iso(now()), next: undefined }); a.history.push({ at: iso(now()), what: 'acknowledged', who }) },
  pause: (a, who) => { a.audio_paused_until = iso(now() + 120000); a.history.push({ at: iso(now()), what: 'audio_paused', who }) },
  escalate: (a, who) => { a.step++; a.history.push({ at: iso(now()), what: 'escalated', who: 'Rapid response' }) },
  pass: (a, who) => { a.step++; a.history.push({ at: iso(now()), what: 'passed_on', who: 'Dr Lindqvist' }); a.next = { at: iso(now() + 120000), text: 'Rapid response' } },
  note: (a, who, _i, b) => a.history.push({ at: iso(now()), what: 'note', who, text: b.text }),
  act: (a, who, _i, b) => a.history.push({ at: iso(now()), what: 'action', who, text: b.text }),
  resolve: (a, who) => { a.state = 'resolved'; a.resolved = iso(now()); a.history.push({ at: iso(now()), what: 'resolved', who }) },
  going: (a, who) => { a.state = 'acknowledged'; a.acked_by = who; a.acked_at = iso(now()); a.history.push({ at: iso(now()), what: 'acknowledged', who }) },
}

const table = [
  ['GET', '/api/session', (_p, _q, _b, s) => ok(s)],
  ['POST', '/api/session', (_p, _q, b) => {
    const role = Object.keys(users).find((r) => users[r].login === b.login || r === b.login)
    return role && b.password === 'vigil' ? sign(role) : fail(401, 'denied', 'Name or password is not right.')
  }],
  ['POST', '/api/session/visit', (_p, _q, b) => sign(b.role)],
  ['DELETE', '/api/session', () => ({ status: 204, headers: { 'Set-Cookie': 'vigil_session=; Path=/; Max-Age=0' } })],
  ['POST', '/api/setup', (_p, _q, b) => { if (b.token !== 'token') return fail(400, 'invalid', 'The setup token is not right.'); setup.needed = false; return sign('admin') }],
  ['POST', '/api/_control', (_p, _q, b) => { Object.assign(control, b); return ok({}) }],
  ['GET', '/api/metrics', () => ok([['heart-rate', 'HR', 'bpm', 0], ['spo2', 'SpO₂', '%', 0], ['respiratory-rate', 'RR', '/min', 0], ['art-mean', 'MAP', 'mmHg', 0], ['temperature', 'T', '°C', 1]].map(([key, label, unit, decimals]) => ({ key, name: label, label, unit, decimals, kind: 'numeric', max_age_ms: 10000 })))],
  ['GET', '/api/units', () => ok([{ id: 'icu-north', name: 'ICU North', kind: 'icu', beds: 16, live: 12 }, { id: 'home', name: 'At home', kind: 'home', beds: 0, live: 4 }])],
  ['GET', '/api/ward', () => ok(ward())],
  ['POST', '/api/beds/:id/admit', (p, _q, b) => {
    const label = p.id.replace('bed-', '')
    const id = 'new' + label
    patients.set(id, { id, family: b.family ?? 'New', given: b.given ?? 'Patient', name: `${b.family}, ${b.given}`, age: 50, sex: b.sex ?? 'U', birth_date: b.birth_date ?? '1976-01-01', mrn: b.mrn ?? '–', location: 'bed',
      bed: { id: p.id, label }, unit: { id: 'icu-north', name: 'ICU North' }, nurse: nurse('KA'), news: score(null), scores: [] })
    admitted.set(label, id)
    const out = { id: p.id, label, state: 'occupied', patient: short(patients.get(id)), flags: [], numbers: [], waves: [], scores: [], alarms: [] }
    broadcast({ op: 'bed', bed: out })
    return ok(out)
  }],
  ['GET', '/api/attention', () => ok(attention())],
  ['GET', '/api/alarms', () => ok([...alarms.values()])],
  ['GET', '/api/alarms/:id', (p) => (alarms.has(p.id) ? ok(alarms.get(p.id)) : fail(404, 'not_found', 'There is no such alarm.'))],
  ['GET', '/api/alarms/:id/pages', () => ok([])],
  ['GET', '/api/alarms-off', () => ok({ standing: [], limits_s: { high: 1800, medium: 7200, low: 43200 }, now_ms: now() })],
  ['POST', '/api/alarms/acknowledge', (_p, _q, b, s) => ok(b.ids.map((id) => { const a = alarms.get(id); act.acknowledge(a, s.user.name, s.user.initials, {}); publish(a); return a }))],
  ['POST', '/api/alarms/:id/:action', (p, _q, b, s) => {
    const a = alarms.get(p.id)
    if (!a) return fail(404, 'not_found', 'There is no such alarm.')
    act[p.action](a, s.user.name, s.user.initials, b)
    a.updated = iso(now())
    publish(a)
    return ok(a)
  }],
  ['POST', '/api/calls', (_p, _q, b) => { const a = raise({ kind: 'call', priority: 'none', title: 'Bed 7 · Help call', text: 'Sara asks for help', rule: 'call', patient: 'sara' }); publish(a); return ok(a) }],
  ['POST', '/api/_amend', (_p, _q, b) => { amend(b.ref, b.elements); return ok() }],
  ...care, ...fleet, ...applications,
]

const routes = table.map(([method, path, fn]) => ({ method, re: new RegExp('^' + path.replace(/:(\w+)/g, '(?<$1>[^/]+)') + '$'), fn }))

export async function route(method, url, body, cookie) {
  const role = /vigil_session=(\w+)/.exec(cookie)?.[1]
  for (const r of routes) {
    const m = r.method === method && r.re.exec(url.pathname)
    if (m) return r.fn(m.groups ?? {}, url.searchParams, body, session(role))
  }
  return fail(404, 'not_found', `No route ${method} ${url.pathname}.`)
}
export { alarmsOf, bed, numbersOf, start }
