import { useEffect, useRef } from 'react'
import { useTheme } from '../lib/theme'
import { vitals } from '../live/vitals'
import { signalOf, type Signal } from '../lib/signals'
import { PX_PER_S, runSweep, Sweep } from './sweep'
import css from './WaveStrip.module.css'

export interface WaveStripProps {
  patient: string
  metric: string
  scale?: number // 1 is 25 mm/s; tiles draw at 2/3 of the size
  line?: number
  label?: string
}

// Least vertical spans in the wave's own unit: below them a trace is quiet, not to be blown up into noise.
const minSpan: Partial<Record<Signal, number>> = { ecg: 1.2, bp: 40 }

// WaveStrip is one sweeping waveform. It is a picture to a screen reader: the numbers beside it carry the facts.
export function WaveStrip({ patient, metric, scale = 1, line = 1.6, label }: WaveStripProps) {
  const ref = useRef<HTMLCanvasElement>(null)
  const theme = useTheme()
  useEffect(() => {
    const canvas = ref.current!
    const signal = signalOf(metric)
    const colour = getComputedStyle(canvas).getPropertyValue(`--sig-${signal}`).trim()
    // Breathing is slow: half the speed shows whole breaths.
    const speed = PX_PER_S * scale * (signal === 'resp' ? 0.5 : 1)
    const sweep = new Sweep(canvas, () => vitals.getWave(patient, metric), { colour, speed, line, minSpan: minSpan[signal] ?? 0 })
    const observer = new ResizeObserver(() => sweep.resize())
    observer.observe(canvas)
    sweep.resize()
    const sight = new IntersectionObserver(([e]) => { sweep.visible = e!.isIntersecting })
    sight.observe(canvas)
    const stop = runSweep(sweep)
    return () => { stop(); observer.disconnect(); sight.disconnect() }
  }, [patient, metric, scale, line, theme])
  return <canvas ref={ref} className={css.strip} role="img" aria-label={label ?? metric} />
}
