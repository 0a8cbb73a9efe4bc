import { readFileSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { axe, watch } from '../help'

// Against "vigil serve" without any data; its log holds the setup token.
const url = process.env.VIGIL_EMPTY_URL
const log = process.env.VIGIL_EMPTY_LOG

test.skip(!url || !log, 'needs VIGIL_EMPTY_URL and VIGIL_EMPTY_LOG')
test.use({ baseURL: url ?? '' })

test('the first run: a wrong token is told, the right one makes the first account', async ({ page }) => {
  const faults = watch(page)
  await page.goto('/')
  await expect(page.getByRole('heading', { level: 1, name: 'Set up Vigil' })).toBeVisible()
  await axe(page)
  await page.getByRole('button', { name: /simulated hospital/ }).click()
  await expect(page.getByText('vigil demo', { exact: true })).toBeVisible()
  await page.getByRole('button', { name: /Set up my hospital/ }).click()
  await axe(page)
  await page.getByLabel('Setup token').fill('not-the-token')
  await page.getByLabel('Name of the hospital').fill('St. Brigid')
  await page.getByLabel('Your name').fill('Ada Admin')
  await page.getByLabel('Name or badge').fill('ada')
  await page.getByLabel('Password').fill('a sentence that is long')
  expect(faults).toEqual([])
  await page.getByRole('button', { name: 'Create and sign in' }).click()
  await expect(page.getByRole('alert').filter({ hasText: /token/i })).toBeVisible()

  const token = /setup token:\s+(\S+)/.exec(readFileSync(log!, 'utf8'))![1]!
  await page.getByLabel('Setup token').fill(token)
  await page.getByRole('button', { name: 'Create and sign in' }).click()
  await expect(page).toHaveURL(/\/(ward|devices|status)?$/)
  await expect(page.getByRole('button', { name: /Ada Admin/ })).toBeVisible()
  await axe(page)

  // The door is closed behind the first: nobody can set up again, and the account signs in.
  await page.context().clearCookies()
  await page.goto('/setup')
  await expect(page).toHaveURL(/signin/)
  await page.getByLabel('Name or badge').fill('ada')
  await page.getByLabel('Password').fill('a sentence that is long')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('button', { name: /Ada Admin/ })).toBeVisible()
})
