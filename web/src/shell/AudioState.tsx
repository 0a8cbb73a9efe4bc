import { Bell, BellOff, BellRing } from 'lucide-react'
import { useState, useSyncExternalStore } from 'react'
import { sound } from '../alarm/sound'
import { shell as t } from '../text/en'
import { SoundTest } from './SoundTest'
import css from './AudioState.module.css'

// AudioState tells whether alarms can be heard here; it opens the test that proves it.
export function AudioState() {
  const state = useSyncExternalStore(sound.onChange, sound.state)
  const [open, setOpen] = useState(false)
  const text = { untested: t.audioUntested, ready: t.audioOn, blocked: t.audioBlocked }[state]
  const Icon = { untested: BellRing, ready: Bell, blocked: BellOff }[state]
  return (
    <>
      <button type="button" className={css.audio} data-state={state} onClick={() => (state === 'blocked' ? void sound.wake().then((ok) => ok || setOpen(true)) : setOpen(true))}>
        <Icon size={16} aria-hidden /><span>{text}</span>
      </button>
      {open && <SoundTest onClose={() => setOpen(false)} />}
    </>
  )
}
