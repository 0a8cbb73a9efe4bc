import { describe, expect, test } from 'vitest'
import { decode, MISSING } from './frame'

function waves(blocks: { stream: number; start: number; samples: number[] }[]): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(4 + blocks.reduce((n, b) => n + 16 + b.samples.length * 2, 0)))
  view.setUint8(0, 1)
  view.setUint16(2, blocks.length, true)
  let at = 4
  for (const b of blocks) {
    view.setUint32(at, b.stream, true)
    view.setFloat64(at + 4, b.start, true)
    view.setUint32(at + 12, b.samples.length, true)
    at += 16
    for (const s of b.samples) { view.setInt16(at, s, true); at += 2 }
  }
  return view.buffer
}

describe('decode', () => {
  test('waveforms of odd lengths stay aligned', () => {
    const f = decode(waves([{ stream: 7, start: 1000.5, samples: [1, -2, MISSING] }, { stream: 8, start: 2000, samples: [5] }]))
    expect(f.type === 'waves' && f.blocks.map((b) => [b.stream, b.start_ms, ...b.samples])).toEqual([[7, 1000.5, 1, -2, MISSING], [8, 2000, 5]])
  })

  test('numbers with flags', () => {
    const view = new DataView(new ArrayBuffer(28))
    view.setUint8(0, 2)
    view.setUint16(2, 1, true)
    view.setUint32(4, 3, true)
    view.setFloat64(8, 1234, true)
    view.setFloat64(16, 36.6, true)
    view.setUint32(24, 17, true)
    expect(decode(view.buffer)).toEqual({ type: 'numbers', updates: [{ stream: 3, time_ms: 1234, value: 36.6, flags: 17 }] })
  })

  test('json', () => {
    const text = new TextEncoder().encode('{"op":"tick","now_ms":5}')
    const bytes = new Uint8Array(text.length + 1)
    bytes[0] = 3
    bytes.set(text, 1)
    expect(decode(bytes.buffer)).toEqual({ type: 'json', message: { op: 'tick', now_ms: 5 } })
  })

  test('a length beyond the frame is refused before memory is taken', () => {
    const buffer = waves([{ stream: 1, start: 0, samples: [1, 2] }])
    new DataView(buffer).setUint32(16, 4_000_000_000, true)
    expect(() => decode(buffer)).toThrow(RangeError)
  })

  test('an unknown type is refused', () => expect(() => decode(new Uint8Array([9, 0, 0, 0]).buffer)).toThrow())
  test('an empty frame is refused', () => expect(() => decode(new ArrayBuffer(0))).toThrow())
})
