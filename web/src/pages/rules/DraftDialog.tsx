import { useState } from 'react'
import { compose, useDraft } from '../../rule/door'
import { refusal, withReplay } from '../../rule/steps'
import type { Form } from '../../rule/types'
import { common, rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { AreaField } from '../../ui/Field'
import { toast } from '../../ui/toast'
import css from './Editor.module.css'

export interface DraftSource { form?: Form; tests?: string; text?: string; off?: string; replay?: string; ruleKey?: string }

// DraftDialog writes a version, as a draft or proposed at once: from the editor, from a replay's text, or to switch a rule off.
export function DraftDialog({ form, tests = '', text, off, replay, ruleKey, propose, title, words, onClose, onDone }: DraftSource & {
  propose: boolean; title?: string; words?: string; onClose: () => void; onDone: (key: string) => void
}) {
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<string>()
  const draft = useDraft(form?.key ?? off ?? ruleKey)
  const send = async () => {
    if (note.trim() === '') return setFault(t.noteMust)
    setBusy(true)
    try {
      const v = await draft.mutateAsync({ text: off ? undefined : text ?? await compose(form!, tests), off, note: withReplay(note, replay), propose })
      toast(propose ? t.proposed(v.version) : t.saved(v.version))
      onClose()
      onDone(v.key)
    } catch (e) {
      setFault(refusal(e, propose ? 'propose' : 'draft'))
      setBusy(false)
    }
  }
  return (
    <Dialog title={title ?? (propose ? t.proposeTitle : t.saveTitle)} onClose={onClose} actions={<><Button onClick={onClose}>{common.cancel}</Button><Button kind="primary" busy={busy} onClick={() => void send()}>{propose ? t.propose : t.save}</Button></>}>
      {(words ?? propose) && <p className={css.soft}>{words ?? t.proposeText}</p>}
      <AreaField label={t.note} hint={t.noteHint} value={note} autoFocus onChange={(e) => { setNote(e.target.value); setFault(undefined) }} fault={fault} />
    </Dialog>
  )
}
