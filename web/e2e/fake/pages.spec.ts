import { expect, test } from '@playwright/test'
import { axe, visit, watch, type Role } from '../help'

// The pages whose every state only the stand-in shows, and those the simulated hospital has not: each stands, the browser has
// no complaint (policy included), and axe finds nothing. The others are looked at in e2e/real.
const pages: [Role, string, string][] = [
  ['nurse', '/ward', 'Central station'], ['nurse', '/patient/sara', 'Okafor, Sara'], ['nurse', '/patient/sara/alarms', 'Okafor, Sara'], ['nurse', '/patient/sara/medication', 'Okafor, Sara'],
  ['physician', '/alerts', 'Alerts'], ['physician', '/alert/a-sara', 'Okafor, Sara'], ['engineer', '/devices/patch-031', 'Patch P-031'], ['engineer', '/quarantine', 'Quarantine'],
  ['nurse', '/ui', 'Components'], ['physician', '/app/rpm', 'Remote monitoring'], ['nurse', '/app/medication', 'Medication'], ['nurse', '/nowhere', 'There is nothing'], ['patient', '/home', 'Hello Sara'],
]

for (const [role, path, heading] of pages) {
  test(`${role} ${path}`, async ({ page }) => {
    const faults = watch(page)
    await visit(page, role)
    if (role === 'patient' || path.startsWith('/alert/')) await page.setViewportSize({ width: 390, height: 844 })
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeAttached()
    await page.waitForTimeout(400)
    await axe(page)
    expect(faults).toEqual([])
  })
}

test('sign-in', async ({ page }) => {
  await page.goto('/')
  await expect(page).toHaveURL(/signin/)
  await axe(page)
  await page.getByRole('button', { name: /Nurse/ }).click()
  await expect(page.getByRole('heading', { name: 'Central station' })).toBeAttached()
})

test('day theme', async ({ page }) => {
  await visit(page, 'nurse')
  await page.addInitScript(() => localStorage.setItem('vigil.theme', 'day'))
  for (const path of ['/ward', '/alerts', '/help']) {
    await page.goto(path)
    await page.waitForTimeout(500)
    await axe(page)
  }
})
