// Decoding of the binary frames of /live (docs/reference/webapi.md, "Live channel"). Pure: bytes in, values out.

export const MISSING = -32768

export interface WaveBlock { stream: number; start_ms: number; samples: Int16Array }
export interface NumberUpdate { stream: number; time_ms: number; value: number; flags: number }

export const FLAG_LATE = 1
export const FLAG_QUESTIONABLE = 2
export const FLAG_SIMULATED = 16

export type Frame =
  | { type: 'waves'; blocks: WaveBlock[] }
  | { type: 'numbers'; updates: NumberUpdate[] }
  | { type: 'json'; message: LiveMessage }

export interface LiveMessage { op: string; [key: string]: unknown }

const text = new TextDecoder()

// decode reads one frame. It throws RangeError on a frame that ends too early and Error on an unknown type.
export function decode(buffer: ArrayBuffer): Frame {
  const view = new DataView(buffer)
  switch (view.getUint8(0)) {
    case 1: return { type: 'waves', blocks: waves(view) }
    case 2: return { type: 'numbers', updates: numbers(view) }
    case 3: return { type: 'json', message: JSON.parse(text.decode(new Uint8Array(buffer, 1))) as LiveMessage }
    default: throw new Error(`unknown frame type ${view.getUint8(0)}`)
  }
}

function waves(view: DataView): WaveBlock[] {
  const count = view.getUint16(2, true)
  const blocks: WaveBlock[] = []
  let at = 4
  for (let i = 0; i < count; i++) {
    const stream = view.getUint32(at, true)
    const start_ms = view.getFloat64(at + 4, true)
    const n = view.getUint32(at + 12, true)
    at += 16
    // A broken length must not reserve memory before the frame is known to hold it.
    if (at + n * 2 > view.byteLength) throw new RangeError('waveform block ends after its frame')
    const samples = new Int16Array(n)
    // Blocks are packed, so an Int16Array view could be misaligned.
    for (let j = 0; j < n; j++) samples[j] = view.getInt16(at + j * 2, true)
    at += n * 2
    blocks.push({ stream, start_ms, samples })
  }
  return blocks
}

function numbers(view: DataView): NumberUpdate[] {
  const count = view.getUint16(2, true)
  const updates: NumberUpdate[] = []
  for (let i = 0, at = 4; i < count; i++, at += 24) {
    updates.push({
      stream: view.getUint32(at, true),
      time_ms: view.getFloat64(at + 4, true),
      value: view.getFloat64(at + 12, true),
      flags: view.getUint32(at + 20, true),
    })
  }
  return updates
}
