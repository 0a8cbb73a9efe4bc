// The live channel of the contract: binary frames, one connection's streams, ticks each second.
import { attention, bed, call, numbersOf, now, patients, vitalsOf, ward } from './data.mjs'
import { block, waveforms } from './signals.mjs'

const json = (m) => Buffer.concat([Buffer.from([3]), Buffer.from(JSON.stringify(m))])

export function numbersFrame(list) {
  const b = Buffer.alloc(4 + list.length * 24)
  b[0] = 2
  b.writeUInt16LE(list.length, 2)
  list.forEach((n, i) => {
    const at = 4 + i * 24
    b.writeUInt32LE(n.stream, at)
    b.writeDoubleLE(n.time_ms, at + 4)
    b.writeDoubleLE(n.value, at + 12)
    b.writeUInt32LE(16, at + 20)
  })
  return b
}

export function wavesFrame(blocks) {
  const b = Buffer.alloc(4 + blocks.reduce((n, x) => n + 16 + x.samples.length * 2, 0))
  b[0] = 1
  b.writeUInt16LE(blocks.length, 2)
  let at = 4
  for (const x of blocks) {
    b.writeUInt32LE(x.stream, at)
    b.writeDoubleLE(x.start_ms, at + 4)
    b.writeUInt32LE(x.samples.length, at + 12)
    at += 16
    for (const s of x.samples) { b.writeInt16LE(s, at); at += 2 }
  }
  return b
}

export const clients = new Set()
export const control = { silent: false } // tests cut the data with it

export function broadcast(m) { for (const c of clients) if (!control.silent) c.ws.send(json(m)) }

export function connect(ws) {
  const c = { ws, subs: new Map(), streams: new Map(), next: 1 }
  clients.add(c)
  ws.send(json({ op: 'hello', now_ms: now(), build: 'fake' }))
  ws.on('message', (data) => receive(c, JSON.parse(String(data))))
  ws.on('close', () => { clients.delete(c); clearInterval(timer) })
  const timer = setInterval(() => { if (!control.silent) second(c) }, 1000)
}

function receive(c, m) {
  if (m.op === 'sub') {
    c.subs.set(m.id, m)
    c.ws.send(json({ op: 'subscribed', id: m.id }))
    if (m.topic === 'attention') c.ws.send(json({ op: 'attention', ...attention() }))
    second(c, 2200)
  } else if (m.op === 'unsub') c.subs.delete(m.id)
  else if (m.op === 'signal') for (const o of clients) if (o !== c) o.ws.send(json({ op: 'signal', consult: m.consult, from: 'other', data: m.data }))
}

const wanted = (c) => {
  const out = new Map()
  for (const s of c.subs.values()) {
    if (s.topic === 'ward') for (const b of ward().beds) if (b.patient && b.state === 'occupied' && !out.has(b.patient.id)) out.set(b.patient.id, ['ecg-ii'])
    if (s.topic === 'patient') out.set(s.patient, ['ecg-ii', 'art', 'pleth', 'resp'])
  }
  return out
}

function streamOf(c, patient, metric, kind, extra) {
  const key = patient + '/' + metric
  if (!c.streams.has(key)) {
    const s = { op: 'stream', id: 0, stream: c.next++, subject: 'Patient/' + patient, bed: patients.get(patient)?.bed?.id, metric, device: 'patch-031', kind, ...extra }
    c.streams.set(key, s)
    c.ws.send(json(s))
  }
  return c.streams.get(key).stream
}

const jitter = (id, metric, v) => v + (metric === 'temperature' || v === null ? 0 : Math.round(Math.sin(now() / 4000 + id.length)) * (metric === 'heart-rate' ? 1 : 0))

function second(c, backMs = 1000) {
  if (control.silent) return
  const t = now()
  const numbers = []
  const blocks = []
  for (const [id, waves] of wanted(c)) {
    const v = vitalsOf.get(id)
    if (!v || v.silent) continue
    for (const n of numbersOf(id)) {
      if (n.value === null || n.metric.startsWith('bp-')) continue
      const stream = streamOf(c, id, n.metric, 'numeric', { unit: n.unit, label: n.label, decimals: n.decimals, max_age_ms: n.max_age_ms })
      numbers.push({ stream, time_ms: t, value: jitter(id, n.metric, n.value) })
    }
    const all = waveforms(id, v)
    for (const m of waves) {
      const w = all[m]
      const stream = streamOf(c, id, m, 'waveform', { rate: w.rate, scale: w.scale, offset: w.offset, unit: w.unit, label: w.label, decimals: 2, max_age_ms: 5000 })
      const end = Math.floor((t * w.rate) / 1000)
      const n = Math.ceil((backMs * w.rate) / 1000) + 2
      const from = ((end - n) * 1000) / w.rate
      blocks.push({ stream, start_ms: from, samples: block(w, from, n) })
    }
  }
  c.ws.send(json({ op: 'tick', now_ms: t, delay_ms: 120, acknowledging: true }))
  if (numbers.length) c.ws.send(numbersFrame(numbers))
  if (blocks.length) c.ws.send(wavesFrame(blocks))
  for (const s of c.subs.values()) if (s.topic === 'device') c.ws.send(json({ op: 'message', device: s.device, message: deviceMessage() }))
}

export const deviceMessage = () => ({ at_ms: now(), protocol: 'mqtt', size: 96, payload: JSON.stringify({ t: now(), hr: 118, spo2: 93 }), outcome: 'stored', ack_ms: 3.2,
  values: [{ metric: 'heart-rate', label: 'HR', value: 118, unit: 'bpm' }, { metric: 'spo2', label: 'SpO₂', value: 93, unit: '%' }] })

export const publish = (a) => {
  broadcast({ op: 'alarm', alarm: a })
  broadcast({ op: 'attention', ...attention() })
}
export { bed, call, json }
