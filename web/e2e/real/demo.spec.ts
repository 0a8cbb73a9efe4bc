import { expect, test } from '@playwright/test'
import { axe, visit, watch } from '../help'

// Against "vigil demo": what must hold whatever the simulated hospital invents.

test('a nurse sees live numbers and waveforms', async ({ page }) => {
  const faults = watch(page)
  await visit(page, 'nurse')
  await page.goto('/ward')
  await expect(page.getByRole('status').filter({ hasText: 'Live' })).toBeVisible({ timeout: 15_000 })
  const tile = page.locator('[data-bed]').filter({ has: page.locator('canvas') }).first()
  await expect(tile).toContainText(/HR.*\d{2,3}/)
  await page.waitForTimeout(4000)
  const drawn = await tile.locator('canvas').evaluate((c: HTMLCanvasElement) => c.getContext('2d')!.getImageData(0, 0, c.width, c.height).data.some((v) => v > 0))
  expect(drawn).toBe(true)
  await axe(page)
  expect(faults).toEqual([])
})

test('a patient page opens from its tile', async ({ page }) => {
  const faults = watch(page)
  await visit(page, 'nurse')
  await page.goto('/ward')
  const link = page.locator('[data-bed-link][href]').first()
  const name = await link.textContent()
  await link.click()
  await expect(page.getByRole('heading', { level: 1, name: name! })).toBeVisible()
  await expect(page.getByText('Live monitor')).toBeVisible()
  await axe(page)
  expect(faults).toEqual([])
})

test('each role lands where its work is', async ({ browser }) => {
  for (const [role, heading] of [['nurse', 'Central station'], ['physician', 'Central station'], ['engineer', 'Devices'], ['patient', /Hello/]] as const) {
    const page = await (await browser.newContext()).newPage()
    await visit(page, role)
    await page.goto('/')
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeAttached()
    await axe(page)
  }
})

test('the pages of engineers and applications stand', async ({ page }) => {
  const faults = watch(page)
  await visit(page, 'engineer')
  for (const [path, heading] of [['/devices', 'Devices'], ['/quarantine', 'Quarantine'], ['/status', 'System status'], ['/help', 'Help']] as const) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible()
    await axe(page)
  }
  await visit(page, 'physician')
  for (const [path, heading] of [['/alerts', 'Alerts'], ['/app/rpm', 'Remote monitoring'], ['/app/medication', 'Medication']] as const) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible()
    await axe(page)
  }
  expect(faults).toEqual([])
})
