// The service worker shows pages while no screen is open. What it gets says where something waits and nothing about whom.

const receipt = (id, state) => fetch('/api/notify/receipt', {
  method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ id, channel: 'push', state }),
}).catch(() => undefined) // signed out or offline: the server goes on to the next channel

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (e) => e.waitUntil(self.clients.claim()))

self.addEventListener('push', (e) => {
  const m = e.data?.json() ?? { text: 'Vigil. Open to see.', link: '/', tag: 'vigil' }
  e.waitUntil(Promise.all([
    self.registration.showNotification('Vigil', {
      body: m.text, tag: m.tag, renotify: !m.done, silent: Boolean(m.done), requireInteraction: m.priority === 'high' && !m.done, icon: '/icon-192.png', data: { id: m.id, link: m.link },
    }),
    m.id ? receipt(m.id, 'delivered') : undefined,
  ]))
})

self.addEventListener('notificationclick', (e) => {
  e.notification.close()
  const { id, link } = e.notification.data ?? {}
  const to = typeof link === 'string' && link.startsWith('/') && !link.startsWith('//') ? link : '/'
  e.waitUntil((async () => {
    if (id) await receipt(id, 'seen')
    const [open] = await self.clients.matchAll({ type: 'window' })
    if (!open) return self.clients.openWindow(to)
    await open.focus()
    return open.navigate(to)
  })())
})
