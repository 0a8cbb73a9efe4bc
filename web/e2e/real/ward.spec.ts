import { expect, test, type Locator, type Page } from '@playwright/test'
import { axe, digits, visit, watch } from '../help'

// The living ward of "vigil demo": tiles, keys, and what becomes of the values when the line is cut.

const bed = (page: Page, n: number) => page.locator(`[data-bed="${n}"]`)
const picture = (canvas: Locator) => canvas.evaluate((c: HTMLCanvasElement) => c.toDataURL())
// Pixels that are not empty, counted in a number of upright stripes.
const filled = (canvas: Locator) => canvas.evaluate((c: HTMLCanvasElement) => {
  const { data } = c.getContext('2d')!.getImageData(0, 0, c.width, c.height)
  const stripes = new Array<number>(20).fill(0)
  for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) stripes[Math.floor((((i - 3) / 4) % c.width) / c.width * 20)]!++
  return stripes.filter((n) => n > 0).length
})

test('a nurse sees the living ward', async ({ page }) => {
  const faults = watch(page)
  await visit(page, 'nurse')
  await page.goto('/ward')
  await expect(page.locator('[data-bed]')).toHaveCount(16)
  await expect(page.getByRole('status').filter({ hasText: 'Live' })).toBeVisible({ timeout: 10_000 })
  for (const n of [1, 2, 4, 10, 13, 16]) await expect(bed(page, n)).toContainText(/HR.*\d{2,3}.*SpO₂.*\d{2,3}/)
  await expect(bed(page, 5).getByRole('button', { name: 'Admit patient' })).toBeVisible()
  await expect(bed(page, 15)).toContainText('Standby')

  // The strip begins with the seconds before the page was opened, and moves.
  const strip = bed(page, 1).locator('canvas')
  await expect.poll(() => filled(strip), { timeout: 6_000 }).toBeGreaterThan(15)
  const before = await picture(strip)
  await page.waitForTimeout(500)
  expect(await picture(strip)).not.toBe(before)

  // The numbers live: within 20 s at least one of the ward's changes.
  const numbers = () => page.locator('[data-bed] [data-signal="ecg"]').allTextContents()
  const first = (await numbers()).join()
  await expect.poll(async () => (await numbers()).join(), { timeout: 20_000 }).not.toBe(first)
  await axe(page)
  expect(faults).toEqual([])
})

test('the keyboard walks the ward', async ({ page }) => {
  await visit(page, 'nurse')
  await page.goto('/ward')
  await expect(bed(page, 8)).toContainText('Silva')
  const focused = (n: number, name: string) => expect(page.getByRole('link', { name: new RegExp(`^Bed ${n}, ${name}`) })).toBeFocused()
  await page.keyboard.press('8')
  await focused(8, 'Silva')
  await page.waitForTimeout(750)
  await digits(page, '12')
  await focused(12, 'Khan')
  await page.keyboard.press('ArrowUp')
  await focused(8, 'Silva')
  await page.keyboard.press('ArrowLeft')
  await focused(7, 'Okafor')
  await page.keyboard.press('Home')
  await focused(1, 'Lind')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Lind, Per' })).toBeVisible()
  await page.keyboard.press('[')
  await expect(page.getByText('Last 24 hours')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page).toHaveURL(/ward/)
  await page.keyboard.press('l')
  await expect(page.getByRole('columnheader', { name: 'Patient' })).toBeVisible()
  await page.keyboard.press('t')
  await expect(page.locator('[data-bed] canvas').first()).toBeVisible()
  await page.keyboard.press('?')
  await expect(page.getByRole('heading', { level: 1, name: 'Help' })).toBeVisible()
  await page.keyboard.press('Escape')
  await page.keyboard.press('/')
  await page.getByRole('combobox').fill('yılm')
  await expect(page.getByRole('option', { name: /Yılmaz/ })).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Yılmaz, Elif' })).toBeVisible()
})

test('no value stays without its mark when the line is cut, and the page recovers by itself', async ({ page }) => {
  let cut = false
  const lines = new Set<{ close: () => Promise<void> }>()
  await page.routeWebSocket(/\/live$/, (ws) => {
    if (cut) return void ws.close({ code: 1013 })
    const server = ws.connectToServer()
    lines.add({ close: async () => { await server.close(); await ws.close({ code: 1012 }) } })
  })
  await visit(page, 'nurse')
  await page.goto('/ward')
  await expect(bed(page, 1)).toContainText(/HR.*\d{2,3}/)
  await expect(page.getByRole('status').filter({ hasText: 'Live' })).toBeVisible({ timeout: 10_000 })
  const loaded = await page.evaluate(() => performance.timeOrigin)
  const numbers = () => page.locator('[data-bed] [data-signal]').allTextContents()
  const shown = (texts: string[]) => texts.map((x) => x.replace(/\d\d:\d\d/, '').replace('SpO₂', '')).filter((x) => /\d/.test(x))
  expect(shown(await numbers()).length).toBeGreaterThan(20)

  cut = true
  for (const l of lines) await l.close()
  await expect(page.getByText('Reconnecting')).toBeVisible({ timeout: 9_000 })
  await expect(page.getByRole('alert').filter({ hasText: 'Not live since' })).toBeVisible({ timeout: 14_000 })
  await page.waitForTimeout(1100)
  expect(shown(await numbers())).toEqual([])
  await page.getByRole('link', { name: /^Bed 1, Lind/ }).press('Enter')
  await expect(page.getByText('HR bpm')).toBeVisible()
  await page.waitForTimeout(1100)
  expect(await page.locator('[data-signal] b').filter({ hasText: /\d/ }).count()).toBe(0)
  await page.keyboard.press('Escape')

  cut = false
  await expect(page.getByRole('alert').filter({ hasText: 'Not live since' })).toBeHidden({ timeout: 15_000 })
  await expect(bed(page, 1)).toContainText(/HR.*\d{2,3}/, { timeout: 10_000 })
  expect(await page.evaluate(() => performance.timeOrigin)).toBe(loaded)
})
