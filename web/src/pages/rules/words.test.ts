import { expect, test } from 'vitest'
import { amount, lasted, perDay, percent, signed } from './words'

test('numbers as people say them', () => {
  expect([0, 0.42, 42.4, 190, 7200, 400_000].map(lasted)).toEqual(['0 s', '0.4 s', '42 s', '3 min', '2 h', '5 d'])
  expect([0, 0.2666, 3.14, 14.2].map(perDay)).toEqual(['0', '0.27', '3.1', '14'])
  expect(percent(0.314)).toBe('31 %')
  expect(amount(21_600_000)).toBe('21.6 million')
  expect([-3, 0, 2].map((n) => signed(n, String))).toEqual(['−3', '±0', '+2'])
})
