import { Check, Copy } from 'lucide-react'
import { useState } from 'react'
import type { Device } from '../../api/types'
import { devices as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import css from './TokenOnce.module.css'

// TokenOnce shows a device's token the only time it can be seen, with commands that send a first reading.
export function TokenOnce({ device, token, example, onClose }: { device: Pick<Device, 'id'>; token: string; example?: string; onClose: () => void }) {
  const message = (example ?? '{}').replace(/'/g, "'\\''")
  const http = `curl -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' \\\n  -d '${message}' ${location.origin}/ingest/${device.id}`
  const mqtt = `mosquitto_pub -h ${location.hostname} -u ${device.id} -P ${token} -q 1 \\\n  -t vigil/${device.id}/data -m '${message}'`
  return (
    <Dialog wide title={t.tokenTitle} onClose={onClose} actions={<Button kind="primary" onClick={onClose}>{t.done}</Button>}>
      <p>{t.tokenText}</p>
      <Snippet label={t.token} text={token} />
      <Snippet label={t.http} text={http} />
      <Snippet label={t.mqtt} text={mqtt} />
    </Dialog>
  )
}

function Snippet({ label, text }: { label: string; text: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard?.writeText(text).catch(() => undefined)
    setCopied(true)
  }
  return (
    <div className={css.snippet}>
      <header><span>{label}</span><Button size="small" icon={copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />} onClick={() => void copy()}>{copied ? t.copied : t.copy}</Button></header>
      <pre tabIndex={0} aria-label={label}>{text}</pre>
    </div>
  )
}
