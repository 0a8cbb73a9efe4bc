import type { Alarm, AlarmStep } from '../api/types'
import { time } from '../lib/format'

// The line of steps of an alarm: what happened with its time, then what happens next and when.

export interface Step { key: string; title: string; at?: number; detail?: string; done: boolean; dueMs?: number; team?: string }

const titles: Record<string, string> = {
  raised: 'Raised', paged: 'Paged', seen: 'Seen', acknowledged: 'Acknowledged', passed_on: 'Passed on', escalated: 'Escalated',
  video_opened: 'Video opened', demoted: 'Made less urgent', promoted: 'Urgent again', resolved: 'Resolved', action: 'Acted',
  marked_true: 'Found real', marked_false: 'Found an artefact', marked_no_action: 'Needed no action',
}

const MAX_DONE = 4

export function alarmSteps(a: Alarm): Step[] {
  const steps: Step[] = []
  for (const h of a.history ?? []) add(steps, h)
  const shown = steps.length > MAX_DONE ? [steps[0]!, ...steps.slice(1 - MAX_DONE)] : steps
  if (a.state === 'resolved') return shown
  if (a.next && a.state !== 'acknowledged') {
    shown.push({ key: 'next', title: a.next.text, done: false, dueMs: time(a.next.at) })
  } else if (a.state !== 'acknowledged') shown.push({ key: 'ack', title: 'Acknowledge', done: false })
  else shown.push({ key: 'resolve', title: 'Resolved', done: false })
  return shown
}

// add folds "seen" into the page it answers: "Paged Dr Reyes, seen 14:31:41" is one step for the eye.
function add(steps: Step[], h: AlarmStep): void {
  const title = titles[h.what]
  if (!title) return // notes and sound pauses are in the history, not on the line
  const at = time(h.at)
  const last = steps.at(-1)
  if (h.what === 'seen' && last?.key.startsWith('paged')) {
    last.at = at
    last.detail = 'seen'
    return
  }
  // A page that follows its cause at once is one step: "Escalated to Dr Lee".
  if (h.what === 'paged' && last?.detail === undefined && /^(escalated|passed_on)/.test(last?.key ?? '') && Math.abs(at - (last?.at ?? 0)) < 3000) {
    last!.key = `paged-${h.at}`
    last!.team = h.text
    if (h.who) last!.title = `${titles[/^Passed/.test(last!.title) ? 'passed_on' : 'escalated']} to ${h.who}`
    return
  }
  // A team is paged person by person at one moment: it is one step, named by the team.
  if (h.what === 'paged' && h.text && last?.key.startsWith('paged') && last.team === h.text && Math.abs(at - (last.at ?? 0)) < 3000) {
    last.title = `${titles.paged} ${h.text.charAt(0).toLowerCase()}${h.text.slice(1)}`
    return
  }
  const name = h.who && h.what !== 'raised' ? `${title} ${h.who}` : title
  const who = h.what === 'paged' || h.what === 'escalated' || h.what === 'passed_on' ? name : title
  steps.push({ key: `${h.what}-${h.at}`, title: who, at, detail: h.what === 'acknowledged' ? h.who : undefined, done: true, team: h.what === 'paged' ? h.text : undefined })
}
