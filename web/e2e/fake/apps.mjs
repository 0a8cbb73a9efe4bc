// Routes of the applications: remote monitoring and medication.
import { now, patients, short, start } from './data.mjs'

const ok = (body) => ({ status: body === undefined ? 204 : 200, body })
const spark = (a, b) => Array.from({ length: 14 }, (_, i) => [start - (13 - i) * 86400e3, a + ((b - a) * i) / 13 + Math.sin(i * 2)])
const row = (id, programme, level, score, reasons, days, adherence, bp) => ({
  patient: short(patients.get(id)), programme, risk: { level, score, reasons }, last_reading_ms: now() - days * 86400e3, days_since: days, contact_ms: now() - 3 * 86400e3, adherence, alarms: level === 'high' ? 2 : 0,
  readings: [{ metric: 'bp-systolic', label: 'Blood pressure', value_text: bp, unit: 'mmHg', trend: level === 'high' ? 'up' : 'flat', baseline_text: 'usual 134/80', spark: spark(134, level === 'high' ? 168 : 136) },
    { metric: 'weight', label: 'Weight', value_text: '74.2', unit: 'kg', trend: level === 'high' ? 'up' : 'flat', spark: spark(72, 74) }],
})
const rows = () => [row('ines', 'heart', 'high', 82, ['Weight up 2.2 kg in 3 days', 'Blood pressure above usual'], 0, 0.93, '168/96'), row('joao', 'heart', 'medium', 51, ['No reading for 4 days'], 4, 0.48, '142/84'),
  row('ada', 'copd', 'medium', 47, ['Oxygen below usual'], 1, 0.8, '128/76'), row('sami', 'pressure', 'low', 12, [], 0, 0.97, '126/78')]

const h = (n) => { const d = new Date(); d.setHours(n, 0, 0, 0); return d.getTime() }
const doses = [
  { id: 'd1', medication: 'Metoprolol', dose: '25 mg', due_ms: h(8), from_ms: h(7), to_ms: h(9), state: 'given', given_ms: h(8) + 600e3, by: 'K. Adeyemi', source: 'nurse' },
  { id: 'd2', medication: 'Amlodipine', dose: '5 mg', due_ms: h(9), from_ms: h(8), to_ms: h(10), state: 'held', by: 'J. Reyes' },
  { id: 'd3', medication: 'Paracetamol', dose: '1 g', due_ms: h(12), from_ms: h(11), to_ms: h(13), state: 'missed' },
  { id: 'd4', medication: 'Cefuroxime', dose: '1.5 g', due_ms: now() - 30 * 60e3, from_ms: now() - 90 * 60e3, to_ms: now() - 60e3, state: 'late' },
  { id: 'd5', medication: 'Pantoprazole', dose: '40 mg', due_ms: now() + 10 * 60e3, from_ms: now() - 10 * 60e3, to_ms: now() + 60 * 60e3, state: 'due' },
  { id: 'd6', medication: 'Metoprolol', dose: '25 mg', due_ms: h(23), from_ms: h(22), to_ms: h(23) + 3500e3, state: 'upcoming' },
]
const day = (id = 'sara') => ({ patient: short(patients.get(id)), date: new Date().toISOString().slice(0, 10), pdc: { value: 0.86, days: 30, definition: 'Days with every dose of the medicine taken, divided by the days of the period.' }, doses })

export const applications = [
  ['GET', '/api/app/rpm/panel', (_p, q) => ok({ programmes: [{ id: 'heart', name: 'Heart failure', patients: 2 }, { id: 'copd', name: 'COPD', patients: 1 }, { id: 'pressure', name: 'High blood pressure', patients: 1 }], rows: rows().filter((r) => !q.get('programme') || r.programme === q.get('programme')) })],
  ['POST', '/api/app/rpm/enrol', () => ok()],
  ['POST', '/api/app/rpm/contact', () => ok()],
  ['GET', '/api/app/medication/panel', () => ok({ rows: ['sara', 'wei', 'imran'].map((id, i) => ({ patient: short(patients.get(id)), next: { medication: 'Pantoprazole 40 mg', due_ms: now() + (10 + i * 40) * 60e3 }, late: i === 0 ? 1 : 0, missed: i === 0 ? 1 : 0, pdc: [0.86, 0.97, 0.74][i], misuse: i === 2 ? ['Two doses within 1 h on 20 Nov'] : [] })) })],
  ['GET', '/api/app/medication/day', (_p, q) => ok(day(q.get('patient') ?? 'sara'))],
  ['POST', '/api/app/medication/doses/:id/give', (p, _q, _b, s) => { Object.assign(doses.find((d) => d.id === p.id), { state: 'given', given_ms: now(), by: s.user.name, source: 'nurse' }); return ok(day()) }],
  ['POST', '/api/app/medication/doses/:id/hold', (p, _q, _b, s) => { Object.assign(doses.find((d) => d.id === p.id), { state: 'held', by: s.user.name }); return ok(day()) }],
]
