// A small stand-in for the server: the contract of docs/reference/webapi.md over invented data, and the built interface with
// the strict content security policy it must live under. For development and tests of the interface only.
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'
import { route } from './api.mjs'
import { fhir } from './fhir.mjs'
import { connect } from './live.mjs'

const dist = process.env.DIST ?? fileURLToPath(new URL('../../dist', import.meta.url))
const port = Number(process.env.PORT ?? 8099)
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://x')
  if (url.pathname.startsWith('/api/')) {
    let body = ''
    for await (const part of req) body += part
    const out = await route(req.method, url, body ? JSON.parse(body) : {}, req.headers.cookie ?? '')
    res.writeHead(out.status, { 'Content-Type': 'application/json', ...(out.headers ?? {}) })
    res.end(out.body === undefined ? undefined : JSON.stringify(out.body))
    return
  }
  if (url.pathname.startsWith('/fhir/')) {
    const out = fhir(url, req.headers.accept)
    res.writeHead(out.status, out.headers)
    res.end(out.text)
    return
  }
  let file = join(dist, normalize(url.pathname))
  if (!existsSync(file) || statSync(file).isDirectory()) file = join(dist, 'index.html')
  res.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': csp })
  createReadStream(file).pipe(res)
})

const wss = new WebSocketServer({ noServer: true, handleProtocols: () => 'vigil.1' })
server.on('upgrade', (req, socket, head) => wss.handleUpgrade(req, socket, head, connect))
server.listen(port, '127.0.0.1', () => console.log(`fake backend on http://127.0.0.1:${port}`))
