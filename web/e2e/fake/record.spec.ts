import { expect, test } from '@playwright/test'
import { axe, visit, watch } from '../help'

// What only the stand-in shows of a record: a group that fails, a group that is empty, and an entry that changes while it is open.

test('a group that fails leaves the others standing', async ({ page }) => {
  await visit(page, 'nurse')
  let broken = true
  await page.route(/_type=Encounter/, (route) => (broken ? route.fulfill({ status: 403, contentType: 'application/fhir+json', body: '{"resourceType":"OperationOutcome","issue":[{"diagnostics":"visits are closed"}]}' }) : route.continue()))
  await page.goto('/patients/sara/record')
  await expect(page.getByRole('alert')).toContainText('visits are closed')
  await expect(page.getByRole('link', { name: /Sigmoid carcinoma/ })).toBeVisible()
  await expect(page.getByRole('region', { name: 'Medications 0' })).toContainText('Nothing here')
  await axe(page)
  broken = false
  await page.reload()
  await expect(page.getByRole('alert')).toHaveCount(0)
})

test('pages of a long group, by the cursor alone', async ({ page }) => {
  await visit(page, 'nurse')
  await page.goto('/patients/sara/record')
  const group = page.getByRole('region', { name: 'Readings of devices 120' })
  await expect(group.getByRole('link')).toHaveCount(50)
  await group.getByRole('button', { name: /Show more/ }).click()
  await group.getByRole('button', { name: /Show more/ }).click()
  await expect(group.getByRole('link')).toHaveCount(120)
  await expect(group.getByRole('button')).toHaveCount(0)
  await page.getByRole('searchbox').fill('no such words')
  await expect(page.getByText('No entry has these words')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(group.getByRole('link')).toHaveCount(120)
})

test('an entry that changes while it is open says so', async ({ page }) => {
  const faults = watch(page)
  await page.clock.install()
  await visit(page, 'physician')
  await page.goto('/patients/sara/record?r=Condition/sigmoid')
  const pane = page.getByRole('region', { name: 'The entry' })
  await expect(pane).toContainText('Version 1')
  await page.request.post('/api/_amend', { data: { ref: 'Condition/sigmoid', elements: { clinicalStatus: { text: 'remission' } } } })
  await page.clock.runFor(31_000)
  await expect(pane).toContainText('This entry has changed while it was open. You now see version 2.')
  await expect(page.getByRole('navigation', { name: 'Entries of the record' }).getByRole('link', { name: /Sigmoid carcinoma/ })).toContainText('remission')
  await pane.getByRole('button', { name: 'See what changed' }).click()
  await expect(pane.locator('del')).toHaveText('active')
  await expect(pane.locator('ins')).toHaveText('remission')
  await expect(pane).toContainText('Changed by J. Reyes')
  await axe(page)
  expect(faults).toEqual([])
})
