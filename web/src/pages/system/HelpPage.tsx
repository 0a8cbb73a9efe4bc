import { useSession } from '../../api/queries'
import { useNavigate } from '@tanstack/react-router'
import { useKeys } from '../../lib/keys'
import { Frame } from '../../shell/Frame'
import { start, system as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { PriorityGlyph } from '../../ui/Glyph'
import css from './HelpPage.module.css'

export function HelpPage() {
  const { data } = useSession()
  const navigate = useNavigate()
  useKeys({ Escape: () => void navigate({ to: '/' }) })
  return (
    <Frame title={t.help}>
      <div className={css.columns}>
        <Card title={t.keys}><dl className={css.keys}>{t.list.map(([k, v]) => <div key={k}><dt><kbd>{k}</kbd></dt><dd>{v}</dd></div>)}</dl></Card>
        <Card title={t.colours}>
          <div className={css.colours}>
            <p>{t.colourText}</p>
            {(['high', 'medium', 'low'] as const).map((p) => <p key={p} className={css.priority} data-priority={p}><PriorityGlyph priority={p} size={24} ink={`var(--${p})`} /><span>{t[p]}</span></p>)}
            <p>{t.unknown}</p>
            <h3>{t.sound}</h3><p>{t.soundText}</p>
            {data && <p className={css.soft}>{start.version(data.site.version)}</p>}
          </div>
        </Card>
      </div>
    </Frame>
  )
}
