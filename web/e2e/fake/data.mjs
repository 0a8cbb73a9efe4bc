// The sixteen beds of the design pictures. All people are invented.

export const now = () => Date.now()
const iso = (ms) => new Date(ms).toISOString()
const start = now()

const nurses = { KA: 'K. Adeyemi', JR: 'J. Reyes', MT: 'M. Tadesse' }
const nurse = (i) => ({ initials: i, name: nurses[i] })
const slug = (name) => name.split(', ')[1].toLowerCase().normalize('NFD').replace(/[^a-z]/g, '')
const born = { Sara: '1972-03-12' }
const isoDate = (age) => `${2026 - age}-05-04`

// label, name, age, sex, HR, SpO2, RR, T, sys, dia, MAP, source, cuff minutes ago, NEWS2, nurse
const rows = [
  ['1', 'Lind, Per', 67, 'M', 72, 97, 14, 36.8, 128, 74, 92, 'ART', 0, 0, 'KA'],
  ['2', 'Haddad, Mina', 45, 'F', 88, 96, 18, 37.4, 112, 66, 81, 'ART', 0, 0, 'KA'],
  ['3', 'Tan, Wei', 71, 'M', 104, 87, 26, 38.1, 136, 78, 97, 'NIBP', 12, 8, 'JR'],
  ['4', 'Novák, Jana', 59, 'F', 64, 98, 12, 36.5, 118, 70, 86, 'NIBP', 17, 0, 'KA'],
  ['6', 'Mensah, Kofi', 63, 'M', 128, 95, 20, 37.9, 142, 84, 103, 'ART', 0, 3, 'JR'],
  ['7', 'Okafor, Sara', 54, 'F', 118, 93, 23, 38.6, 82, 40, 54, 'ART', 0, 10, 'JR'],
  ['8', 'Silva, Ana', 38, 'F', 76, 99, 15, 36.9, 116, 72, 87, 'NIBP', 2, 0, 'KA'],
  ['9', 'Dubois, Luc', 80, 'M', null, 95, 17, 36.6, 131, 69, 90, 'NIBP', 7, null, 'MT'],
  ['10', 'Ivanova, Olga', 73, 'F', 81, 94, 19, 37.1, 148, 82, 104, 'ART', 0, 1, 'MT'],
  ['11', 'Moreau, Chloé', 29, 'F', 84, 97, 16, 36.9, 122, 70, 88, 'ART', 0, null, 'MT'],
  ['12', 'Khan, Imran', 58, 'M', 134, 94, 22, 38.3, 108, 64, 79, 'ART', 0, 8, 'JR'],
  ['13', 'Berg, Nils', 66, 'M', 69, 96, 13, 36.7, 124, 71, 89, 'NIBP', 22, 0, 'MT'],
  ['15', 'Costa, Rui', 49, 'M', 75, 97, 14, 36.8, 120, 70, 87, 'ART', 0, null, 'JR'],
  ['16', 'Yılmaz, Elif', 62, 'F', 79, 97, 16, 37.0, 122, 68, 86, 'ART', 0, 0, 'MT'],
]

export const vitalsOf = new Map()
export const patients = new Map()

const score = (total) => ({
  total, band: total === null ? 'incomplete' : total >= 7 ? 'high' : total >= 5 ? 'medium' : 'low', missing: total === null ? ['heart rate'] : [], time_ms: now(),
  parts: [['bp', 'Blood pressure'], ['pulse', 'Pulse'], ['resp', 'Resp rate'], ['spo2', 'SpO₂'], ['temp', 'Temperature'], ['conscious', 'Consciousness'], ['air', 'Air or oxygen']]
    .map(([key, label], i) => ({ key, label, score: total === null ? (i === 1 ? null : 0) : [3, 2, 2, 2, 1, 0, 0][i] * (total >= 7 ? 1 : 0) })),
})
const history = (total) => Array.from({ length: 24 }, (_, i) => {
  if (total === null) return i % 3 ? 0 : null
  if (total >= 7) return Math.round((total * i) / 23)
  return total + (i % 7 === 0 ? 1 : 0)
})

