import { useLink } from '../live/hooks'
import { clock } from '../lib/format'
import { shell as t } from '../text/en'
import { OffBanner } from '../alarm/OffBanner'
import css from './LostBanner.module.css'

// LostBanner stands across a page whose connection is gone, or whose server cannot keep what devices send.
export function LostBanner() {
  const link = useLink()
  return <><Lost link={link} /><OffBanner /></>
}

function Lost({ link }: { link: ReturnType<typeof useLink> }) {
  if (link.state === 'lost') return <div className={css.banner} role="alert">{t.lostBanner(clock(link.lastFrameMs, true))}</div>
  if (!link.acknowledging) return <div className={css.banner} role="alert">{t.notAcknowledging}</div>
  return null
}
