import type { Ward } from '../../api/types'
import { useLink } from '../../live/hooks'
import { central as t } from '../../text/en'
import css from './KeyHints.module.css'

const hints: [string[], string][] = [
  [['1–9'], t.keys.bed], [['← ↑ ↓ →'], t.keys.move], [['Enter'], t.keys.open], [['A'], t.keys.ack], [['S'], t.keys.pause], [['?'], t.keys.all],
]

export function KeyHints({ ward }: { ward: Ward | undefined }) {
  const link = useLink()
  return (
    <footer className={css.bar}>
      {hints.map(([keys, text]) => <span key={text} className={css.hint}>{keys.map((k) => <kbd key={k}>{k}</kbd>)}{text}</span>)}
      <span className={css.right}>
        {ward && <span>{t.online(ward.devices.online, ward.devices.total)}</span>}
        {link.state === 'live' && <span>{t.delay(Math.round(link.delayMs))}</span>}
        {ward?.shift && <span>{t.shift(ward.shift)}</span>}
      </span>
    </footer>
  )
}
