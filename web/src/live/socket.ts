import { observe, resetClock } from '../lib/clock'
import { decode, FLAG_LATE, FLAG_SIMULATED, type LiveMessage } from './frame'
import { linkState, type LinkState } from './stale'
import { vitals, type StreamInfo } from './vitals'

//   subscribe() ──▶ topics ──(on open: all again)──▶ /live
//   /live ──▶ decode ──▶ numbers, waves ──▶ vitals ──(beat, 1 s)──▶ components
//                    └─▶ json ──▶ listeners (live/apply.ts, pages)

export interface Topic { topic: string; unit?: string; patient?: string; device?: string; consult?: string }

export interface Link { state: LinkState; lastFrameMs: number; delayMs: number; acknowledging: boolean; refused?: string }

type Listener = (m: LiveMessage) => void

const MAX_BACKOFF = 5_000
const SILENCE_CLOSES = 8_000 // an open socket that says nothing is dead: ticks come each second

export class LiveSocket {
  private ws: WebSocket | null = null
  private topics = new Map<string, { id: number; topic: Topic; users: number }>()
  private streams = new Map<number, StreamInfo>()
  private listeners = new Set<Listener>()
  private beats = new Set<() => void>()
  private nextId = 1
  private backoff = 500
  private retry: number | undefined
  private heard = false
  private wanted = false
  private openedAt = 0
  private lastFrame = performance.now()
  private link: Link = { state: 'connecting', lastFrameMs: Date.now(), delayMs: 0, acknowledging: true }

  start(): void {
    if (this.wanted) return
    this.wanted = true
    this.lastFrame = performance.now()
    this.connect()
    window.setInterval(() => this.beat(), 1000)
  }

  stop(): void {
    this.wanted = false
    window.clearTimeout(this.retry)
    this.ws?.close()
    this.ws = null
    this.heard = false
  }

  // restart is for a new user: the cookie of the old connection is no longer the right one.
  restart(): void {
    this.stop()
    this.wanted = true
    this.lastFrame = performance.now()
    this.connect()
  }

  subscribe(topic: Topic): () => void {
    const key = JSON.stringify(topic)
    let t = this.topics.get(key)
    if (t) t.users++
    else {
      t = { id: this.nextId++, topic, users: 1 }
      this.topics.set(key, t)
      this.send({ op: 'sub', id: t.id, ...topic })
    }
    return () => {
      if (--t.users > 0) return
      this.topics.delete(key)
      this.send({ op: 'unsub', id: t.id })
    }
  }

  signal(consult: string, data: unknown): void { this.send({ op: 'signal', consult, data }) }

  listen(fn: Listener): () => void {
    this.listeners.add(fn)
    return () => this.listeners.delete(fn)
  }

  // onBeat calls fn once a second: the only clock that repaints numbers and ages.
  onBeat(fn: () => void): () => void {
    this.beats.add(fn)
    return () => this.beats.delete(fn)
  }

  getLink = (): Link => this.link

  private connect(): void {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
    const ws = new WebSocket(`${scheme}//${location.host}/live`, 'vigil.1')
    ws.binaryType = 'arraybuffer'
    this.ws = ws
    this.openedAt = performance.now()
    this.streams.clear() // stream numbers belong to one connection
    ws.onopen = () => {
      this.openedAt = performance.now()
      resetClock()
      for (const t of this.topics.values()) this.send({ op: 'sub', id: t.id, ...t.topic })
    }
    ws.onmessage = (e) => { if (this.ws === ws) this.receive(e.data as ArrayBuffer) }
    ws.onclose = () => { if (this.ws === ws) this.lost() }
  }

  private lost(): void {
    this.ws = null
    if (!this.wanted) return
    window.clearTimeout(this.retry)
    this.retry = window.setTimeout(() => this.connect(), this.backoff)
    this.backoff = Math.min(MAX_BACKOFF, this.backoff * 2)
  }

  private send(m: object): void {
    if (this.ws?.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify(m))
  }

  private receive(data: ArrayBuffer): void {
    let frame
    try {
      frame = decode(data)
    } catch {
      return // one broken frame must not stop the others; silence shows itself
    }
    // Only the tick and data prove that the server is alive. A greeting does not: a server that can only greet would keep
    // old values looking live, one reconnect after the other.
    if (frame.type !== 'json' || frame.message.op === 'tick') {
      this.lastFrame = performance.now()
      this.heard = true
      this.backoff = 500
    }
    if (frame.type === 'waves') {
      for (const b of frame.blocks) {
        const s = this.streams.get(b.stream)
        if (s) vitals.wave(s, b.start_ms, b.samples)
      }
    } else if (frame.type === 'numbers') {
      for (const u of frame.updates) {
        const s = this.streams.get(u.stream)
        if (s && (u.flags & FLAG_LATE) === 0) vitals.number(s, u.time_ms, u.value, (u.flags & FLAG_SIMULATED) !== 0)
      }
    } else this.dispatch(frame.message)
  }

  private dispatch(m: LiveMessage): void {
    if (m.op === 'stream') {
      const info = m as unknown as StreamInfo
      this.streams.set(info.stream, info)
      vitals.describe(info)
    } else if (m.op === 'tick' || m.op === 'hello') {
      observe(m.now_ms as number)
      if (m.op === 'tick') this.link = { ...this.link, delayMs: m.delay_ms as number, acknowledging: m.acknowledging !== false }
    }
    for (const fn of this.listeners) fn(m)
  }

  private beat(): void {
    if (!this.wanted) return
    const now = performance.now()
    const silent = now - this.lastFrame
    const state = linkState(this.heard, silent)
    if (state !== this.link.state || state === 'live') {
      this.link = { ...this.link, state, lastFrameMs: Date.now() - silent }
    }
    if (this.ws && silent > SILENCE_CLOSES && now - this.openedAt > SILENCE_CLOSES) {
      const dead = this.ws
      this.lost()
      dead.close()
    }
    for (const fn of this.beats) fn()
  }
}

export const live = new LiveSocket()
