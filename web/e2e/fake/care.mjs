// Patient, consult and portal routes.
import { alarms, alarmsOf, iso, now, numbersOf, patients, score, short, start, vitalsOf } from './data.mjs'
import { broadcast } from './live.mjs'
import { devices } from './fleet.mjs'

const ok = (body) => ({ status: body === undefined ? 204 : 200, body })
const none = { status: 404, body: { error: { kind: 'not_found', message: 'There is no such patient.', id: 'e-1a2b' } } }

const patient = (id) => {
  const p = patients.get(id)
  const sick = id === 'sara'
  return { ...short(p), weight_kg: sick ? 71 : undefined, day: 'Day 2', allergies: sick ? [{ text: 'Penicillin: anaphylaxis', severity: 'high' }] : [], code_status: 'Full code', problems: sick ? ['Post-op colectomy'] : [],
    news2: p.news, news2_was: sick ? { total: 2, time_ms: start - 6 * 3600e3 } : undefined, devices: devices.filter((d) => d.subject === 'Patient/' + id), nurse: p.nurse, physician: { initials: 'JR', name: 'Dr Reyes' },
    running: sick ? ['Noradrenaline 0.05 µg/kg/min'] : [], alarms: alarmsOf(id), waves: p.location === 'home' ? [] : ['ecg-ii', 'art', 'pleth', 'resp'], consult: consults.find((c) => c.patient.id === id && c.state !== 'closed') }
}

const kinds = { 'art-mean': ['MAP', 'mmHg', 0, 65, 110], 'bp-mean': ['MAP', 'mmHg', 0, 65, 110], 'heart-rate': ['HR', 'bpm', 0, 50, 120], spo2: ['SpO₂', '%', 0, 90, 100], temperature: ['Temp', '°C', 1, 36, 38.5], 'respiratory-rate': ['RR', '/min', 0, 8, 30], 'bp-systolic': ['Blood pressure', 'mmHg', 0, 90, 160] }

function trend(id, q) {
  const to = Number(q.get('to_ms') ?? now())
  const from = Number(q.get('from_ms') ?? to - 4 * 3600e3)
  const v = vitalsOf.get(id)
  const series = q.get('metrics').split(',').filter((m) => kinds[m]).map((metric) => {
    const [label, unit, decimals, low, high] = kinds[metric]
    const end = v[metric] ?? v[metric.replace('art', 'bp')] ?? 80
    const begin = { 'art-mean': 82, 'heart-rate': 86, spo2: 97, temperature: 37.2 }[metric] ?? end
    const points = Array.from({ length: 300 }, (_, i) => {
      const k = Math.max(0, (i / 299 - 0.6) / 0.4) ** 1.7
      const m = begin + (end - begin) * k + Math.sin(i * 1.9) * (metric === 'spo2' ? 0.3 : 0.9) + Math.sin(i * 0.7) * 0.4
      return [from + ((to - from) * i) / 299, m, m - 2, m + 2]
    })
    return { metric, label, unit, decimals, low, high, points, gaps: [] }
  })
  const at = (f) => from + (to - from) * f
  return { from_ms: from, to_ms: to, series, events: [{ time_ms: at(0.145), kind: 'medication', text: 'Paracetamol 1 g' }, { time_ms: at(0.615), kind: 'medication', text: 'Noradrenaline 0.05' },
    { time_ms: at(0.832), kind: 'lab', text: 'Lactate 3.8' }, { time_ms: at(0.996), kind: 'alarm', text: 'MAP alarm' }] }
}

function news(q) {
  const to = Number(q.get('to_ms') ?? now())
  const from = Number(q.get('from_ms') ?? to - 4 * 3600e3)
  const rows = { bp: [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3], pulse: [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2], resp: [0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2], spo2: [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2], temp: [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1] }
  const labels = { bp: 'Blood pressure', pulse: 'Pulse', resp: 'Resp rate', spo2: 'SpO₂', temp: 'Temperature' }
  const columns = Array.from({ length: 12 }, (_, i) => {
    const parts = Object.keys(rows).map((key) => ({ key, label: labels[key], score: rows[key][i] }))
    const total = parts.reduce((n, p) => n + p.score, 0)
    return { time_ms: from + ((to - from) * i) / 12, score: { ...score(total), parts } }
  })
  return { columns }
}

let limits = ['heart-rate', 'spo2', 'respiratory-rate', 'art-mean', 'temperature'].map((metric) => {
  const [label, unit, decimals, low, high] = kinds[metric]
  const step = decimals ? 0.2 : 2
  const from = low - 8 * step
  const n = Math.round((high - low) / step) + 16
  return { metric, label, unit, low, high, default_low: low, default_high: high, priority: 'medium', delay_s: 10, personal: false,
    histogram: { from, step, counts: Array.from({ length: n }, (_, i) => Math.round(120 * Math.exp(-(((i - n * 0.62) / (n * 0.14)) ** 2)))) } }
})

