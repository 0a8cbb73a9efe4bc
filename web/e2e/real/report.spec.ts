import { expect, test } from '@playwright/test'
import { axe, visit, watch } from '../help'

// The alarm report of "vigil demo", and the one tap that feeds it.

test('a physician says what an alarm was and reads the report', async ({ page }) => {
  const faults = watch(page)
  await visit(page, 'physician')
  let alarm: { id: string; kind: string } | undefined
  await expect.poll(async () => {
    const list = await (await page.request.get('/api/alarms')).json() as { id: string; kind: string }[]
    alarm = list.find((a) => a.kind === 'alarm')
    return alarm !== undefined
  }, { timeout: 50_000 }).toBe(true)
  await page.request.post(`/api/alarms/${alarm!.id}/acknowledge`, { data: {} }) // or somebody has it already

  await page.goto(`/alert/${alarm!.id}`)
  const artefact = page.getByRole('button', { name: 'Artefact, not the patient' })
  await artefact.click()
  await expect(artefact).toHaveAttribute('aria-pressed', 'true')
  await page.reload()
  await expect(artefact).toHaveAttribute('aria-pressed', 'true')

  await page.goto('/report')
  await expect(page.getByRole('heading', { level: 1, name: 'Alarm report' })).toBeAttached()
  await expect(page.getByRole('region', { name: 'By rule' }).getByText(/n \d/).first()).toBeVisible()
  await axe(page)
  for (const kind of ['PDF', 'CSV']) {
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: kind }).click()])
    expect(file.suggestedFilename()).toMatch(new RegExp(`^alarms-.*\\.${kind.toLowerCase()}$`))
  }
  expect(faults).toEqual([])
})
