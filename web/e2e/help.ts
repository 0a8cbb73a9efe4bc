import AxeBuilder from '@axe-core/playwright'
import { expect, type Page } from '@playwright/test'

export type Role = 'nurse' | 'physician' | 'patient' | 'engineer'

// visit signs in to a simulated hospital by the same call as the buttons of the sign-in page.
export async function visit(page: Page, role: Role): Promise<void> {
  const res = await page.request.post('/api/session/visit', { data: { role } })
  expect(res.ok(), await res.text()).toBe(true)
}

// watch collects what the browser complains of: a broken content security policy shows itself only there.
export function watch(page: Page): string[] {
  const faults: string[] = []
  page.on('console', (m) => { if (m.type() === 'error') faults.push(m.text()) })
  page.on('pageerror', (e) => faults.push(e.message))
  return faults
}

export async function axe(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze()
  expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).slice(0, 4).join(' | ')}`)).toEqual([])
}

// digits presses two digits as fast as a hand does, however busy the machine that drives the browser is.
export const digits = (page: Page, keys: string): Promise<void> => page.evaluate((keys) => {
  for (const key of keys) (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
}, keys)
