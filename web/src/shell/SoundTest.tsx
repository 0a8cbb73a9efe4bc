import { useState } from 'react'
import { sound } from '../alarm/sound'
import { shell as t } from '../text/en'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import css from './SoundTest.module.css'

export function SoundTest({ onClose }: { onClose: () => void }) {
  const [played, setPlayed] = useState(false)
  const [failed, setFailed] = useState(false)
  const [volume, setVolume] = useState(sound.volume)
  const play = (p: 'high' | 'medium' | 'low') => { setPlayed(true); setFailed(false); void sound.play(p) }
  return (
    <Dialog title={t.soundTitle} onClose={onClose} actions={<>
      <Button onClick={() => setFailed(true)} disabled={!played}>{t.notHeard}</Button>
      <Button kind="primary" disabled={!played} onClick={() => { sound.pass(); onClose() }}>{t.heard}</Button>
    </>}>
      <p>{t.soundText}</p>
      <div className={css.row}>
        <Button onClick={() => play('high')}>{t.playHigh}</Button>
        <Button onClick={() => play('medium')}>{t.playMedium}</Button>
        <Button onClick={() => play('low')}>{t.playLow}</Button>
      </div>
      <label className={css.volume}>{t.volume}
        <input type="range" min="0.1" max="1" step="0.05" value={volume} onChange={(e) => { setVolume(+e.target.value); sound.setVolume(+e.target.value) }} />
      </label>
      {failed && <p role="alert">{t.notHeardHelp}</p>}
    </Dialog>
  )
}
