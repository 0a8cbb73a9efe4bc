// Devices, quarantine and system routes.
import { iso, now, start } from './data.mjs'
import { deviceMessage } from './live.mjs'

const ok = (body) => ({ status: body === undefined ? 204 : 200, body })

export const devices = [
  { id: 'patch-031', name: 'Patch P-031', profile: 'patch', title: 'Chest patch', kind: 'patch', state: 'online', last_seen_ms: now(), battery: 64, signal: 82, subject: 'Patient/sara', subject_name: 'Okafor, Sara', place: 'Bed 7', protocol: 'mqtt', quarantined: 0, serial: 'SN-10031' },
  { id: 'monitor-7', name: 'Monitor M-07', profile: 'bedside-monitor', title: 'Bedside monitor', kind: 'monitor', state: 'online', last_seen_ms: now(), subject: 'Patient/sara', subject_name: 'Okafor, Sara', place: 'Bed 7', protocol: 'sdc', quarantined: 0 },
  { id: 'pump-118', name: 'Pump P-118', profile: 'pump', title: 'Infusion pump', kind: 'pump', state: 'online', last_seen_ms: now() - 4000, battery: 91, subject: 'Patient/sara', subject_name: 'Okafor, Sara', place: 'Bed 7', protocol: 'mqtt', quarantined: 2 },
  { id: 'gw-04', name: 'Gateway GW-04', profile: 'gateway', title: 'Room gateway', kind: 'gateway', state: 'offline', last_seen_ms: now() - 50000, place: 'Bed 11', protocol: 'mqtt', quarantined: 0 },
  { id: 'scale-02', name: 'Scale S-02', profile: 'scale', title: 'Body scale', kind: 'scale', state: 'never', quarantined: 0 },
]
let held = [
  { id: 'q1', at: iso(start - 60e3), device: 'pump-118', protocol: 'mqtt', reason: 'unknown_unit', detail: 'rate: unit "ml/hr" is not UCUM', payload: '{"t":1764,"rate":{"v":12,"u":"ml/hr"}}', encoding: 'text' },
  { id: 'q2', at: iso(start - 30e3), device: 'pump-118', protocol: 'mqtt', reason: 'not_json', detail: 'unexpected end of input at byte 17', payload: 'eyJ0IjoxNzY0LCJyYXRl', encoding: 'base64' },
]
const quarantine = () => ({ total: held.length, reasons: [...new Set(held.map((h) => h.reason))].map((reason) => ({ reason, count: held.filter((h) => h.reason === reason).length })), items: held })
const find = (id) => devices.find((d) => d.id === id)
const missing = { status: 404, body: { error: { kind: 'not_found', message: 'There is no such device.', id: 'e-9c1d' } } }

export const fleet = [
  ['GET', '/api/devices', (_p, q) => ok(devices.filter((d) => (d.name + d.id).toLowerCase().includes((q.get('q') ?? '').toLowerCase())))],
  ['GET', '/api/devices/:id', (p) => (find(p.id) ? ok({ ...find(p.id), bindings: [{ subject: 'Patient/sara', name: 'Okafor, Sara', from: iso(start - 86400e3) }], readings: [{ metric: 'heart-rate', label: 'HR', unit: 'bpm', value: 118, time_ms: now(), max_age_ms: 6000, decimals: 0, device: p.id }] }) : missing)],
  ['POST', '/api/devices', (_p, _q, b) => { if (find(b.id)) return { status: 409, body: { error: { kind: 'conflict', message: `Device ${b.id} is already enrolled.`, id: 'e-2' } } }; const d = { id: b.id, name: b.name, profile: b.profile, title: b.profile, kind: b.profile, state: 'never', quarantined: 0, serial: b.serial }; devices.push(d); return ok({ device: d, token: 'vgd_4f7c1b9e02a84d55' }) }],
  ['POST', '/api/devices/:id/token', () => ok({ token: 'vgd_91d0aa73be114c02' })],
  ['POST', '/api/devices/:id/bind', (p, _q, b) => ok(Object.assign(find(p.id), { subject: b.subject, subject_name: b.subject }))],
  ['POST', '/api/devices/:id/unbind', (p) => ok(Object.assign(find(p.id), { subject: undefined, subject_name: undefined }))],
  ['GET', '/api/devices/:id/messages', () => ok(Array.from({ length: 5 }, (_, i) => ({ ...deviceMessage(), at_ms: now() - (i + 1) * 1000 })))],
  ['GET', '/api/profiles', () => ok([{ key: 'patch', title: 'Chest patch', kind: 'patch', manufacturer: 'Open Patch', model: 'P1', metrics: ['heart-rate', 'spo2', 'temperature'], protocols: ['mqtt', 'http'], example: '{"hr":72}' }, { key: 'pump', title: 'Infusion pump', kind: 'pump', manufacturer: 'Open Pump', model: 'I2', metrics: ['rate'], protocols: ['mqtt'] }])],
  ['GET', '/api/quarantine', (_p, q) => { const x = quarantine(); return ok({ ...x, items: x.items.filter((i) => (!q.get('device') || i.device === q.get('device')) && (!q.get('reason') || i.reason === q.get('reason'))) }) }],
  ['POST', '/api/quarantine/release', (_p, _q, b) => { const n = held.length; held = held.filter((h) => b.reason && h.reason !== b.reason); return ok({ released: n - held.length, kept: held.length }) }],
  ['POST', '/api/quarantine/:id/release', (p) => { if (p.id === 'q2') return { status: 409, body: { error: { kind: 'conflict', message: 'Still unusable: unexpected end of input at byte 17.', id: 'e-4' } } }; held = held.filter((h) => h.id !== p.id); return ok({ released: true, detail: '1 value stored' }) }],
  ['DELETE', '/api/quarantine/:id', (p) => { held = held.filter((h) => h.id !== p.id); return ok() }],
  ['GET', '/api/peers/ehr/queue', () => ok([{ key: 'record Encounter/e1', due: '2026-03-01T08:00:00Z', tries: 1, error: 'the server answered 422: Encounter.class: is missing', dead: true }])],
  ['POST', '/api/peers/ehr/retry', () => ok({ retried: 1 })],
  ['GET', '/api/status', () => ok({ version: '0.1.0', uptime_s: 86400 * 3 + 4210, acknowledging: true, devices: { online: 41, total: 43 }, values_per_s: 1840, delay_ms: 120, quarantine: held.length, peers: [{ name: 'ehr', url: 'https://ehr.example/fhir', ok: false, text: '120 sent, 14 pulled, 2 wait; 1 were refused for good and wait for somebody to look at them.', waiting: 2, dead: 1, sent: 120, pulled: 14 }], disk: { used_bytes: 48e9, free_bytes: 412e9 },
    steps: [{ name: 'receive', count: 184203, failed: 0 }, { name: 'decode', count: 184203, failed: 2 }, { name: 'store', count: 184201, failed: 0 }], alarm_to_screen_ms: { p50: 84, p99: 310 },
    checks: [{ name: 'Log on disk', ok: true, text: 'Synced 12 ms ago' }, { name: 'Backup', ok: false, text: 'Last backup is 3 days old' }] })],
]
