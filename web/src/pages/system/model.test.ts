import { describe, expect, it } from 'vitest'
import { plot } from './model'

describe('plot', () => {
  it('ends the axis at a tidy number and puts zero below', () => {
    const { max, points } = plot([[{ given: 0, observed: 0, count: 5 }, { given: 0.12, observed: 0.15, count: 5 }], []], 100)
    expect(max).toBeCloseTo(0.2)
    expect(points[0]![0]).toMatchObject({ x: 0, y: 100 })
    expect(points[0]![1]!.x).toBeCloseTo(60)
    expect(points[0]![1]!.y).toBeCloseTo(25)
    expect(points[1]).toEqual([])
  })
  it('never goes beyond one', () => { expect(plot([[{ given: 0.97, observed: 1, count: 1 }]], 10).max).toBe(1) })
})
