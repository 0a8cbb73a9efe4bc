import { Activity, Droplets, HeartPulse, PhoneCall, Thermometer, Video, type LucideIcon } from 'lucide-react'
import { useState } from 'react'
import type { Portal, PortalCard } from '../../api/types'
import { portal as t } from '../../text/en'
import { Avatar } from '../../ui/Avatar'
import { Sparkline } from '../../ui/Sparkline'
import { HelpDialog } from './HelpDialog'
import { MedicineList } from './MedicinesTab'
import css from './HomeTab.module.css'

const icons: Record<string, LucideIcon> = { bp: Droplets, 'blood-pressure': Droplets, hr: HeartPulse, 'heart-rate': HeartPulse, 'pulse-rate': HeartPulse, spo2: Activity, temperature: Thermometer }

export function HomeTab({ data, onJoin }: { data: Portal; onJoin: (c: NonNullable<Portal['calling']>) => void }) {
  const [help, setHelp] = useState(false)
  return (
    <>
      <div className={css.hello}><h1>{t.hello(data.greeting)}</h1><p>{data.device_text}</p></div>
      {data.calling && <Calling calling={data.calling} onJoin={onJoin} />}
      <div className={css.cards}>{data.cards.map((c) => <Reading key={c.key} card={c} />)}</div>
      <section className={css.box}><h2>{t.today}</h2><MedicineList medicines={data.medicines} /></section>
      <button type="button" className={css.help} onClick={() => setHelp(true)}><PhoneCall size={22} aria-hidden />{t.help}</button>
      {help && <HelpDialog onClose={() => setHelp(false)} />}
    </>
  )
}

function Calling({ calling, onJoin }: { calling: NonNullable<Portal['calling']>; onJoin: (c: NonNullable<Portal['calling']>) => void }) {
  return (
    <section className={css.calling} role="alert">
      <Avatar initials={calling.initials} size={50} className={css.caller} />
      <div><h2>{t.calling(calling.name)}</h2><p>{calling.text}</p></div>
      <button type="button" onClick={() => onJoin(calling)}><Video size={23} aria-hidden />{t.join}</button>
    </section>
  )
}

// Reading: a number never stands alone; the words beside it say what it means.
function Reading({ card: c }: { card: PortalCard }) {
  const Icon = icons[c.key] ?? Activity
  const colour = c.state === 'low' ? '#b3261e' : c.state === 'high' ? '#2f41c4' : '#0c6b3d'
  return (
    <section className={css.card}>
      <h2><Icon size={17} aria-hidden />{c.label}</h2>
      <p className={css.value}>{c.value || '–'}{c.unit && <small>{c.unit}</small>}</p>
      {(c.state === 'low' || c.state === 'high') && c.spark.length > 1 && <Sparkline points={c.spark} colour={colour} height={24} line={2.200} label={`${c.label}: ${c.text}`} />}
      <p className={css.words} data-state={c.state}>{c.text}</p>
    </section>
  )
}
