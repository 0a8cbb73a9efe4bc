import type { Priority } from '../api/types'

// Alarm sounds after IEC 60601-1-8: bursts of pulses, each a base note with four harmonics of near equal level below 4 kHz.

export interface Burst { gaps: number[]; pulse: number; note: number; repeat: number }

// gaps are the pauses between pulse starts in seconds; high is 3-2, pause, 3-2.
export const bursts: Record<Exclude<Priority, 'none'>, Burst> = {
  high: { gaps: [0.2, 0.2, 0.4, 0.2, 0.9, 0.2, 0.2, 0.4, 0.2], pulse: 0.13, note: 660, repeat: 8_000 },
  medium: { gaps: [0.35, 0.35], pulse: 0.2, note: 520, repeat: 20_000 },
  low: { gaps: [0.5], pulse: 0.2, note: 390, repeat: 30_000 },
}

const HARMONICS = [1, 2, 3, 4, 5]
const VOLUME_KEY = 'vigil.volume'
const FLOOR_HIGH = 0.4 // a high alarm is never quieter than this

type Listener = () => void

class Sound {
  private context: AudioContext | null = null
  private playing: Priority = 'none'
  private timer: number | undefined
  private listeners = new Set<Listener>()
  tested = sessionStorage.getItem('vigil.sound') === 'tested'
  volume = Number(localStorage.getItem(VOLUME_KEY) ?? 0.6)

  onChange = (fn: Listener): (() => void) => {
    this.listeners.add(fn)
    return () => this.listeners.delete(fn)
  }

  // state: browsers keep sound off until a person has touched the page, so a reload needs proof again.
  state = (): 'untested' | 'ready' | 'blocked' => {
    if (!this.tested) return 'untested'
    return this.context && this.context.state === 'running' ? 'ready' : 'blocked'
  }

  async wake(): Promise<boolean> {
    try {
      this.context ??= new AudioContext()
      await this.context.resume()
    } catch {
      return false
    } finally { this.emit() }
    return this.context.state === 'running'
  }

  pass(): void {
    this.tested = true
    sessionStorage.setItem('vigil.sound', 'tested')
    this.emit()
  }

  setVolume(v: number): void {
    this.volume = v
    localStorage.setItem(VOLUME_KEY, String(v))
    this.emit()
  }

  // demand says which priority should sound now; the burst of a new or higher one starts at once.
  demand(p: Priority): void {
    if (p === this.playing) return
    this.playing = p
    window.clearTimeout(this.timer)
    if (p !== 'none') this.loop(p)
  }

  async play(p: Exclude<Priority, 'none'>): Promise<void> {
    if (!(await this.wake()) || !this.context) return
    const b = bursts[p]
    let at = this.context.currentTime + 0.02
    this.pulse(b, at, p)
    for (const gap of b.gaps) { at += gap; this.pulse(b, at, p) }
  }

  private loop(p: Exclude<Priority, 'none'>): void {
    if (this.tested && this.context?.state === 'running') void this.play(p)
    this.timer = window.setTimeout(() => this.loop(p), bursts[p].repeat)
  }

  private pulse(b: Burst, at: number, p: Priority): void {
    const ctx = this.context!
    const gain = ctx.createGain()
    const level = (p === 'high' ? Math.max(FLOOR_HIGH, this.volume) : this.volume) / HARMONICS.length
    // Rise and fall of 20 ms keep the edges from clicking.
    gain.gain.setValueAtTime(0, at)
    gain.gain.linearRampToValueAtTime(level, at + 0.02)
    gain.gain.setValueAtTime(level, at + b.pulse - 0.02)
    gain.gain.linearRampToValueAtTime(0, at + b.pulse)
    gain.connect(ctx.destination)
    for (const h of HARMONICS) {
      const o = ctx.createOscillator()
      o.frequency.value = b.note * h
      o.connect(gain)
      o.start(at)
      o.stop(at + b.pulse + 0.01)
    }
  }

  private emit(): void { for (const fn of this.listeners) fn() }
}

export const sound = new Sound()
