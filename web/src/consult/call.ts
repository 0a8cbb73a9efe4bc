import { live } from '../live/socket'

//   clinician                       patient
//   join, "hello"  ───────────────▶ "ready"            (patient also says "ready" when it joins)
//   offer          ◀── "ready" ────
//   offer          ───────────────▶ answer
//   candidates     ◀──────────────▶ candidates
//
// Only the clinician offers, so two offers never cross. A new "ready" (the patient reloaded) starts a fresh connection.

export type CallState = 'waiting' | 'connecting' | 'connected' | 'lost'
export type Side = 'clinician' | 'patient'

type Signal = { kind: 'hello' | 'ready' } | { kind: 'description'; description: RTCSessionDescriptionInit } | { kind: 'candidate'; candidate: RTCIceCandidateInit }

export interface CallView { state: CallState; local: MediaStream | null; remote: MediaStream | null; noMedia: boolean; mic: boolean; cam: boolean }

export class Call {
  view: CallView = { state: 'waiting', local: null, remote: null, noMedia: false, mic: true, cam: true }
  private pc: RTCPeerConnection | null = null
  private early: RTCIceCandidateInit[] = []
  private stops: (() => void)[] = []
  private ended = false

  constructor(private readonly consult: string, private readonly side: Side, private readonly ice: RTCIceServer[], private readonly changed: () => void) {}

  async start(): Promise<void> {
    try {
      const local = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 480 } })
      if (this.ended) return local.getTracks().forEach((t) => t.stop())
      this.set({ local })
    } catch {
      // No camera, no permission, or no secure address: still join to see and hear.
      this.set({ noMedia: true })
    }
    if (this.ended) return
    this.stops.push(live.subscribe({ topic: 'consult', consult: this.consult }))
    this.stops.push(live.listen((m) => { if (m.op === 'signal' && m.consult === this.consult) void this.receive(m.data as Signal) }))
    this.send({ kind: this.side === 'clinician' ? 'hello' : 'ready' })
  }

  end(): void {
    this.ended = true
    for (const stop of this.stops) stop()
    this.pc?.close()
    this.view.local?.getTracks().forEach((t) => t.stop())
  }

  toggle(what: 'mic' | 'cam'): void {
    const on = !this.view[what]
    const tracks = what === 'mic' ? this.view.local?.getAudioTracks() : this.view.local?.getVideoTracks()
    tracks?.forEach((t) => { t.enabled = on })
    this.set({ [what]: on })
  }

  private send(s: Signal): void { live.signal(this.consult, s) }

  private set(v: Partial<CallView>): void {
    this.view = { ...this.view, ...v }
    this.changed()
  }

  private open(): RTCPeerConnection {
    this.pc?.close()
    this.early = []
    const pc = new RTCPeerConnection({ iceServers: this.ice })
    this.pc = pc
    pc.onicecandidate = (e) => { if (e.candidate) this.send({ kind: 'candidate', candidate: e.candidate.toJSON() }) }
    pc.ontrack = (e) => this.set({ remote: e.streams[0] ?? new MediaStream([e.track]) })
    pc.onconnectionstatechange = () => {
      if (pc !== this.pc) return
      if (pc.connectionState === 'connected') this.set({ state: 'connected' })
      if (pc.connectionState === 'failed' || pc.connectionState === 'disconnected') {
        this.set({ state: 'lost' })
        if (pc.connectionState === 'failed') this.send({ kind: this.side === 'clinician' ? 'hello' : 'ready' })
      }
    }
    const { local } = this.view
    if (local) for (const t of local.getTracks()) pc.addTrack(t, local)
    else if (this.side === 'clinician') for (const kind of ['audio', 'video'] as const) pc.addTransceiver(kind, { direction: 'recvonly' })
    this.set({ state: 'connecting' })
    return pc
  }

  private async receive(s: Signal): Promise<void> {
    if (this.ended) return
    if (s.kind === 'hello' && this.side === 'patient') return this.send({ kind: 'ready' })
    if (s.kind === 'ready' && this.side === 'clinician') return this.offer()
    if (s.kind === 'description') return this.describe(s.description)
    if (s.kind === 'candidate') {
      if (this.pc?.remoteDescription) await this.pc.addIceCandidate(s.candidate).catch(() => undefined)
      else this.early.push(s.candidate)
    }
  }

  private async offer(): Promise<void> {
    const pc = this.open()
    await pc.setLocalDescription()
    this.send({ kind: 'description', description: pc.localDescription!.toJSON() as RTCSessionDescriptionInit })
  }

  private async describe(d: RTCSessionDescriptionInit): Promise<void> {
    if (d.type === 'offer' && this.side === 'clinician') return
    const pc = d.type === 'offer' ? this.open() : this.pc
    if (!pc) return
    await pc.setRemoteDescription(d)
    for (const c of this.early.splice(0)) await pc.addIceCandidate(c).catch(() => undefined)
    if (d.type !== 'offer') return
    await pc.setLocalDescription()
    this.send({ kind: 'description', description: pc.localDescription!.toJSON() as RTCSessionDescriptionInit })
  }
}