const thread = [
  { id: 't1', at: iso(start - 180e3), by: 'K. Adeyemi', initials: 'KA', role: 'nurse', text: 'MAP drifting, cap refill 4 s. Line flushed, level checked.', kind: 'message' },
  { id: 't2', at: iso(start - 60e3), by: 'J. Reyes', initials: 'JR', role: 'physician', text: 'Seen. Opening video now. Get 500 ml ready.', kind: 'message' },
]
const steps = [['Check line and transducer level', 'check', true, 'KA', 60e3], ['Blood cultures ×2', 'check', true, 'KA', 1600e3], ['Fluid 500 ml over 15 min', 'order'], ['Noradrenaline to 0.10 µg/kg/min', 'order'],
  ['Repeat lactate', 'order'], ['Antibiotic (no penicillins)', 'pharmacy']].map(([text, kind, done = false, by, ago], i) => ({ id: 's' + i, text, kind, done, by, at: ago && iso(start - ago) }))

const record = [
  { type: 'Condition', id: 'r1', title: 'Sigmoid carcinoma, after colectomy', text: 'Operated 21 Nov 2026. No complication during surgery.', time: iso(start - 86400e3), source: 'EHR, discharge letter' },
  { type: 'AllergyIntolerance', id: 'r2', title: 'Penicillin: anaphylaxis', text: 'Reaction in 2009.', time: iso(start - 90 * 86400e3), source: 'EHR' },
  { type: 'Observation', id: 'r3', title: 'Lactate 3.8 mmol/L', text: 'Arterial blood.', time: iso(start - 2400e3), source: 'Laboratory' },
]

export const consults = []
const open = (id, s) => {
  let c = consults.find((x) => x.patient.id === id && x.state !== 'closed')
  if (!c) consults.push((c = { id: 'k' + (consults.length + 1), patient: short(patients.get(id)), clinician: { id: 'jr', name: 'Dr Reyes', initials: 'JR' }, state: 'open', opened_at: iso(now()), joined: [],
    messages: [{ id: 'm1', at: iso(now() - 60e3), by: 'jr', name: 'Dr Reyes', initials: 'JR', text: 'Hello Sara, how do you feel?', mine: s.user?.role !== 'patient' }] }))
  return c
}
const changed = (c) => { broadcast({ op: 'consult', consult: c }); broadcast({ op: 'portal' }); return ok(c) }
const say = (c, text, s) => { c.messages.push({ id: 'm' + (c.messages.length + 1), at: iso(now()), by: s.user.id, name: s.user.name, initials: s.user.initials, text, mine: true }); return changed(c) }

const spark = (a, b) => Array.from({ length: 8 }, (_, i) => [start - (7 - i) * 600e3, a + (b - a) * (i / 7) ** 1.4 + Math.sin(i * 2) * 0.6])
export const portalState = { calling: true }
const medicines = [{ id: 'd1', name: 'Metoprolol 25 mg', state: 'taken', text: 'Taken 08:10' }, { id: 'd2', name: 'Amlodipine 5 mg', state: 'on_hold', text: 'On hold' }]
const portal = (s) => ({
  patient: short(patients.get('sara')), greeting: 'Sara', device_text: 'Your patch sent a reading 1 minute ago.',
  calling: portalState.calling ? { consult: open('sara', s).id, name: 'Dr Reyes', initials: 'JR', text: 'Your blood pressure is low. Please sit down.' } : undefined,
  cards: [
    { key: 'bp', label: 'Blood pressure', value: '88/52', text: 'Lower than usual', state: 'low', spark: spark(96, 88), time_ms: now() }, { key: 'heart-rate', label: 'Heart rate', value: '104', unit: 'per min', text: 'Faster than usual', state: 'high', spark: spark(92, 104), time_ms: now() },
    { key: 'spo2', label: 'Oxygen', value: '96', unit: '%', text: 'In your range', state: 'ok', spark: [], time_ms: now() }, { key: 'temperature', label: 'Temperature', value: '37.2', unit: '°C', text: 'In your range', state: 'ok', spark: [], time_ms: now() },
  ], medicines, messages_unread: 1, consult: consults.find((c) => c.patient.id === 'sara' && c.state !== 'closed'),
})

const one = (id) => consults.find((c) => c.id === id)

