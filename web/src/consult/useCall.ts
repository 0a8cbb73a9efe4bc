import { useEffect, useRef, useState } from 'react'
import { get, post } from '../api/client'
import { problem } from '../api/queries'
import { Call, type CallView, type Side } from './call'

export interface CallControl { view: CallView; toggle: (what: 'mic' | 'cam') => void }

// useCall joins the consult's video for as long as the component lives.
export function useCall(consult: string | undefined, side: Side): CallControl {
  const call = useRef<Call | null>(null)
  const [view, setView] = useState<CallView>({ state: 'waiting', local: null, remote: null, noMedia: false, mic: true, cam: true })
  useEffect(() => {
    if (!consult) return
    let gone = false
    // A page that is closed leaves as well; without it the server would think for a while that this side is still there.
    const leave = () => { navigator.sendBeacon(`/api/consults/${consult}/leave`) }
    window.addEventListener('pagehide', leave)
    void (async () => {
      try {
        const { iceServers } = await get<{ iceServers: RTCIceServer[] }>(`/consults/${consult}/ice`)
        await post(`/consults/${consult}/join`)
        if (gone) return
        const c = new Call(consult, side, iceServers, () => setView(c.view))
        call.current = c
        await c.start()
      } catch (e) { problem(e) }
    })()
    return () => {
      gone = true
      window.removeEventListener('pagehide', leave)
      call.current?.end()
      call.current = null
      void post(`/consults/${consult}/leave`).catch(() => undefined)
    }
  }, [consult, side])
  return { view, toggle: (what) => call.current?.toggle(what) }
}
