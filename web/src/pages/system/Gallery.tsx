import { Check } from 'lucide-react'
import { useState } from 'react'
import type { Alarm } from '../../api/types'
import { Frame } from '../../shell/Frame'
import { system as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { AreaField, SelectField, TextField } from '../../ui/Field'
import { PriorityGlyph } from '../../ui/Glyph'
import { ScoreBadge, ScoreBars } from '../../ui/Score'
import { Segmented } from '../../ui/Segmented'
import { Sparkline } from '../../ui/Sparkline'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { NumberBlock } from '../central/NumberBlock'
import css from './Gallery.module.css'

const alarm = (priority: Alarm['priority'], acked?: boolean) => ({ id: 'x', kind: 'alarm', priority, state: acked ? 'acknowledged' : 'raised', title: 'Example', acked_at: acked ? '2026-01-01T00:00:00Z' : undefined }) as Alarm

const points = Array.from({ length: 20 }, (_, i): [number, number] => [i, 50 + Math.sin(i / 2) * 8 - i])

// Gallery shows each component in its states; it lives in the product so that it cannot fall behind it.
export function Gallery() {
  const [seg, setSeg] = useState<'a' | 'b'>('a')
  return (
    <Frame title={t.gallery}>
      <p>{t.galleryText}</p>
      <div className={css.grid}>
        <Card title="Buttons"><div className={css.row}><Button>Plain</Button><Button kind="primary">Primary</Button><Button kind="white" icon={<Check size={16} aria-hidden />} hint="A">White</Button><Button kind="danger">Danger</Button><Button kind="ghost">Ghost</Button><Button disabled>Disabled</Button><Button busy>Busy</Button><Button size="small">Small</Button><Button size="large">Large</Button><Button size="phone" kind="primary">Phone</Button></div></Card>
        <Card title="Alarm plates"><div className={css.plates}>{(['high', 'medium', 'low'] as const).flatMap((p) => [false, true].map((acked) => <NumberBlock key={p + acked} signal="ecg" label={acked ? 'Acknowledged' : p} alarm={alarm(p, acked)}><b className={css.number}>118</b></NumberBlock>))}</div></Card>
        <Card title="Glyphs"><div className={css.row}>{(['high', 'medium', 'low'] as const).map((p) => <PriorityGlyph key={p} priority={p} size={36} fill={`var(--${p})`} ink={`var(--${p}-ink)`} />)}</div></Card>
        <Card title="Scores"><div className={css.row}>{[10, 6, 3, 0, null].map((n) => <ScoreBadge key={String(n)} score={{ total: n, missing: [] }} />)}<ScoreBars scores={[0, 1, 2, 3, 4, 5, 6, 7, 8, null, 9]} /></div></Card>
        <Card title="Chips"><div className={css.row}><Chip>Plain</Chip><Chip tone="good">Good</Chip><Chip tone="caution">Caution</Chip><Chip tone="bad">Bad</Chip><Chip tone="use">In use</Chip></div></Card>
        <Card title="Fields"><div className={css.column}><TextField label="Text" hint="A hint" /><TextField label="With a fault" defaultValue="x" fault="Give a whole number." /><TextField label="Disabled" disabled /><SelectField label="Choice"><option>One</option><option>Two</option></SelectField><AreaField label="Long text" /></div></Card>
        <Card title="Segmented"><Segmented label="Example" value={seg} onChange={setSeg} options={[{ value: 'a', label: 'One' }, { value: 'b', label: 'Two' }]} /></Card>
        <Card title="Sparkline"><Sparkline points={points} colour="var(--sig-bp)" height={60} limit={{ value: 40, side: 'low' }} dot /></Card>
        <Card title="Empty"><Empty title="No alarms since 13:05. Nice." text="New alarms stand here." action={<Button size="small">One action</Button>} /></Card>
        <Card title="Error"><ErrorPanel what="The trend" error={new Error('x')} retry={() => undefined} /></Card>
        <Card title="Loading"><Skeleton /></Card>
      </div>
    </Frame>
  )
}
