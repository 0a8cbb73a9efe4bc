import { MISSING } from './frame'

// Ring keeps the last seconds of one waveform, addressed by time. Three kinds of sample come out: a number, LEAD_OFF (the
// device said "missing") and NaN (nothing has arrived, for example a paused stream).

export const LEAD_OFF = Infinity

const REMEMBERED = 32

export class Ring {
  private readonly data: Float32Array
  private head = Number.NaN // absolute index of the newest sample
  writes = 0 // how many blocks have come
  private readonly begins = new Float64Array(REMEMBERED) // where the last blocks began, absolute indexes

  constructor(readonly rate: number, readonly scale: number, readonly offset: number, seconds = 40) {
    this.data = new Float32Array(Math.max(1, Math.ceil(rate * seconds))).fill(Number.NaN)
  }

  index(ms: number): number { return Math.round((ms * this.rate) / 1000) }

  // write stores a block. Blocks may come late or overlap; the gap before a later block reads as NaN.
  write(startMs: number, samples: Int16Array): void {
    let i = this.index(startMs)
    // Device time jitters by a sample; joining blocks that nearly touch avoids pinholes in the trace.
    if (i === this.head + 2 || i === this.head) i = this.head + 1
    if (Number.isNaN(this.head)) this.head = i - 1
    this.begins[this.writes++ % REMEMBERED] = i
    const size = this.data.length
    for (let g = Math.max(this.head + 1, i - size); g < i; g++) this.data[mod(g, size)] = Number.NaN
    for (let j = 0; j < samples.length; j++) {
      const at = i + j
      if (at <= this.head - size) continue
      const raw = samples[j]!
      this.data[mod(at, size)] = raw === MISSING ? LEAD_OFF : raw * this.scale + this.offset
    }
    this.head = Math.max(this.head, i + samples.length - 1)
  }

  // lowest tells where the earliest of the blocks after the given count of writes began.
  lowest(since: number): number {
    let low = Infinity
    for (let w = Math.max(since, this.writes - REMEMBERED); w < this.writes; w++) low = Math.min(low, this.begins[w % REMEMBERED]!)
    return low
  }

  // at returns the sample with an absolute index.
  at(i: number): number {
    if (Number.isNaN(this.head) || i > this.head || i <= this.head - this.data.length) return Number.NaN
    return this.data[mod(i, this.data.length)]!
  }

  // range returns the least and greatest sample between two absolute indexes, or null when there is none.
  range(from: number, to: number): [number, number] | null {
    let lo = Infinity
    let hi = -Infinity
    for (let i = from; i <= to; i++) {
      const v = this.at(i)
      if (!Number.isFinite(v)) continue
      if (v < lo) lo = v
      if (v > hi) hi = v
    }
    return lo > hi ? null : [lo, hi]
  }
}

const mod = (i: number, n: number): number => ((i % n) + n) % n
