import { FlaskConical } from 'lucide-react'
import type { Priority } from '../../api/types'
import type { State } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Chip, type Tone } from '../../ui/Chip'
import { PriorityGlyph } from '../../ui/Glyph'

const tones: Record<State | 'off', Tone> = { draft: 'plain', proposed: 'caution', approved: 'use', shadow: 'use', live: 'good', retired: 'plain', off: 'plain' }

export const StateChip = ({ state, off }: { state: State; off?: boolean }) => {
  const s = off ? 'off' : state
  return <Chip tone={tones[s]} icon={s === 'shadow' ? <FlaskConical size={12} aria-hidden /> : undefined}>{t.states[s]}</Chip>
}

// RulePriority is the glyph of the alarm a rule would raise. Nothing alarms here, so its colour stays muted.
export const RulePriority = ({ priority, size = 18 }: { priority: Priority; size?: number }) => <span style={{ color: 'var(--t2)', display: 'inline-grid' }}><PriorityGlyph priority={priority} size={size} ink="var(--bg1)" /></span>
