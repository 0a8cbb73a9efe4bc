import { expect, test } from '@playwright/test'
import { visit, watch } from '../help'

test('a device is enrolled, speaks, is held back, bound and released', async ({ page, playwright, baseURL }) => {
  const faults = watch(page)
  const id = `cuff-${Date.now().toString(36)}`
  await visit(page, 'nurse')
  await page.goto('/devices')
  await page.getByRole('button', { name: 'Enrol device' }).click()
  await page.getByLabel('What it is').selectOption({ label: 'Blood pressure cuff' })
  await page.getByLabel('Id', { exact: true }).fill(id)
  await page.getByLabel('Name', { exact: true }).fill('Cuff on trial')
  await page.getByRole('button', { name: 'Enrol', exact: true }).click()
  await expect(page.getByText('The token is shown once')).toBeVisible()
  const token = (await page.getByLabel('Token', { exact: true }).textContent())!.trim()
  const command = (await page.getByLabel('Send one reading over HTTP').textContent())!
  expect(command).toContain('"systolic"')
  await page.getByRole('button', { name: 'I have copied it' }).click()

  await page.goto(`/devices/${id}`)
  await expect(page.getByText('No messages yet')).toBeVisible()
  const device = await playwright.request.newContext({ baseURL: baseURL!, extraHTTPHeaders: { Authorization: `Bearer ${token}` } })
  const say = async (extra: object) => {
    const res = await device.post(`/ingest/${id}`, { data: { ts: Date.now(), systolic: { value: 16.2, unit: 'kPa' }, diastolic: { value: 10.1, unit: 'kPa' }, pulse: 71, ...extra } })
    expect(res.ok(), await res.text()).toBe(true)
  }
  expect((await playwright.request.newContext({ baseURL: baseURL! }).then((r) => r.post(`/ingest/${id}`, { data: {} }))).status()).toBe(401)

  // What comes stands on the page at once, with what became of it.
  await say({})
  const messages = page.getByRole('list', { name: 'Live messages' })
  await expect(messages.getByRole('listitem')).toHaveCount(1, { timeout: 3_000 })
  await expect(messages).toContainText('Quarantined')
  await say({ wobble: 3 })
  await expect(messages.getByRole('listitem')).toHaveCount(2, { timeout: 3_000 })

  await page.goto('/devices')
  await page.getByLabel('Find by name or id').fill(id)
  await expect(page.getByRole('row', { name: /Cuff on trial/ })).toBeVisible()

  // Bound since an hour ago, what waited can be released; a field that nobody has mapped stays.
  await page.goto(`/devices/${id}`)
  await page.getByRole('button', { name: 'Bind to a patient' }).click()
  await page.getByLabel('Since when').selectOption('hour')
  await page.getByLabel('Search patient').fill('Hale')
  await page.getByRole('button', { name: 'Bind Hale, Edwin' }).click()
  await expect(page.getByText('Hale, Edwin').first()).toBeVisible()

  await visit(page, 'engineer')
  await page.goto('/quarantine')
  const held = (reason: string) => page.getByRole('listitem').filter({ hasText: id }).filter({ hasText: reason })
  await expect(held('unmapped field')).toHaveCount(1)
  await expect(held('unmapped field')).toContainText('wobble')
  await held('unbound').last().getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('Released: stored')).toBeVisible()
  expect(faults).toEqual([]) // the refusal below is an answer of 409, which browsers log
  await held('unmapped field').getByRole('button', { name: 'Try again' }).click()
  await expect(page.locator('output, [role=status], [role=alert]').filter({ hasText: /wobble|unusable|still/i }).first()).toBeVisible()

  await visit(page, 'nurse')
  await page.goto(`/devices/${id}`)
  await expect(page.locator('section').filter({ has: page.getByRole('heading', { name: 'Newest readings' }) })).toContainText('71 bpm')
  await page.getByRole('button', { name: 'Unbind' }).click()
  await expect(page.getByRole('button', { name: 'Unbind' })).toBeHidden()
  await device.dispose()
})
