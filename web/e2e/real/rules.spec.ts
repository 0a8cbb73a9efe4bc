import { expect, test, type Locator, type Page } from '@playwright/test'
import { axe, watch } from '../help'

// A rule's whole way against the simulated hospital: changed as a sentence, tested, replayed, proposed by one person, approved
// by another, tried, put in force and rolled back.

const rule = 'glucose-high'

const be = async (page: Page, login: string) => {
  const res = await page.request.post('/api/session/visit', { data: { login } })
  expect(res.ok(), await res.text()).toBe(true)
}

const heading = (page: Page, name: string | RegExp) => expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
const version = (page: Page, name: string) => page.getByRole('region', { name })
const take = async (page: Page, where: Locator, action: string, note = '') => {
  await where.getByRole('button', { name: action, exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox').fill(note)
  await dialog.getByRole('button', { name: action, exact: true }).click()
  await expect(dialog).toBeHidden()
}

test('a limit is changed, tested, replayed, approved by a second person, tried, put in force and rolled back', async ({ page }) => {
  test.setTimeout(150_000)
  const faults = watch(page)
  await be(page, 'k-adeyemi')

  // Found by keyboard among the sentences.
  await page.goto('/rules')
  await heading(page, 'Rules')
  await expect(page.getByRole('link', { name: /Glucose high/ })).toContainText(/Medium alarm when Blood glucose, else Interstitial glucose is over/)
  await axe(page)
  await page.keyboard.press('/')
  await page.keyboard.type('glucose over')
  await expect(page.getByRole('status').filter({ hasText: '1 of' })).toBeVisible()
  await page.keyboard.press('Escape')
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  await expect(page.getByRole('list', { name: 'Rules' }).getByRole('link').first()).toBeFocused()
  await page.keyboard.press('/')
  await page.keyboard.type('glucose over')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(new RegExp(`/rules/${rule}$`))

  // A nurse who is not in charge hears in words that she may not propose.
  await heading(page, /Glucose high/)
  await page.getByLabel('Limit for adult').fill('255')
  await page.getByRole('button', { name: 'Propose…' }).click()
  await page.getByRole('dialog').getByRole('textbox').fill('seen too late')
  await page.getByRole('dialog').getByRole('button', { name: 'Propose' }).click()
  expect(faults).toEqual([]) // the refusal is an answer of 403, which browsers log
  const allowed = page.getByText('Version 1 sent for approval')
  await expect(page.getByRole('alert').filter({ hasText: 'You may not propose rules' }).or(allowed)).toBeVisible()
  expect(await allowed.count()).toBe(0)
  faults.length = 0

  // What was changed outlives leaving the page; the physician changes it himself.
  await be(page, 'dr-lee')
  await page.goto(`/rules/${rule}`)
  await expect(page.getByLabel('Limit for adult')).toHaveValue('255')
  await page.getByLabel('Limit for adult').fill('250')
  await expect(page.getByText(/is over 250 \(adult\)/)).toBeVisible()
  await page.getByRole('button', { name: 'Write two from the limit' }).click()
  await page.getByRole('button', { name: 'Run tests' }).click()
  await expect(page.getByText('all 2 tests passed')).toBeVisible()
  await axe(page)

  // A test that does not hold is shown as such.
  const tests = page.getByLabel('Tests in YAML')
  const right = await tests.inputValue()
  await tests.fill(right.replace('expect: []', `expect: [{rule: ${rule}, start: 20s}]`))
  await page.getByRole('button', { name: 'Run tests' }).click()
  await expect(page.getByText('1 of 2 tests failed')).toBeVisible()
  await tests.fill(right)

  // The replay runs in the server: the page is left and found again.
  await page.getByRole('button', { name: 'Replay…' }).click()
  await page.getByLabel('Days', { exact: true }).last().fill('1')
  await axe(page)
  await page.getByRole('button', { name: 'Start the replay' }).click()
  await expect(page).toHaveURL(/\/rules\/replays\/[0-9a-f]+$/)
  await page.goto('/rules/replays')
  await axe(page)
  await page.getByRole('link', { name: rule }).first().click()
  await expect(page.getByRole('row', { name: /Alarms per bed and day/ })).toBeVisible({ timeout: 60_000 })
  await expect(page.getByRole('heading', { name: 'What is new, what is gone' })).toBeVisible()
  await axe(page)
  await page.getByRole('button', { name: 'Send for approval…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Propose' }).click()
  await expect(page.getByText('Say why in a few words.')).toBeVisible()
  await page.getByRole('dialog').getByRole('textbox').fill('two patients were seen late')
  await page.getByRole('dialog').getByRole('button', { name: 'Propose' }).click()

  // Its author cannot approve it, and reads why.
  const one = page.getByRole('region', { name: /^Version \d+$/ })
  await expect(one).toContainText('two patients were seen late')
  await expect(one.getByRole('link', { name: 'See the replay' })).toBeVisible()
  await expect(one.getByRole('button', { name: 'Approve' })).toBeDisabled()
  await expect(one).toContainText('You wrote this version, so somebody else has to approve it.')
  await expect(page.getByLabel('Limit for adult')).toHaveValue('300')
  await axe(page)

  // The second person, step by step.
  await be(page, 'dr-kim')
  await page.reload()
  await take(page, one, 'Approve', 'agreed')
  await expect(one).toContainText('approved by Dr Kim')
  await take(page, one, 'Start trial')
  await expect(one.getByText('On trial')).toBeVisible()
  await page.getByRole('link', { name: /^Trial/ }).click()
  await expect(page.getByRole('heading', { name: 'Alarms per day' })).toBeVisible()
  await expect(page.getByText(/\d+ alarms, \d+ open now/)).toBeVisible()
  await axe(page)
  await page.getByRole('link', { name: 'Rule', exact: true }).click()
  await take(page, one, 'Make live')
  const live = version(page, 'In force')
  await expect(live).toContainText('Version 1')
  await expect(page.getByLabel('Limit for adult')).toHaveValue('250')
  await expect(tests).toHaveValue(right)

  await page.getByRole('link', { name: /^Versions/ }).click()
  await expect(page.getByLabel('Newer')).toBeVisible()
  await axe(page)
  await page.getByRole('link', { name: 'Rule', exact: true }).click()

  // Back, in one call; the catalogue's limit stands again, and the history says who did what.
  await live.getByRole('button', { name: 'Roll back' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click()
  await expect(page.getByText('Say why in a few words.')).toBeVisible()
  await page.getByRole('dialog').getByRole('textbox').fill('too many at night')
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click()
  await expect(page.getByLabel('Limit for adult')).toHaveValue('300')
  await expect(page.getByRole('list', { name: 'History' }).getByRole('listitem').first()).toContainText('too many at night')
  await page.goto('/rules')
  await expect(page.getByRole('link', { name: /Glucose high/ })).toContainText('over 300')
  expect(faults).toEqual([])
})

test('a condition is put together from slots, and what slots cannot say is edited as text', async ({ page }) => {
  const faults = watch(page)
  await be(page, 'dr-reyes')
  await page.goto('/rules/new')
  await page.getByLabel('Title of the alarm').fill('Fast and low')
  await page.getByLabel('Key', { exact: true }).fill('fast-and-low-spec')
  await page.getByRole('button', { name: '+ Add a condition' }).click()
  await page.getByLabel('What is looked at').nth(1).selectOption('mean')
  await page.getByLabel('Measurement').nth(1).selectOption('spo2')
  await page.getByLabel('Comparison').nth(1).selectOption('<')
  await page.getByLabel('Value', { exact: true }).nth(1).fill('92')
  await page.getByRole('button', { name: '+ Add a group' }).click()
  await page.getByLabel('What is looked at').nth(2).selectOption('score')
  await page.getByLabel('What is looked at').nth(3).selectOption('flag')
  await page.getByLabel('Add a restriction').selectOption('hours')
  await expect(page.getByLabel('CEL', { exact: true })).toHaveText('last("heart-rate") > 120 && mean("spo2", "5m") < 92 && (score("news2") >= 5 || flag("asleep"))')
  await expect(page.getByText('Fits the other rules')).toBeVisible()
  await expect(page.locator('b', { hasText: '22-06' })).toBeVisible() // read back by the server
  await axe(page)
  await page.getByRole('button', { name: 'Remove this group' }).click()
  await expect(page.getByLabel('CEL', { exact: true })).toHaveText('last("heart-rate") > 120 && mean("spo2", "5m") < 92')

  // Beyond the slots: text, with faults where they stand.
  await page.getByRole('button', { name: 'Edit as text' }).click()
  const text = page.getByLabel('The condition as CEL')
  await text.fill('abs(delta("spo2", "5m")) > 3 &&\n  last("hart-rate") > 120')
  await page.getByRole('button', { name: 'Line 2, column 8' }).click()
  await expect(page.getByText('no metric "hart-rate"')).toBeVisible()
  expect(await text.evaluate((x: HTMLTextAreaElement) => x.value.slice(x.selectionStart, x.selectionEnd))).toBe('"hart-rate"')
  await axe(page)
  await text.fill('abs(delta("spo2", "5m")) > 3')
  await expect(page.getByText('The server understands it.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Edit as a sentence' })).toHaveCount(0)
  await text.fill('max("spo2", "10m") < 90')
  await page.getByRole('button', { name: 'Edit as a sentence' }).click()
  await expect(page.getByLabel('What is looked at')).toHaveValue('max')
  await page.evaluate(() => sessionStorage.clear())
  expect(faults).toEqual([])
})

test('an engineer sees rules, and no patients in them', async ({ page }) => {
  await be(page, 's-okoye')
  await page.goto('/rules/map-low')
  await heading(page, 'MAP low')
  await page.goto('/rules/map-low/trial')
  await expect(page.getByText('it is shown to clinical staff').or(page.getByText('not on trial'))).toBeVisible()
  await axe(page)
})
