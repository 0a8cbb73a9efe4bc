import { expect, test } from 'vitest'
import { covers, type Off } from './off'

const off = (o: Partial<Off>): Off => ({ id: 'o', priority: 'high', reason: 'r', by_name: 'Dr Kim', label: '', from: '', until: '', ...o })

test('an off marks what it is about and nothing else', () => {
  const here = { patient: 'sara', bed: 'b7', unit: 'icu' }
  expect(covers(off({ patient_id: 'sara' }), here)).toBe(true)
  expect(covers(off({ patient_id: 'omar' }), here)).toBe(false)
  expect(covers(off({ bed: 'b7' }), here)).toBe(true)
  expect(covers(off({ bed: 'b8' }), here)).toBe(false)
  expect(covers(off({ unit: 'icu' }), here)).toBe(true)
  expect(covers(off({ unit: 'west' }), here)).toBe(false)
  expect(covers(off({ rule: 'map-low' }), here)).toBe(true)
  expect(covers(off({ patient_id: 'sara', unit: 'west' }), here)).toBe(false)
})
