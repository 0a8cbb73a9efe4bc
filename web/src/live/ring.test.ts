import { expect, test } from 'vitest'
import { LEAD_OFF, Ring } from './ring'

const values = (r: Ring, from: number, n: number) => Array.from({ length: n }, (_, i) => r.at(from + i))

test('samples are found by their time, scaled', () => {
  const r = new Ring(100, 0.1, 5)
  r.write(1000, Int16Array.of(10, 20))
  expect(values(r, 100, 2)).toEqual([6, 7])
})

test('missing samples are a lead off; what never came is nothing', () => {
  const r = new Ring(100, 1, 0)
  r.write(1000, Int16Array.of(1, -32768))
  r.write(1100, Int16Array.of(2))
  expect(r.at(101)).toBe(LEAD_OFF)
  expect(values(r, 102, 8).every(Number.isNaN)).toBe(true)
  expect(r.at(110)).toBe(2)
})

test('a block that starts one sample off joins the one before', () => {
  const r = new Ring(100, 1, 0)
  r.write(1000, Int16Array.of(1, 2))
  r.write(1030, Int16Array.of(3))
  expect(values(r, 100, 3)).toEqual([1, 2, 3])
})

test('old samples leave the ring, and a late block cannot bring them back', () => {
  const r = new Ring(10, 1, 0, 1)
  r.write(0, Int16Array.of(1, 2))
  r.write(2000, Int16Array.of(9))
  r.write(0, Int16Array.of(7, 7))
  expect(r.at(0)).toBeNaN()
  expect(r.at(20)).toBe(9)
})

test('a ring knows where the blocks since the last look began', () => {
  const r = new Ring(10, 1, 0, 10)
  r.write(2000, Int16Array.of(1))
  const seen = r.writes
  expect(r.lowest(seen)).toBe(Infinity)
  r.write(500, Int16Array.of(2))
  r.write(2100, Int16Array.of(3))
  expect(r.lowest(seen)).toBe(5)
  expect(r.at(5)).toBe(2)
})
