import { describe, expect, it } from 'vitest'
import { span, top, whoIs } from './model'

describe('the alarm report', () => {
  it('says times as people do', () => { expect([0, 59.6, 119, 120, 3600, 9000].map(span)).toEqual(['0 s', '60 s', '119 s', '2 min', '60 min', '2.5 h']) })
  it('ends axes at even numbers that hold everything', () => {
    for (const n of [0, 1, 2, 3, 9, 10, 11, 99, 101, 4210]) { expect(top(n)).toBeGreaterThanOrEqual(n); expect(top(n) % 2).toBe(0) }
  })
  it('names patients only where it may', () => { expect(whoIs({}, 'P1')).toBe('P1'); expect(whoIs({}, undefined)).toBe('') })
})
