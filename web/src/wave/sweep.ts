import { serverNow } from '../lib/clock'
import { LEAD_OFF } from '../live/ring'
import type { Wave } from '../live/vitals'

// Sweep draws one waveform from left to right with an erase bar before the pen. Each frame draws only what is new: sixteen
// strips cost a few line segments each instead of sixteen full redraws.

export const ERASE = 14
export const DELAY_MS = 1_200 // blocks of up to a second are on screen in time
export const PX_PER_S = (25 * 96) / 25.4 // 25 mm/s in CSS pixels

export interface SweepOptions { colour: string; speed: number; line: number; range?: [number, number]; minSpan: number }

const MARGIN = 5
const REFIT_AFTER_MS = 1_000
const FIT_OVER_MS = 8_000 // two slow breaths
const REPAINT_MS = 400 // at most this often for blocks that come late
const REDRAW_AFTER_MS = 700 // longer than this since the last frame (hidden tab): paint the sweep anew

export class Sweep {
  private lastMs = 0
  private width = 0
  private height = 0
  private lo = 0
  private hi = 1
  private ranged = false
  private beyond = false // a sample left the range: fit again, but not for every beat
  private fitted = 0
  private seen = 0 // blocks of the ring that have been looked at
  private behind = false
  private painted = 0
  visible = true // a strip that is scrolled away draws nothing
  private readonly ctx: CanvasRenderingContext2D

  constructor(private readonly canvas: HTMLCanvasElement, private readonly wave: () => Wave | undefined, private options: SweepOptions) {
    this.ctx = canvas.getContext('2d')!
  }

  resize(): void {
    const ratio = window.devicePixelRatio || 1
    this.width = this.canvas.clientWidth
    this.height = this.canvas.clientHeight
    this.canvas.width = Math.max(1, Math.round(this.width * ratio))
    this.canvas.height = Math.max(1, Math.round(this.height * ratio))
    this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0)
    this.lastMs = 0
  }

  set(options: SweepOptions): void {
    this.options = options
    this.lastMs = 0
  }

  // frame moves the pen to the playback time. Position is a function of time alone, so strips of one width stay in step.
  frame(): void {
    const wave = this.wave()
    if (!wave || this.width === 0 || !this.visible) return
    const now = serverNow() - DELAY_MS
    const period = (this.width / this.options.speed) * 1000
    if (this.lastMs === 0 || now - this.lastMs > REDRAW_AFTER_MS || now < this.lastMs || this.fillsBehind(wave, now)) {
      this.fit(wave, now)
      this.ctx.clearRect(0, 0, this.width, this.height)
      this.draw(wave, now - period + (ERASE / this.options.speed) * 1000, now)
      this.painted = now
    } else {
      // Less than a column is not worth a paint.
      if (((now - this.lastMs) / 1000) * this.options.speed < 1) return
      if (Math.floor(now / period) !== Math.floor(this.lastMs / period) || !this.ranged) this.fit(wave, now)
      this.erase(now, period)
      this.draw(wave, this.lastMs, now)
    }
    this.lastMs = this.beyond && now - this.fitted > REFIT_AFTER_MS ? 0 : now
  }

  // fillsBehind tells that blocks came which begin behind the pen: the past sent at the start, or a late block.
  private fillsBehind(wave: Wave, now: number): boolean {
    const { ring } = wave
    if (ring.writes !== this.seen) {
      this.behind ||= ring.lowest(this.seen) < ring.index(this.lastMs)
      this.seen = ring.writes
    }
    if (!this.behind || now - this.painted < REPAINT_MS) return false
    this.behind = false
    return true
  }

  private x(ms: number, period: number): number { return ((ms % period) / period) * this.width }

  private erase(now: number, period: number): void {
    const from = this.x(this.lastMs, period)
    const length = ((now - this.lastMs) / 1000) * this.options.speed + ERASE
    this.ctx.clearRect(from + 0.5, 0, length, this.height)
    if (from + length > this.width) this.ctx.clearRect(0, 0, from + length - this.width, this.height)
  }

  // fit chooses the vertical range once per sweep, so that a trace does not jump while it is being drawn.
  private fit(wave: Wave, now: number): void {
    if (this.options.range) { [this.lo, this.hi] = this.options.range; this.ranged = true; return }
    const seen = wave.ring.range(wave.ring.index(now - FIT_OVER_MS), wave.ring.index(now))
    if (!seen) return
    const pad = Math.max(0, this.options.minSpan - (seen[1] - seen[0])) / 2
    this.lo = seen[0] - pad
    this.hi = seen[1] + pad
    this.ranged = true
    this.beyond = false
    this.fitted = now
  }

  private y(v: number): number {
    const span = this.hi - this.lo || 1
    const y = this.height - MARGIN - ((v - this.lo) / span) * (this.height - 2 * MARGIN)
    return Math.min(this.height - 1, Math.max(1, y))
  }

  private draw(wave: Wave, from: number, to: number): void {
    const { ctx } = this
    const period = (this.width / this.options.speed) * 1000
    const first = Math.floor((from * wave.ring.rate) / 1000)
    const last = Math.floor((to * wave.ring.rate) / 1000)
    ctx.strokeStyle = this.options.colour
    ctx.fillStyle = this.options.colour
    ctx.lineWidth = this.options.line
    ctx.lineJoin = 'round'
    ctx.beginPath()
    let pen = false
    let lastX = -1
    for (let i = first; i <= last; i++) {
      const v = wave.ring.at(i)
      const x = this.x((i * 1000) / wave.ring.rate, period)
      if (x < lastX) pen = false // the sweep wrapped
      lastX = x
      if (v === LEAD_OFF) { this.dot(x); pen = false; continue }
      if (Number.isNaN(v)) { pen = false; continue }
      if (v > this.hi + (this.hi - this.lo) * 0.08 || v < this.lo - (this.hi - this.lo) * 0.08) this.beyond = true
      if (pen) ctx.lineTo(x, this.y(v))
      else ctx.moveTo(x, this.y(v))
      pen = true
    }
    ctx.stroke()
  }

  // dot draws the dashes of a lead that is off on a fixed grid, so that they stay put between frames.
  private dot(x: number): void {
    if (Math.floor(x) % 8 < 4) this.ctx.fillRect(Math.floor(x), Math.round(this.height / 2), 1.2, 1.6)
  }
}

// One animation frame loop serves all strips; it stops when there is none.
const strips = new Set<Sweep>()
let running = false

let drawn = 0

// Thirty frames a second are enough for 63 pixels a second; drawing in each frame of a fast screen would cost twice.
const FRAME_MS = 30

function loop(at: number): void {
  if (at - drawn >= FRAME_MS) {
    drawn = at
    for (const s of strips) s.frame()
  }
  running = strips.size > 0
  if (running) requestAnimationFrame(loop)
}

export function runSweep(s: Sweep): () => void {
  strips.add(s)
  if (!running) {
    running = true
    requestAnimationFrame(loop)
  }
  return () => { strips.delete(s) }
}
