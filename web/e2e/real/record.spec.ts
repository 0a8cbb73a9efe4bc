import { expect, test, type Page } from '@playwright/test'
import { axe, visit, watch } from '../help'

// The record of a simulated patient, read through the FHIR door.

const ref = 'Condition/record-spec'
const put = async (page: Page, elements: object) => {
  const res = await page.request.put('/fhir/' + ref, { data: { resourceType: 'Condition', id: 'record-spec', subject: { reference: 'Patient/lind' }, ...elements }, headers: { 'Content-Type': 'application/fhir+json' } })
  expect(res.ok(), await res.text()).toBe(true)
}
const status = (code: string) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code }] })
const entry = (page: Page, name: string | RegExp) => page.getByRole('navigation', { name: 'Entries of the record' }).getByRole('link', { name })
const pane = (page: Page) => page.getByRole('region', { name: 'The entry' })

test('a physician reads a record, its sources and what changed', async ({ page }) => {
  const faults = watch(page)
  await visit(page, 'physician')
  await put(page, { clinicalStatus: status('active'), code: { text: 'Delirium' }, recorder: { reference: 'Practitioner/reyes', display: 'Dr Reyes' } })
  await put(page, { clinicalStatus: status('resolved'), code: { text: 'Delirium' }, recorder: { reference: 'Practitioner/reyes', display: 'Dr Reyes' }, note: [{ text: 'Clear since the morning.' }] })

  // Reached from the patient's page, in reading order.
  await page.goto('/patient/lind/record')
  await page.getByRole('link', { name: 'Open the full record' }).click()
  await expect(page).toHaveURL(/\/patients\/lind\/record$/)
  await expect(page.getByRole('heading', { level: 1, name: 'Lind, Per' })).toBeVisible()
  await expect(page.getByRole('heading', { level: 2, name: /Identity 1/ })).toBeVisible()
  await expect(page.getByRole('heading', { level: 2, name: /Readings of devices \d[\d,.]+/ })).toBeVisible()
  await axe(page)

  // By keyboard: search, first hit, words before any JSON.
  await page.keyboard.press('/')
  await page.keyboard.type('delirium')
  await expect(page.getByText('1 entry found')).toBeVisible()
  await page.keyboard.press('ArrowDown')
  await expect(entry(page, /Delirium/)).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/r=Condition%2Frecord-spec/)
  await expect(pane(page).getByRole('heading', { name: 'Delirium' })).toBeVisible()
  await expect(pane(page).getByText('Clear since the morning.').first()).toBeVisible()
  await expect(pane(page)).not.toContainText('resourceType')
  await axe(page)

  await pane(page).getByRole('button', { name: 'JSON' }).click()
  await expect(pane(page)).toContainText('"resourceType": "Condition"')
  await pane(page).getByRole('button', { name: 'XML' }).click()
  await expect(pane(page)).toContainText('<Condition xmlns="http://hl7.org/fhir">')
  await axe(page)

  await pane(page).getByRole('button', { name: 'History' }).click()
  await expect(pane(page).getByRole('button', { name: /^Version \d+ Changed by Dr Reyes/ }).first()).toBeVisible()
  await expect(pane(page)).toContainText('2 elements differ')
  await expect(pane(page).locator('del')).toHaveText('active')
  await expect(pane(page)).toContainText('clinicalStatus.coding[0].code')
  await axe(page)

  // Escape leads back to the list, and then out.
  await page.keyboard.press('Escape')
  await expect(page).toHaveURL(/\/patients\/lind\/record$/)
  await expect(entry(page, /Delirium/)).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(entry(page, /Inpatient/)).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page).toHaveURL(/\/patient\/lind\/record$/)
  expect(faults).toEqual([])
})

test('a link opens one entry, long groups come in pages, and no entry is shown under another name', async ({ page }) => {
  const faults = watch(page)
  await page.setViewportSize({ width: 390, height: 844 })
  await page.addInitScript(() => localStorage.setItem('vigil.theme', 'day'))
  await visit(page, 'nurse')
  await page.goto('/patients/lind/record?r=Patient/lind')
  await expect(pane(page).getByRole('heading', { name: 'Lind, Per' })).toBeFocused()
  await expect(entry(page, /Lind/)).toBeHidden()
  await axe(page)
  await pane(page).getByRole('button', { name: 'Back to the list' }).click()
  const readings = page.getByRole('region', { name: /Readings of devices/ }).getByRole('link')
  await expect(readings).toHaveCount(50)
  await page.getByRole('button', { name: 'Show more: Readings of devices' }).click()
  await expect(readings).toHaveCount(100)
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
  await axe(page)

  await page.goto('/patients/lind/record?r=Patient/okafor')
  await expect(page.getByText('This entry belongs to another patient')).toBeVisible()
  await expect(pane(page)).not.toContainText('Okafor')
  expect(faults).toEqual([])
})

test('an engineer sees no record', async ({ page }) => {
  await visit(page, 'engineer')
  await page.goto('/patients/lind/record?r=Patient/lind')
  await expect(page.getByRole('alert').first()).toContainText('You may not see this')
  await expect(page.getByText('1959')).toHaveCount(0)
  await expect(page.getByText('Lind, Per')).toHaveCount(0)
})
