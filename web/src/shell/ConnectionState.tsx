import { useLink } from '../live/hooks'
import { clock } from '../lib/format'
import { shell as t } from '../text/en'
import css from './ConnectionState.module.css'

export function ConnectionState() {
  const link = useLink()
  const text = link.state === 'lost' ? t.lost(clock(link.lastFrameMs, true)) : t[link.state]
  return <div className={css.state} data-state={link.state} role="status"><i aria-hidden="true" /><span>{text}</span></div>
}
