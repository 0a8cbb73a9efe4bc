import { useState } from 'react'
import { useUser } from '../../api/queries'
import { useStep } from '../../rule/door'
import { needsNote, refusal } from '../../rule/steps'
import type { Action, Version } from '../../rule/types'
import { common, rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { AreaField } from '../../ui/Field'
import { toast } from '../../ui/toast'
import css from './Editor.module.css'

// StepDialog takes a version one step on, with the reason that is kept for good.
export function StepDialog({ ruleKey, version, action, onClose }: { ruleKey: string; version: Version; action: Action; onClose: () => void }) {
  const user = useUser()
  const step = useStep(ruleKey)
  const [note, setNote] = useState('')
  const [fault, setFault] = useState<string>()
  const must = needsNote(action)
  const go = () => {
    if (must && note.trim() === '') return setFault(t.reasonMust)
    step.mutate({ action, version: version.version, note: note.trim() }, { onSuccess: () => { toast(t.done[action]); onClose() }, onError: (e) => setFault(refusal(e, action, version, user)) })
  }
  return (
    <Dialog title={t.actionTitles[action]} onClose={onClose} actions={<><Button onClick={onClose}>{common.cancel}</Button><Button kind={action === 'retire' || action === 'rollback' ? 'danger' : 'primary'} busy={step.isPending} onClick={go}>{t.actions[action]}</Button></>}>
      <p><b>{t.version(version.version)}</b></p>
      <p className={css.soft}>{t.actionTexts[action]}</p>
      <AreaField label={must ? t.reason : t.reasonOptional} value={note} autoFocus fault={fault} onChange={(e) => { setNote(e.target.value); setFault(undefined) }} />
    </Dialog>
  )
}
