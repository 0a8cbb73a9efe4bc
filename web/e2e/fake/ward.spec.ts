import { expect, test } from '@playwright/test'
import { digits, visit } from '../help'

test.beforeEach(async ({ page }) => visit(page, 'nurse'))

test('every tile state of the picture is there', async ({ page }) => {
  await page.goto('/ward')
  const bed = (n: number) => page.locator(`[data-bed="${n}"]`)
  await expect(bed(7)).toHaveAttribute('data-priority', 'high')
  await expect(bed(3)).toHaveAttribute('data-priority', 'medium')
  await expect(bed(9)).toHaveAttribute('data-priority', 'low')
  await expect(bed(6)).toHaveAttribute('data-acked', 'medium')
  await expect(bed(11)).toContainText('No data for')
  await expect(bed(5).getByRole('button', { name: 'Admit patient' })).toBeVisible()
  await expect(bed(14)).toContainText('Terminal clean')
  await expect(bed(15)).toContainText('Standby')
  await expect(bed(1)).toContainText('128/74')
})

test('keyboard: digits, arrows, open, go back', async ({ page }) => {
  await page.goto('/ward')
  await expect(page.locator('[data-bed="1"]')).toContainText('128/74')
  await page.keyboard.press('8')
  await expect(page.getByRole('link', { name: /^Bed 8,/ })).toBeFocused()
  await page.waitForTimeout(800)
  await digits(page, '12')
  await expect(page.getByRole('link', { name: /^Bed 12,/ })).toBeFocused()
  await page.keyboard.press('ArrowUp')
  await expect(page.getByRole('link', { name: /^Bed 8,/ })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Silva, Ana' })).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page).toHaveURL(/ward/)
})

test('keys do not fire while typing, and the command box finds a patient', async ({ page }) => {
  await page.goto('/ward')
  await expect(page.locator('[data-bed="1"]')).toBeVisible()
  await page.keyboard.press('/')
  const box = page.getByRole('combobox')
  await box.fill('khan')
  await expect(page.getByRole('option', { name: /Khan, Imran/ })).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Khan, Imran' })).toBeVisible()
})

test('acknowledging stops the flashing, keeps the value marked and names who', async ({ page }) => {
  await page.goto('/ward')
  await page.locator('[data-bed="3"] [data-bed-link]').focus()
  await page.keyboard.press('a')
  await expect(page.locator('[data-bed="3"]')).toHaveAttribute('data-acked', 'medium')
  await expect(page.locator('[data-bed="3"]')).toContainText('KA')
  await expect(page.locator('[data-bed="3"] [data-plate="ring"]')).toBeVisible()
})

test('no value stays on screen when the data stops, and the page recovers by itself', async ({ page, request }) => {
  await page.goto('/ward')
  await expect(page.locator('[data-bed="1"]')).toContainText('128/74')
  await request.post('/api/_control', { data: { silent: true } })
  await expect(page.getByText('Reconnecting')).toBeVisible({ timeout: 10_000 })
  await expect(page.getByRole('alert').filter({ hasText: 'Not live since' })).toBeVisible({ timeout: 15_000 })
  await expect(page.locator('[data-bed="1"]')).not.toContainText('128/74')
  await expect(page.locator('[data-bed="4"]')).not.toContainText('118/70')
  await request.post('/api/_control', { data: { silent: false } })
  await expect(page.locator('[data-bed="1"]')).toContainText('128/74', { timeout: 20_000 })
  await expect(page.getByRole('alert').filter({ hasText: 'Not live since' })).toBeHidden()
})

for (const [w, h] of [[1280, 720], [1366, 768], [1440, 900], [1600, 900], [1920, 1080], [3840, 2160], [768, 1024]] as const) {
  test(`no number is cut at ${w} × ${h}`, async ({ page }) => {
    await page.setViewportSize({ width: w, height: h })
    await page.goto('/ward')
    await expect(page.locator('[data-bed="1"]')).toContainText('128/74')
    const cut = await page.evaluate(() => [...document.querySelectorAll<HTMLElement>('[data-bed] [data-signal]')].flatMap((block) => {
      const tile = block.closest('[data-bed]')!.getBoundingClientRect()
      const foot = block.closest('[data-bed]')!.querySelector('footer')!.getBoundingClientRect()
      return [...block.children].flatMap((e) => {
        const range = document.createRange()
        range.selectNodeContents(e)
        const r = range.getBoundingClientRect()
        const own = block.getBoundingClientRect()
        return r.right > own.right + 4 || r.right > tile.right + 1 || r.bottom > foot.top + 4 ? [`${e.textContent} ${Math.round(r.right - own.right)} ${Math.round(r.bottom - foot.top)}`] : []
      })
    }))
    expect(cut).toEqual([])
  })
}
