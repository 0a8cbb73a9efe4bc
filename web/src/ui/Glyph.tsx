import type { Priority } from '../api/types'

const words: Record<Priority, string> = { high: 'High priority', medium: 'Medium priority', low: 'Low priority', none: 'No priority' }

// PriorityGlyph: octagon with three marks, triangle with two, disc with one, so that shape and count rank without colour.
export function PriorityGlyph({ priority, size = 16, ink, fill = 'currentColor', title = true }: {
  priority: Priority; size?: number; ink: string; fill?: string; title?: boolean
}) {
  const label = title ? { role: 'img', 'aria-label': words[priority] } : { 'aria-hidden': true }
  const mark = (x: number, top: number, foot: number) => (
    <g key={x} fill={ink}>
      <rect x={x - 1.2} y={top} width="2.4" height={foot - top - 4.4} rx="0.8" />
      <circle cx={x} cy={foot - 1.3} r="1.5" />
    </g>
  )
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" {...label}>
      {priority === 'high' && <><path fill={fill} d="M7.5 1h9L23 7.500v9L16.500 23h-9L1 16.500v-9z" />{[7.5, 12, 16.500].map((x) => mark(x, 5.5, 18.5))}</>}
      {priority === 'medium' && <><path fill={fill} d="M12 1 23.8 22.5H.2z" />{[9.7, 14.3].map((x) => mark(x, 9, 20))}</>}
      {(priority === 'low' || priority === 'none') && <><circle cx="12" cy="12" r="11" fill={fill} />{mark(12, 5, 19)}</>}
    </svg>
  )
}
