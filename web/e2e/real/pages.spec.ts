import { expect, test } from '@playwright/test'
import { axe, visit, watch, type Role } from '../help'

// Against "vigil demo": every page stands, the browser has no complaint (policy included), and axe finds nothing.

const landing: [RegExp, Role, string | RegExp][] = [[/Nurse/, 'nurse', 'Central station'], [/Physician/, 'physician', 'Central station'], [/Engineer/, 'engineer', 'Devices'], [/Patient/, 'patient', /Hello/]]

test('the sign-in page lets in each of the four visitors', async ({ browser }) => {
  for (const [button, , heading] of landing) {
    const context = await browser.newContext()
    const page = await context.newPage()
    const faults = watch(page)
    await page.goto('/')
    await expect(page).toHaveURL(/signin/)
    await page.getByRole('button', { name: button }).click()
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeAttached()
    expect(faults).toEqual([])
    await context.close()
  }
})

test('a wrong password is told kindly, and nobody gets in', async ({ page }) => {
  await page.goto('/signin')
  await axe(page)
  await page.getByLabel('Name or badge').fill('j-ruiz')
  await page.getByLabel('Password').fill('not this one')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('alert')).toContainText(/password|attempts/i)
  await expect(page).toHaveURL(/signin/)
})

const pages: Record<Exclude<Role, 'patient'>, [string, string | RegExp][]> = {
  nurse: [['/patient/lind', 'Lind, Per'], ['/patient/lind/alarms', 'Lind, Per'], ['/patient/lind/notes', 'Lind, Per'], ['/patient/lind/devices', 'Lind, Per'], ['/patient/lind/record', 'Lind, Per'],
    ['/patient/duarte/medication', 'Duarte, Sara'], ['/patient/lind/report', 'Lind, Per'], ['/help', 'Help']],
  physician: [['/alerts', 'Alerts'], ['/app/rpm', 'Remote monitoring'], ['/app/medication', 'Medication'], ['/patient/duarte', 'Duarte, Sara']],
  engineer: [['/devices', 'Devices'], ['/devices/monitor-01', /Monitor/], ['/quarantine', 'Quarantine'], ['/status', 'System status'], ['/ward', 'Central station']],
}

for (const [role, list] of Object.entries(pages) as [Role, [string, string | RegExp][]][]) {
  test(`the pages of the ${role}`, async ({ page }) => {
    test.setTimeout(120_000)
    const faults = watch(page)
    await visit(page, role)
    for (const [path, heading] of list) {
      await test.step(path, async () => {
        await page.goto(path)
        await expect(page.getByRole('heading', { level: 1, name: heading })).toBeAttached()
        await page.waitForTimeout(400)
        await axe(page)
        expect(faults).toEqual([])
      })
    }
  })
}

test('the pages of the patient', async ({ page }) => {
  test.setTimeout(120_000)
  const faults = watch(page)
  await visit(page, 'patient')
  await page.setViewportSize({ width: 390, height: 844 })
  for (const [path, heading] of [['/home', 'Hello Sara'], ['/home/readings', 'Your readings'], ['/home/medicines', "Today's medicines"], ['/home/messages', 'Messages'], ['/home/family', 'Family']]) {
    await page.goto(path!)
    await expect(page.getByRole('heading', { level: 1, name: heading! })).toBeVisible()
    await page.waitForTimeout(300)
    await axe(page)
  }
  expect(faults).toEqual([])
})

test('a patient sees nobody else', async ({ page }) => {
  await visit(page, 'patient')
  for (const path of ['/ward', '/patient/okafor', '/alerts', '/devices', '/quarantine']) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: /Hello/ })).toBeVisible()
    await expect(page).toHaveURL(/\/home/)
  }
  for (const path of ['ward?unit=icu-north', 'patients', 'patients/okafor', 'patients/okafor/numbers', 'patients/okafor/alarms', 'patients/okafor/record', 'attention', 'alarms', 'devices', 'quarantine', 'status', 'units']) {
    expect((await page.request.get('/api/' + path)).status(), path).toBe(403)
  }
  expect((await page.request.post('/api/calls', { data: { kind: 'nonsense' } })).ok()).toBe(false)
})

test('a stranger gets nothing', async ({ playwright, baseURL }) => {
  const request = await playwright.request.newContext({ baseURL: baseURL! })
  for (const path of ['ward?unit=icu-north', 'patients/okafor', 'attention', 'devices', 'portal']) expect((await request.get('/api/' + path)).status(), path).toBe(401)
  await request.dispose()
})

test('the day theme, in words twice as large', async ({ page }) => {
  await visit(page, 'nurse')
  await page.addInitScript(() => localStorage.setItem('vigil.theme', 'day'))
  await page.goto('/patient/okafor')
  await page.waitForTimeout(700)
  await axe(page)
  // 200 % on a screen of 1280 is a page of 640 pixels: nothing may be cut off sideways.
  await page.setViewportSize({ width: 640, height: 512 })
  for (const path of ['/ward', '/patient/okafor', '/alerts', '/devices', '/help']) {
    await page.goto(path)
    await page.waitForTimeout(500)
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(641)
  }
})
