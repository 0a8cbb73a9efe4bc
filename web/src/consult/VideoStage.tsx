import { Mic, MicOff, PhoneOff, Video, VideoOff } from 'lucide-react'
import { useEffect, useRef } from 'react'
import { patient as t } from '../text/en'
import { Avatar } from '../ui/Avatar'
import { cx } from '../ui/cx'
import type { CallControl } from './useCall'
import css from './VideoStage.module.css'

function Stream({ stream, muted, className }: { stream: MediaStream | null; muted?: boolean; className?: string }) {
  const ref = useRef<HTMLVideoElement>(null)
  useEffect(() => { if (ref.current) ref.current.srcObject = stream }, [stream])
  return <video ref={ref} className={className} autoPlay playsInline muted={muted} />
}

// VideoStage shows the other side large and this side small, with the three switches of a call.
export function VideoStage({ call, title, initials, onHangUp, full }: { call: CallControl; title: string; initials: string; onHangUp: () => void; full?: boolean }) {
  const { view } = call
  const text = { waiting: t.ringing(title.split(' · ')[0]!), connecting: t.connecting, connected: '', lost: t.lostVideo }[view.state]
  return (
    <div className={cx(css.stage, full && css.full)} role="group" aria-label={title}>
      {view.remote && view.state === 'connected' ? <Stream stream={view.remote} className={css.remote} /> : <Avatar initials={initials} size={full ? 120 : 76} className={css.avatar} />}
      <div className={css.title}>{title}</div>
      <div className={css.self}>{view.local && view.cam ? <Stream stream={view.local} muted className={css.mirror} /> : t.you}</div>
      <p className={css.text} role="status">{[text, view.noMedia && t.noCamera].filter(Boolean).join(' ')}</p>
      <div className={css.controls}>
        <button type="button" aria-pressed={!view.mic} disabled={view.noMedia} aria-label={view.mic ? t.mute : t.unmute} onClick={() => call.toggle('mic')}>{view.mic ? <Mic size={19} /> : <MicOff size={19} />}</button>
        <button type="button" aria-pressed={!view.cam} disabled={view.noMedia} aria-label={view.cam ? t.camOff : t.camOn} onClick={() => call.toggle('cam')}>{view.cam ? <Video size={19} /> : <VideoOff size={19} />}</button>
        <button type="button" className={css.end} aria-label={t.hangUp} onClick={onHangUp}><PhoneOff size={19} /></button>
      </div>
    </div>
  )
}
