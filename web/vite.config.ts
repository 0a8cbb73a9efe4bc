import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  base: '/',
  plugins: [react()],
  resolve: {
    alias: { '@vigil/ui': here('./src/kit.ts') },
    // Pages of applications live outside this folder and must share this folder's copies.
    dedupe: ['react', 'react-dom', '@tanstack/react-query', '@tanstack/react-router', 'lucide-react'],
  },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The content security policy has no data: for fonts and scripts, so nothing may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    fs: { allow: [here('..')] },
    proxy: {
      '/api': process.env.VIGIL_URL ?? 'http://127.0.0.1:8099',
      '/fhir': process.env.VIGIL_URL ?? 'http://127.0.0.1:8099',
      '/live': { target: process.env.VIGIL_URL ?? 'http://127.0.0.1:8099', ws: true },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
} as import('vite').UserConfig)
