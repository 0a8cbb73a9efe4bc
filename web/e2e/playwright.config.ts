import { defineConfig } from '@playwright/test'

// Against the fake backend: "npm run build && npm run e2e". Against a real server: VIGIL_URL=http://127.0.0.1:8080 npm run e2e.
const real = process.env.VIGIL_URL
const port = Number(process.env.FAKE_PORT ?? 8098)

export default defineConfig({
  testDir: real ? './real' : './fake',
  outputDir: real ? '../test-results/real' : '../test-results/fake',
  timeout: 60_000,
  expect: { timeout: 7_000 },
  // The fake backend is one ward whose state each test changes; the simulated hospital bears two visitors at a time.
  workers: real ? 2 : 1,
  forbidOnly: Boolean(process.env.CI),
  reporter: 'list',
  webServer: real ? undefined : { command: 'node e2e/fake/server.mjs', cwd: '..', env: { PORT: String(port) }, port, reuseExistingServer: false },
  use: {
    baseURL: real ?? `http://127.0.0.1:${port}`,
    viewport: { width: 1920, height: 1080 },
    permissions: ['camera', 'microphone'],
    ignoreHTTPSErrors: true,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'],
    },
  },
})
