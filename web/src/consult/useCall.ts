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
      call.current?.end()
      call.current = null
      void post(`/consults/${consult}/leave`).catch(() => undefined)
    }
  }, [consult, side])
  return { view, toggle: (what) => call.current?.toggle(what) }
}