const meta = {
  'heart-rate': ['HR', 'bpm', 0, 6000, 50, 120], spo2: ['SpO₂', '%', 0, 6000, 90, 100], 'respiratory-rate': ['RR', '/min', 0, 15000, 8, 30],
  temperature: ['T', '°C', 1, 900000, 36, 38.5],
}
const bpMeta = (p) => ({ [`${p}-systolic`]: ['SYS', 'mmHg', 0], [`${p}-diastolic`]: ['DIA', 'mmHg', 0], [`${p}-mean`]: ['MAP', 'mmHg', 0] })

export function numbersOf(id) {
  const v = vitalsOf.get(id)
  const t = v.silent ? v.silent : now()
  const out = Object.entries(meta).map(([metric, [label, unit, decimals, max_age_ms, low, high]]) => ({
    metric, label, unit, decimals, max_age_ms, low, high, value: v[metric] ?? null, time_ms: t, device: 'patch-031', simulated: true,
  }))
  const p = v.source === 'ART' ? 'art' : 'bp'
  for (const [metric, [label, unit, decimals]] of Object.entries(bpMeta(p))) {
    out.push({ metric, label, unit, decimals, value: v[metric], time_ms: v.silent ?? (p === 'bp' ? v.cuff : now()), max_age_ms: p === 'bp' ? 3600000 : 6000,
      device: 'monitor-7', source: v.source, simulated: true, ...(metric.endsWith('mean') ? { low: 65, high: 110 } : {}) })
  }
  return out
}

for (const [label, name, age, sex, hr, spo2, rr, temp, sys, dia, map, source, cuff, news, n] of rows) {
  const [family, given] = name.split(', ')
  const id = slug(name)
  const p = source === 'ART' ? 'art' : 'bp'
  vitalsOf.set(id, { 'heart-rate': hr, spo2, 'respiratory-rate': rr, temperature: temp, [`${p}-systolic`]: sys, [`${p}-diastolic`]: dia, [`${p}-mean`]: map,
    source, cuff: start - cuff * 60000, silent: label === '11' ? start - 50000 : undefined, news })
  patients.set(id, { id, family, given, name, age, sex, birth_date: born[given] ?? isoDate(age), mrn: `4471-${String(86 + Number(label)).padStart(3, '0')}`,
    location: 'bed', bed: { id: 'bed-' + label, label }, unit: { id: 'icu-north', name: 'ICU North' }, nurse: nurse(n), news: score(news), scores: history(news) })
}
patients.get('sara').mrn = '4471-092'

for (const [id, name, age, sex] of [['ines', 'Marin, Ines', 74, 'F'], ['joao', 'Pires, João', 69, 'M'], ['ada', 'Lund, Ada', 81, 'F'], ['sami', 'Aalto, Sami', 58, 'M']]) {
  const [family, given] = name.split(', ')
  patients.set(id, { id, family, given, name, age, sex, birth_date: isoDate(age), mrn: '9902-' + age, location: 'home', nurse: nurse('KA'), news: score(null), scores: [] })
  vitalsOf.set(id, { 'heart-rate': 76, spo2: 95, 'respiratory-rate': 16, temperature: 36.8, 'bp-systolic': 134, 'bp-diastolic': 80, 'bp-mean': 98, source: 'NIBP', cuff: start - 5 * 60000, news: null })
}

export const short = (p) => p && ({ id: p.id, family: p.family, given: p.given, name: p.name, age: p.age, sex: p.sex, birth_date: p.birth_date, mrn: p.mrn, location: p.location, bed: p.bed, unit: p.unit })

// ---- alarms -----------------------------------------------------------------------------------------------------

export const alarms = new Map()
let next = 1

