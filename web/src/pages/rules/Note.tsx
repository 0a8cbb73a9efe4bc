import { Link } from '@tanstack/react-router'
import { splitNote } from '../../rule/steps'
import { rules as t } from '../../text/en'
import css from './NextStep.module.css'

// Note is what somebody gave as the reason, with the way to the replay that goes with it.
export function Note({ note }: { note: string }) {
  const { text, replay } = splitNote(note)
  if (!text && !replay) return null
  return <p className={css.note}>{text}{replay && <Link to="/rules/replays/$id" params={{ id: replay }}>{t.withReplay}</Link>}</p>
}
