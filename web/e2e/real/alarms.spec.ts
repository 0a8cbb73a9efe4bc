import { expect, test, type Page } from '@playwright/test'
import { axe, visit, watch } from '../help'

// The stories of "vigil demo" begin a minute after the server. This file runs first, so that it meets them while they last:
// bed 9 from 75 s to 315 s, bed 7 from about 80 s, bed 11 from 100 s to 250 s.

const STORY = 150_000
const bed = (page: Page, n: number) => page.locator(`[data-bed="${n}"]`)

test('stories: no data, a high alarm with banner, evidence and phone, acknowledged by key', async ({ page, browser }) => {
  test.setTimeout(STORY + 60_000)
  const faults = watch(page)
  await visit(page, 'nurse')
  await page.goto('/ward')
  // Bed 11 falls silent at 100 s: its values are hidden, the tile says so, and no strip is drawn.
  await expect(bed(page, 11)).toContainText(/No data for \d/, { timeout: STORY })
  await expect(bed(page, 11)).toContainText('Last values hidden')
  await expect(bed(page, 11).locator('canvas')).toHaveCount(0)
  // Bed 9 has a lead off since 75 s: marked, never drawn as a flat line of zero.
  await expect(bed(page, 9)).toContainText(/Lead off/)

  await expect(bed(page, 7)).toHaveAttribute('data-priority', 'high', { timeout: STORY })
  await expect(bed(page, 7)).toContainText(/MAP low|NEWS2 high/)
  await expect(page.getByRole('alert').filter({ hasText: /Bed \d+ .*/ })).toBeAttached()
  const plate = bed(page, 7).locator('[data-signal="bp"][data-plate="fill"]')
  await expect(plate).toBeVisible({ timeout: STORY })
  expect(await plate.evaluate((e) => getComputedStyle(e).animationName)).toBe('flash-high')

  // The evidence on the patient's page: whole numbers, the rule by name, the limit.
  const alarms = await (await page.request.get('/api/alarms?state=open')).json() as { id: string; rule: string; subject: string; history: { what: string; who?: string }[] }[]
  const alarm = alarms.find((a) => a.subject === 'Patient/okafor' && a.rule === 'map-low')!
  const view = await page.context().newPage()
  await view.goto('/patient/okafor')
  const why = view.locator('section').filter({ has: view.getByRole('heading', { name: 'Why this alarm' }) })
  await expect(why).toContainText(/MAP low rule v\d/)
  await expect(why).toContainText(/MAP\s*\d{2,3} → \d{2} mmHg/)
  await expect(view.getByRole('region', { name: 'Alarm', exact: true }).or(view.getByLabel('Alarm', { exact: true })).first()).toContainText(/MAP low \d\d < 65/)
  const order = view.getByRole('button', { name: 'Order selected' })
  await expect(order).toBeDisabled()
  await view.getByText('Repeat lactate').click()
  await view.getByText('Review vasopressor').click()
  await order.click()
  await expect(view.getByText('2 of 6 done')).toBeVisible()
  await axe(view)
  await view.close()

  // The physician first on call reads it on the phone; "first on call" stands there only for whom was paged last.
  const phone = await (await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 })).newPage()
  await visit(phone, 'physician')
  await phone.goto(`/alert/${alarm.id}`)
  await expect(phone.getByText(/High · Bed 7 · ICU North/)).toBeVisible()
  const text = await phone.locator('section p').filter({ hasText: /[a-z]\.$/ }).first().textContent()
  const me = await (await phone.request.get('/api/session')).json() as { user: { name: string } }
  const now = await (await phone.request.get(`/api/alarms/${alarm.id}`)).json() as typeof alarm
  const last = now.history.filter((h) => h.what === 'paged').at(-1)?.who
  if (last !== me.user.name) expect(text).not.toContain('first on call')
  expect(text).toMatch(/\.$/)
  expect(text).not.toMatch(/[a-z0-9] You /)
  await axe(phone)
  await phone.context().close()

  // A, on the focused tile, until no alarm of bed 7 waits, also none that has come meanwhile: the flashing ends, the mark
  // stays, and who did it stands there.
  const who = (await (await page.request.get('/api/session')).json() as { user: { name: string; initials: string } }).user
  await page.bringToFront()
  await page.locator('[data-bed="7"] [data-bed-link]').focus()
  await expect(async () => {
    const done = await bed(page, 7).getAttribute('data-acked') && (await bed(page, 7).textContent())?.includes(who.initials)
    if (!done) await page.keyboard.press('a')
    await expect(bed(page, 7)).toHaveAttribute('data-acked', 'high', { timeout: 1_500 })
    await expect(bed(page, 7)).toContainText(who.initials, { timeout: 1_500 })
  }).toPass({ timeout: 20_000 })
  await expect(bed(page, 7).locator('[data-signal="bp"][data-plate="ring"]')).toBeVisible()
  expect(await bed(page, 7).locator('[data-signal="bp"]').evaluate((e) => getComputedStyle(e).animationName)).toBe('none')
  const done = await (await page.request.get(`/api/alarms/${alarm.id}`)).json() as { acked_by: string; history: { what: string; who?: string; text?: string }[] }
  expect(done.acked_by).toBe(who.name)
  expect(done.history.filter((h) => h.what === 'action').map((h) => h.text)).toEqual(expect.arrayContaining(['Repeat lactate', 'Review vasopressor']))
  expect(faults).toEqual([])
})