export function raise(a) {
  const id = a.id ?? 'alarm-' + next++
  const raised = a.raisedMs ?? now()
  const p = a.patient && patients.get(a.patient)
  const full = {
    id, kind: 'alarm', class: 'physiological', state: 'raised', rule: 'rule', subject: p ? 'Patient/' + p.id : 'Location/icu-north', onset: iso(raised), raised: iso(raised),
    updated: iso(raised), step: 0, steps: 3, history: [{ at: iso(raised), what: 'raised' }], unit: 'icu-north', ...a,
    patient: short(p), bed: p?.bed && { ...p.bed, unit: 'ICU North' },
  }
  delete full.raisedMs
  alarms.set(id, full)
  return full
}

const line = (metric, from, to) => ({ metric, from, to, points: Array.from({ length: 12 }, (_, i) => [start - (11 - i) * 150000, +(from + (to - from) * (i / 11) ** 1.6 + Math.sin(i * 2) * 0.6).toFixed(1)]) })

raise({ id: 'a-sara', patient: 'sara', priority: 'high', state: 'seen', rule: 'map-low', rule_version: 'ICU sepsis rule v3', title: 'MAP low', text: 'falling for 6 min', metric: 'art-mean',
  metric_label: 'MAP', value: 54, value_text: '54', limit: 65, limit_text: '65', unit_label: 'mmHg', raisedMs: start - 44000, step: 1, chain: 'icu',
  next: { at: iso(start + 60000 * 3), text: 'Rapid response' },
  history: [{ at: iso(start - 44000), what: 'raised' }, { at: iso(start - 43000), what: 'paged', who: 'Dr Reyes' }, { at: iso(start - 26000), what: 'seen', who: 'Dr Reyes' }, { at: iso(start - 9000), what: 'video_opened', who: 'Dr Reyes' }],
  evidence: { sentence: 'MAP stayed under 65 mmHg for 10 s', delay_ns: 1e10, limits: { 'art-mean': { low: 65 } }, facts: ['NEWS2 10, was 2 this morning', 'Lactate 3.8 mmol/L (13:52, lab)', 'qSOFA 2 of 3'],
    lines: [line('art-mean', 76, 54), line('heart-rate', 94, 118), line('temperature', 37.6, 38.6)] } })
raise({ id: 'a-wei', patient: 'wei', priority: 'medium', rule: 'spo2-low', title: 'SpO₂ low', metric: 'spo2', metric_label: 'SpO₂', value: 87, value_text: '87', unit_label: '%', limit: 90, limit_text: '90', raisedMs: start - 72000,
  evidence: { sentence: 'SpO₂ stayed under 90 % for 30 s', lines: [line('spo2', 94, 87)], facts: [] } })
raise({ id: 'a-imran', patient: 'imran', priority: 'medium', rule: 'hr-high', title: 'HR high', metric: 'heart-rate', metric_label: 'HR', value: 134, value_text: '134', limit: 120, limit_text: '120', raisedMs: start - 127000,
  audio_paused_until: iso(start + 72000) })
raise({ id: 'a-kofi', patient: 'kofi', priority: 'medium', state: 'acknowledged', rule: 'hr-high', title: 'HR high', metric: 'heart-rate', metric_label: 'HR', value: 128, value_text: '128', raisedMs: start - 314000,
  acked_by: 'J. Reyes', acked_initials: 'JR', acked_at: iso(start - 280000) })
raise({ id: 'a-chloe', patient: 'chloe', priority: 'medium', class: 'technical', rule: 'no-data', title: 'No data', text: 'Gateway GW-04 offline', raisedMs: start - 50000 })
raise({ id: 'a-luc', patient: 'luc', priority: 'low', class: 'technical', rule: 'lead-off', title: 'ECG lead off (RA)', metric: 'heart-rate', metric_label: 'HR', raisedMs: start - 222000 })
export const call = raise({ id: 'c-412', kind: 'call', class: undefined, priority: 'none', rule: 'call', title: 'Room 412 B · Toilet call', text: 'Nearest: M. Tadesse, 12 m away', raisedMs: start - 27000 })

