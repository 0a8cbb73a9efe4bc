import { useEffect } from 'react'
import { isAcked, pausedFor, rank } from '../alarm/model'
import { sound } from '../alarm/sound'
import { useAttention, useWard } from '../api/queries'
import type { Priority } from '../api/types'
import { useUnit } from '../lib/unit'
import { useTopic, useBeat } from '../live/hooks'

// useAlarmSound sounds the most urgent alarm of the unit that nobody has acknowledged and whose sound is not paused.
export function useAlarmSound(): void {
  const unit = useUnit()
  useTopic({ topic: 'attention' })
  const { data } = useAttention(undefined)
  useWard(unit)
  const now = useBeat()
  let top: Priority = 'none'
  for (const i of data?.open ?? []) {
    const a = i.alarm
    if (a && !isAcked(a) && pausedFor(a, now) === 0 && rank[a.priority] > rank[top]) top = a.priority
  }
  useEffect(() => sound.demand(top), [top])
}