export const care = [
  ['GET', '/api/patients', (_p, q) => ok([...patients.values()].filter((p) => (p.name + p.mrn).toLowerCase().includes((q.get('q') ?? '').toLowerCase())).map(short))],
  ['GET', '/api/patients/:id', (p) => (patients.has(p.id) ? ok(patient(p.id)) : none)],
  ['GET', '/api/patients/:id/numbers', (p) => ok(numbersOf(p.id))],
  ['GET', '/api/patients/:id/trend', (p, q) => ok(trend(p.id, q))],
  ['GET', '/api/patients/:id/waveform', (_p, q) => ok({ metric: q.get('metric'), rate: 125, scale: 0.01, offset: 0, start_ms: Number(q.get('from_ms')), samples: Array.from({ length: 15 * 125 }, (_, i) => Math.round(6000 + 2000 * Math.sin(i / 10))), unit: 'mmHg' })],
  ['GET', '/api/patients/:id/news2', (_p, q) => ok(news(q))],
  ['GET', '/api/patients/:id/alarms', (p) => ok([...alarms.values()].filter((a) => a.patient?.id === p.id))],
  ['GET', '/api/patients/:id/limits', () => ok(limits)],
  ['PUT', '/api/patients/:id/limits', (_p, _q, b) => { limits = limits.map((l) => { const n = b.find((x) => x.metric === l.metric); return n ? { ...l, low: n.low ?? l.default_low, high: n.high ?? l.default_high, personal: n.low !== null || n.high !== null } : l }); return ok(limits) }],
  ['GET', '/api/patients/:id/limits/estimate', (_p, q) => ok({ hours: 24, now: 14, would: Math.max(0, Math.round(14 - Math.abs(Number(q.get('high')) - 120) * 0.8)) })],
  ['GET', '/api/patients/:id/thread', () => ok(thread)],
  ['POST', '/api/patients/:id/thread', (_p, _q, b, s) => { thread.push({ id: 't' + (thread.length + 1), at: iso(now()), by: s.user.name, initials: s.user.initials, role: s.user.role, text: b.text, kind: b.kind }); return ok(thread) }],
  ['GET', '/api/patients/:id/scores', (p) => ok(p.id === 'sara' ? [
    { key: 'news2', title: 'National Early Warning Score 2', version: '1', source: 'Royal College of Physicians, 2017', total: 10, known: 10, band: 'high', missing: [] },
    { key: 'sirs', title: 'Systemic inflammatory response syndrome', version: '1', source: 'Bone et al., 1992', total: null, known: 3, band: '', missing: ['White cells'] },
  ] : [])],
  ['GET', '/api/patients/:id/risk', (p) => ok(p.id === 'sara' ? { probability: 0.083, why: ['respiratory rate 24, rising over 6 h', 'mean pressure 54, lowest of 24 h'], missing: ['temperature'], at: iso(now()) } : undefined)],
  ['GET', '/api/patients/:id/steps', (p) => ok(p.id === 'sara' ? steps : [])],
  ['POST', '/api/patients/:id/steps/:step', (p, _q, b, s) => { const x = steps.find((y) => y.id === p.step); Object.assign(x, { done: b.done, by: b.done ? s.user.initials : undefined, at: b.done ? iso(now()) : undefined }); return ok(steps) }],
  ['GET', '/api/patients/:id/devices', (p) => ok(devices.filter((d) => d.subject === 'Patient/' + p.id))],
  ['GET', '/api/patients/:id/record', () => ok(record)],
  ['POST', '/api/consults', (_p, _q, b, s) => { const c = open(b.patient_id, s); if (b.video) c.state = 'ringing'; return changed(c) }],
  ['GET', '/api/consults', (_p, q) => ok(consults.filter((c) => !q.get('patient_id') || c.patient.id === q.get('patient_id')))],
  ['GET', '/api/consults/:id', (p) => ok(one(p.id))],
  ['POST', '/api/consults/:id/messages', (p, _q, b, s) => say(one(p.id), b.text, s)],
  ['POST', '/api/consults/:id/join', (p, _q, _b, s) => { const c = one(p.id); c.state = s.user.role === 'patient' ? 'video' : c.state === 'video' ? 'video' : 'ringing'; if (s.user.role === 'patient') portalState.calling = false; c.joined = [...c.joined.filter((j) => j.id !== s.user.id), { id: s.user.id, name: s.user.name, since: iso(now()) }]; return changed(c) }],
  ['POST', '/api/consults/:id/leave', (p, _q, _b, s) => { const c = one(p.id); c.joined = c.joined.filter((j) => j.id !== s.user.id); c.state = c.joined.length ? c.state : 'open'; return changed(c) }],
  ['GET', '/api/consults/:id/ice', () => ok({ iceServers: [] })],
  ['POST', '/api/consults/:id/close', (p, _q, b) => { const c = one(p.id); Object.assign(c, { state: 'closed', note: b.note, action: b.action, joined: [] }); return changed(c) }],
  ['GET', '/api/portal', (_p, _q, _b, s) => ok(portal(s))],
  ['GET', '/api/portal/readings', (_p, q) => { const t = new URLSearchParams({ metrics: q.get('metric') === 'bp' ? 'bp-systolic' : q.get('metric'), from_ms: String(now() - Number(q.get('days') ?? 7) * 86400e3) }); return ok({ ...trend('sara', t), events: [] }) }],
  ['GET', '/api/portal/messages', (_p, _q, _b, s) => ok(open('sara', s))],
  ['POST', '/api/portal/messages', (_p, _q, b, s) => say(open('sara', s), b.text, s)],
  ['POST', '/api/portal/medicines/:id/taken', (p) => { const m = medicines.find((x) => x.id === p.id); Object.assign(m, { state: 'taken', text: 'Taken now' }); broadcast({ op: 'portal' }); return ok(m) }],
  ['GET', '/api/portal/family', () => ok([{ name: 'Ben Okafor', relation: 'Husband', sees: ['How you are, in words', 'When visits are'] }])],
]
