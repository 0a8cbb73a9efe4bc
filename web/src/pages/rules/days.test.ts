import { expect, test } from 'vitest'
import { countDays, dayBars } from './days'

test('days without alarms have their place', () => {
  expect(dayBars([{ day: '2026-02-27', alarms: 4 }], [{ day: '2026-03-01', alarms: 2 }], '2026-02-27T12:00:00', '2026-03-01T12:00:00')).toEqual([
    { label: '27.2.', was: 4, now: 0 }, { label: '28.2.', was: 0, now: 0 }, { label: '1.3.', was: 0, now: 2 },
  ])
  expect(dayBars([], [], '2025-01-01T12:00:00', '2026-01-01T12:00:00', 30)).toHaveLength(30)
})

test('times are counted by day', () => {
  expect(countDays(['2026-03-02T10:00:00', '2026-03-01T10:00:00', '2026-03-02T11:00:00'])).toEqual([{ day: '2026-03-01', alarms: 1 }, { day: '2026-03-02', alarms: 2 }])
})
