import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Trend } from '../api/types'
import { clock, day } from '../lib/format'
import { signalOf } from '../lib/signals'
import { useTheme } from '../lib/theme'
import css from './TrendChart.module.css'

export interface TrendChartProps {
  trend: Trend
  height?: number
  label: string
  limit?: { metric: string; side: 'low' | 'high'; value: number; text: string } // the limit of the open alarm, shaded
}

// table turns series of their own times into uPlot's one time column. Gaps stay gaps: a line across them would invent data.
export function table(trend: Trend): uPlot.AlignedData {
  const tables = trend.series.map((s): uPlot.AlignedData => {
    const t: number[] = []
    const v: (number | null)[] = []
    let gap = 0
    for (const [ms, mean] of s.points) {
      while (gap < s.gaps.length && s.gaps[gap]![0] <= ms) { t.push(s.gaps[gap]![0] / 1000); v.push(null); gap++ }
      t.push(ms / 1000)
      v.push(mean)
    }
    return [t, v] as unknown as uPlot.AlignedData
  })
  return tables.length === 0 ? [[]] as unknown as uPlot.AlignedData : uPlot.join(tables, tables.map(() => [2]))
}

// TrendChart is a line chart with the limits and events of its time.
export function TrendChart({ trend, height = 230, label, limit }: TrendChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const theme = useTheme()
  useEffect(() => {
    const el = box.current!
    const plot = new uPlot(options(el, trend, height, limit), table(trend), el)
    const observer = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: el.clientHeight || height }))
    observer.observe(el)
    return () => { observer.disconnect(); plot.destroy() }
  }, [trend, height, theme, limit])
  return <div ref={box} className={css.chart} style={{ minHeight: height }} role="img" aria-label={label} />
}

// tick names hours within a day and a half, days beyond.
const tick = (ms: number, span: number): string => (span > 36 * 3_600_000 && new Date(ms).getHours() === 0 ? day(ms) : clock(ms))

function options(el: HTMLElement, trend: Trend, height: number, limit: TrendChartProps['limit']): uPlot.Options {
  const style = getComputedStyle(el)
  const v = (name: string) => style.getPropertyValue(name).trim()
  const font = `12px ${v('--font')}`
  const axis = { stroke: v('--t2'), font, ticks: { stroke: v('--line2'), width: 1, size: 6 }, grid: { stroke: v('--line'), width: 1 } }
  return {
    width: el.clientWidth || 600, height: el.clientHeight || height, legend: { show: false }, cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true, range: [trend.from_ms / 1000, trend.to_ms / 1000] } },
    axes: [
      { ...axis, values: (_u, ticks) => ticks.map((t) => tick(t * 1000, trend.to_ms - trend.from_ms)), space: 90, size: 26 },
      { ...axis, size: 40, grid: { show: true, stroke: v('--line'), width: 0.5 } },
    ],
    series: [{}, ...trend.series.map((s) => ({ label: s.label, stroke: v(`--sig-${signalOf(s.metric)}`), width: 1.800, points: { show: false }, spanGaps: true }))],
    padding: [22, 12, 0, 0],
    hooks: { drawClear: [(u) => band(u, limit, v('--font'))], draw: [(u) => events(u, trend, v)] },
  }
}

// band shades what lies beyond the alarm's limit.
function band(u: uPlot, limit: TrendChartProps['limit'], font: string): void {
  if (!limit) return
  const { ctx, bbox } = u
  const y = Math.min(bbox.top + bbox.height, Math.max(bbox.top, u.valToPos(limit.value, 'y', true)))
  ctx.save()
  ctx.fillStyle = 'rgba(216,16,44,0.16)'
  if (limit.side === 'low') ctx.fillRect(bbox.left, y, bbox.width, bbox.top + bbox.height - y)
  else ctx.fillRect(bbox.left, bbox.top, bbox.width, y - bbox.top)
  ctx.strokeStyle = '#e0566a'
  ctx.setLineDash([6, 4])
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  ctx.fillStyle = '#ff9fb0'
  ctx.font = `600 ${11 * devicePixelRatio}px ${font}`
  ctx.fillText(limit.text, bbox.left + 6, y - 5)
  ctx.restore()
}

function events(u: uPlot, trend: Trend, v: (name: string) => string): void {
  const { ctx, bbox } = u
  const colours = { medication: v('--sig-temp'), lab: v('--sig-resp'), note: v('--t2'), alarm: '#ff6b7c' }
  ctx.save()
  ctx.font = `600 ${11 * devicePixelRatio}px ${v('--font')}`
  let free = 0
  for (const e of [...trend.events].sort((a, b) => a.time_ms - b.time_ms)) {
    const x = u.valToPos(e.time_ms / 1000, 'x', true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.strokeStyle = ctx.fillStyle = colours[e.kind]
    ctx.setLineDash([2 * devicePixelRatio, 2 * devicePixelRatio])
    ctx.lineWidth = 1.5 * devicePixelRatio
    ctx.beginPath()
    ctx.moveTo(x, bbox.top - 2)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    const width = ctx.measureText(e.text).width
    ctx.textAlign = x > bbox.left + bbox.width * 0.9 ? 'right' : 'left'
    const left = ctx.textAlign === 'right' ? x + 4 - width : x - 2
    // Where there is no room the line stands alone; the words are in the record.
    if (left > free) ctx.fillText(e.text, ctx.textAlign === 'right' ? x + 4 : x - 2, bbox.top - 6)
    free = Math.max(free, left + width + 6)
  }
  ctx.restore()
}
