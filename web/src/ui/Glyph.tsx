import type { Priority } from '../api/types'

const words: Record<Priority, string> = { high: 'High priority', medium: 'Medium priority', low: 'Low priority', none: 'No priority' }

// PriorityGlyph: octagon with three marks, triangle with two, disc with one, so that shape and count rank without colour.
export function PriorityGlyph({ priority, size = 16, ink, fill = 'currentColor', title = true }: {
  priority: Priority; size?: number; ink: string; fill?: string; title?: boolean
}) {
  const label = title ? { role: 'img', 'aria-label': words[priority] } : { 'aria-hidden': true }
  const bar = (x: number, top = 6) => (
    <g key={x} fill={ink}>
      <rect x={x - 1.1} y={top} width="2.2" height={15 - top - 2.2} rx="0.6" />
      <circle cx={x} cy="17" r="1.35" />
    </g>
  )
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" {...label}>
      {priority === 'high' && <><path fill={fill} d="M7.5 1h9L23 7.500v9L16.500 23h-9L1 16.500v-9z" />{[7.5, 12, 16.500].map((x) => bar(x))}</>}
      {priority === 'medium' && <><path fill={fill} d="M12 1.500 23.500 22H.5z" />{[9.800, 14.200].map((x) => bar(x, 9.500))}</>}
      {(priority === 'low' || priority === 'none') && <><circle cx="12" cy="12" r="11" fill={fill} />{bar(12)}</>}
    </svg>
  )
}
