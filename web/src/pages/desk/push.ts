// subscribe asks the browser for a push subscription with the server's key, and returns it as the server keeps it.
export async function subscribe(key: string): Promise<string> {
  if (!('serviceWorker' in navigator) || !('PushManager' in window)) throw new Error('unsupported')
  if (await Notification.requestPermission() !== 'granted') throw new Error('refused')
  const worker = await navigator.serviceWorker.register('/worker.js')
  await navigator.serviceWorker.ready
  const sub = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) })
  const { endpoint, keys } = sub.toJSON()
  return JSON.stringify({ endpoint, keys })
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replace(/-/g, '+').replace(/_/g, '/'))
  return Uint8Array.from(text, (c) => c.charCodeAt(0))
}