const flags = { 2: [{ kind: 'isolation', text: 'Contact' }], 7: [{ kind: 'battery', text: '64%' }], 9: [{ kind: 'falls', text: 'Falls' }], 10: [{ kind: 'falls', text: 'Falls' }], 12: [{ kind: 'isolation', text: 'Droplet' }] }
const empty = {
  5: { state: 'free' }, 14: { state: 'cleaning', note: 'Terminal clean', until: iso(start + 12 * 60000 + 30000) },
}

export const admitted = new Map()

export function bed(label) {
  const id = 'bed-' + label
  if (empty[label] && !admitted.has(label)) return { id, label, flags: [], numbers: [], waves: [], scores: [], alarms: [], ...empty[label] }
  const p = [...patients.values()].find((x) => x.bed?.label === label)
  const standby = label === '15' ? { state: 'standby', note: 'CT scan', until: iso(start + 18 * 60000) } : { state: 'occupied' }
  return { id, label, ...standby, patient: short(p), nurse: p.nurse, flags: flags[label] ?? [], numbers: numbersOf(p.id), waves: label === '15' ? [] : ['ecg-ii', 'art', 'pleth', 'resp'],
    news2: p.news, scores: p.scores, alarms: alarmsOf(p.id) }
}

export const alarmsOf = (id) => [...alarms.values()].filter((a) => a.patient?.id === id && a.state !== 'resolved')

export function ward() {
  return { unit: { id: 'icu-north', name: 'ICU North' }, beds: Array.from({ length: 16 }, (_, i) => bed(String(i + 1))),
    staff: [{ initials: 'JR', name: 'J. Reyes', role: 'physician' }, { initials: 'KA', name: 'K. Adeyemi', role: 'nurse' }, { initials: 'MT', name: 'M. Tadesse', role: 'nurse' }],
    shift: 'Day · 07:00–19:30', room: { temperature: 21.4, humidity: 46 }, devices: { online: 41, total: 43 }, now_ms: now() }
}

const item = (a) => ({
  id: a.id, kind: a.kind, technical: a.class === 'technical', priority: a.priority, since_ms: Date.parse(a.raised), icon: a.kind === 'call' ? 'phone' : a.class === 'technical' ? 'wrench' : 'alarm', alarm: a,
  title: a.bed ? `Bed ${a.bed.label} · ${a.value_text ? [a.metric_label, a.value_text, a.unit_label].filter(Boolean).join(' ') : a.title}` : a.title,
  text: a.id === 'a-sara' ? 'Okafor, Sara · paging Dr Reyes, step 1 of 3' : a.id === 'a-chloe' ? 'Gateway GW-04 offline · biomed notified'
    : a.id === 'a-wei' ? 'Tan, Wei · limit 90 · nurse J. Reyes' : a.patient ? a.patient.name : a.text,
  link: a.patient ? `/patient/${a.patient.id}` : '/alerts', actions: a.kind === 'call' ? ['going', 'talk'] : a.state === 'acknowledged' ? ['open'] : ['acknowledge', 'open'],
})
const order = { high: 3, medium: 2, low: 1, none: 1.5 }

export function attention() {
  const open = [...alarms.values()].filter((a) => a.state !== 'resolved' && a.state !== 'acknowledged').map(item)
    .sort((a, b) => order[b.priority] - order[a.priority] || a.technical - b.technical || a.since_ms - b.since_ms)
  const coming = [
    ['n1', 'Ambulance A-12 · STEMI', '12-lead received · cath lab 2 on hold', 6, 'ambulance'], ['n2', 'Bed 2 · Noradrenaline ends', 'Pump P-118 · next bag not scanned', 18, 'pill'],
    ['n3', 'Blood fridge 2 · 7.4 °C', 'Limit 6 °C · door open', 4, 'thermometer'],
  ].map(([id, title, text, min, icon]) => ({ id, kind: 'task', technical: false, priority: 'none', title, text, since_ms: start, due_ms: start + min * 60000 + 20000, icon, link: '/alerts', actions: [] }))
  return { open, coming, now_ms: now() }
}

export { iso, start, score, nurse }
