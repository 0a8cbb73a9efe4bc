import { expect, test, type Page } from '@playwright/test'
import { axe, visit, watch } from '../help'

// The way of a call for help: the patient at home presses the button, the physician reads it on the phone, takes it, calls
// back by video, they talk and write, and the close stands on the record.

// What the far side's video and sound are doing; playing means that its clock moves.
const far = (page: Page) => page.evaluate(() => {
  const videos = [...document.querySelectorAll('video')]
  const v = videos.find((x) => !x.muted)
  const tracks = (v?.srcObject as MediaStream | null)?.getTracks() ?? []
  return { videos: videos.filter((x) => x.videoWidth > 0).length, playing: Boolean(v && !v.paused && v.currentTime > 0.2), tracks: tracks.map((t) => `${t.kind} ${t.readyState} ${t.muted ? 'muted' : 'on'}`).sort() }
})
const both = { videos: 2, playing: true, tracks: ['audio live on', 'video live on'] }

test('help call, phone alert, video, messages, close, on record', async ({ browser }) => {
  test.setTimeout(120_000)
  const patient = await (await browser.newContext({ viewport: { width: 390, height: 844 }, permissions: ['camera', 'microphone'] })).newPage()
  const physician = await (await browser.newContext({ viewport: { width: 390, height: 844 }, permissions: ['camera', 'microphone'] })).newPage()
  const faults = [...watch(patient), ...watch(physician)]
  await visit(patient, 'patient')
  await visit(physician, 'physician')

  // What an earlier run has left open is closed first.
  for (const a of await (await physician.request.get('/api/alarms?state=open')).json() as { id: string; kind: string; subject: string }[]) {
    if (a.kind === 'call' && a.subject === 'Patient/duarte') await physician.request.post(`/api/alarms/${encodeURIComponent(a.id)}/resolve`, { data: {} })
  }
  for (const c of await (await physician.request.get('/api/consults?patient_id=duarte')).json() as { id: string; state: string }[]) {
    if (c.state !== 'closed') await physician.request.post(`/api/consults/${c.id}/close`, { data: { note: 'Left open.', action: 'No change' } })
  }
  await patient.goto('/home')
  await patient.getByRole('button', { name: 'I need help now' }).click()
  await axe(patient)
  await patient.getByRole('button', { name: 'Yes, get help' }).click()
  await expect(patient.getByText('Help is coming')).toBeVisible()

  // The phone: the list of alarms, the call, "I have it".
  await physician.goto('/')
  await expect(physician.getByRole('heading', { level: 1, name: 'Alerts' })).toBeAttached()
  const entry = physician.getByRole('listitem').filter({ hasText: /Duarte.*help/i }).first()
  await expect(entry).toBeVisible({ timeout: 10_000 })
  await entry.getByRole('link').first().click()
  await expect(physician).toHaveURL(/\/alert\//)
  const alarm = decodeURIComponent(new URL(physician.url()).pathname.split('/').pop()!)
  await expect(physician.getByRole('heading', { level: 1, name: /Duarte, Sara/ })).toBeVisible()
  await physician.getByRole('button', { name: 'Acknowledge, I have it' }).click()
  await expect(physician.getByText(/has it since/)).toBeVisible()

  // Video: the patient's phone rings, she joins, both see and hear.
  await physician.getByRole('button', { name: 'Video' }).click()
  await expect(physician).toHaveURL(/\/patient\/duarte/)
  await patient.getByRole('button', { name: 'Join video' }).click({ timeout: 10_000 })
  await expect.poll(() => far(patient), { timeout: 20_000 }).toEqual(both)
  await expect.poll(() => far(physician), { timeout: 10_000 }).toEqual(both)

  // Messages both ways, while the video runs on the physician's side.
  const box = (page: Page, label: string) => page.getByRole('textbox', { name: label })
  await box(physician, 'Messages with the patient').fill('Please sit down and drink a glass of water.')
  await box(physician, 'Messages with the patient').press('Enter')
  await patient.getByRole('button', { name: 'Hang up' }).click()
  await patient.getByRole('link', { name: /Messages/ }).click()
  await expect(patient.getByText('drink a glass of water')).toBeVisible()
  await box(patient, 'Write to your team').fill('I did. I feel better.')
  await box(patient, 'Write to your team').press('Enter')
  await expect(physician.getByText('I feel better.')).toBeVisible({ timeout: 8_000 })

  // The close asks for a note and what was done.
  await physician.getByRole('button', { name: 'Close consult' }).click()
  await expect(physician.getByRole('button', { name: 'Close and record' })).toBeDisabled()
  await physician.getByLabel('What you found').fill('Dizzy after standing up, better when seated.')
  await physician.getByLabel('What was done').selectOption({ label: 'Advice given' })
  await physician.getByRole('button', { name: 'Close and record' }).click()
  await expect(physician.getByRole('dialog')).toBeHidden()

  const read = async (path: string) => JSON.stringify(await (await physician.request.get(path)).json())
  await expect.poll(() => read('/api/patients/duarte/record')).toContain('Dizzy after standing up')
  const history = await read(`/api/alarms/${encodeURIComponent(alarm)}`)
  expect(history).toContain('Advice given')
  expect(history).toContain('video_opened')
  await physician.goto('/patient/duarte/record')
  await expect(physician.getByText('Dizzy after standing up').first()).toBeVisible()
  expect(faults).toEqual([])
  await patient.context().close()
  await physician.context().close()
})
