import { expect, test } from '@playwright/test'
import { visit } from '../help'

test('video: the clinician calls, the patient joins, both see each other, and the close asks for a note', async ({ browser }) => {
  const clinician = await (await browser.newContext()).newPage()
  const patient = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage()
  await visit(clinician, 'physician')
  await visit(patient, 'patient')
  await clinician.goto('/patient/sara')
  await clinician.getByRole('button', { name: 'Video' }).first().click()
  await expect(clinician.getByRole('group', { name: /bedside/ })).toBeVisible()
  await patient.goto('/home')
  await patient.getByRole('button', { name: 'Join video' }).click()
  const playing = (page: typeof patient) => page.waitForFunction(() => [...document.querySelectorAll('video')].filter((v) => v.videoWidth > 0 && v.readyState >= 2).length === 2, undefined, { timeout: 20_000 })
  await playing(patient)
  await playing(clinician)
  await patient.getByRole('button', { name: 'Hang up' }).click()
  await clinician.getByRole('button', { name: 'Close consult' }).click()
  await clinician.getByLabel('What you found').fill('Dizzy, cool hands.')
  await clinician.getByRole('button', { name: 'Close and record' }).click()
  await expect(clinician.getByRole('dialog')).toBeHidden()
})

test('a patient asks for help in two steps', async ({ page }) => {
  await visit(page, 'patient')
  await page.setViewportSize({ width: 390, height: 844 })
  await page.goto('/home')
  await page.getByRole('button', { name: 'I need help now' }).click()
  await page.getByRole('button', { name: 'Yes, get help' }).click()
  await expect(page.getByText('Help is coming')).toBeVisible()
})

test('the physician acknowledges from the phone', async ({ page }) => {
  await visit(page, 'physician')
  await page.setViewportSize({ width: 390, height: 844 })
  await page.goto('/alert/a-imran')
  await page.getByRole('button', { name: 'Acknowledge, I have it' }).click()
  await expect(page.getByText(/has it since/)).toBeVisible()
})

test('a device is enrolled and its token shown once', async ({ page }) => {
  await visit(page, 'engineer')
  await page.goto('/devices')
  await page.getByRole('button', { name: 'Enrol device' }).click()
  await page.getByLabel('Id', { exact: true }).fill('patch-099')
  await page.getByLabel('Name', { exact: true }).fill('Patch P-099')
  await page.getByRole('button', { name: 'Enrol', exact: true }).click()
  await expect(page.getByText('The token is shown once')).toBeVisible()
  await expect(page.getByLabel('Token', { exact: true })).toContainText('vgd_')
})

test('quarantine: one is released, another stays with its reason', async ({ page }) => {
  await visit(page, 'engineer')
  await page.goto('/quarantine')
  await page.getByRole('button', { name: 'Try again' }).nth(1).click()
  await expect(page.getByText(/Still unusable/)).toBeVisible()
})

test('holding a dose asks for a reason', async ({ page }) => {
  await visit(page, 'nurse')
  await page.goto('/patient/sara/medication')
  await page.getByRole('button', { name: 'Hold' }).first().click()
  const hold = page.getByRole('dialog').getByRole('button', { name: 'Hold' })
  await expect(hold).toBeDisabled()
  await page.getByLabel('Reason').fill('Pressure too low')
  await hold.click()
  await expect(page.getByText('Dose held')).toBeVisible()
})
