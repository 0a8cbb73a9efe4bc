import { expect, test } from '@playwright/test'
import { visit } from '../help'

test('a wall display has no actions, turns pages and keeps alarms in view', async ({ page }) => {
  await visit(page, 'nurse')
  await page.setViewportSize({ width: 1920, height: 560 })
  await page.goto('/ward?kiosk=1')
  await expect(page.locator('[data-bed]').first()).toBeVisible()
  await expect.poll(() => page.locator('[data-bed]').count()).toBeLessThan(16)
  await expect(page.getByRole('button', { name: /Acknowledge|Admit/ }).filter({ visible: true })).toHaveCount(0)
  const shown = async () => (await page.locator('[data-bed]').evaluateAll((all) => all.map((e) => (e as HTMLElement).dataset.bed))).join()
  const first = await shown()
  await expect.poll(shown, { timeout: 17_000 }).not.toBe(first)
})

test('the page can be installed', async ({ page, request }) => {
  await page.goto('/signin')
  const href = await page.locator('link[rel=manifest]').getAttribute('href')
  const manifest = await (await request.get(href!)).json() as { name: string; icons: { src: string; type: string }[] }
  expect(manifest.name).toBe('Vigil')
  for (const i of manifest.icons) expect((await request.get(i.src)).headers()['content-type']).toContain(i.type)
})
