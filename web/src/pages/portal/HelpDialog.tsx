import { useMutation } from '@tanstack/react-query'
import { post } from '../../api/client'
import { problem } from '../../api/queries'
import { portal as t } from '../../text/en'
import { Dialog } from '../../ui/Dialog'
import { toast } from '../../ui/toast'
import css from './HelpDialog.module.css'

type Kind = 'help' | 'pain' | 'toilet'

// HelpDialog is the second step: a call cannot be made by a slip of the thumb.
export function HelpDialog({ onClose }: { onClose: () => void }) {
  const call = useMutation({ mutationFn: (kind: Kind) => post('/calls', { kind }), onSuccess: () => { toast(t.helpSent); onClose() }, onError: problem })
  return (
    <Dialog title={t.helpTitle} onClose={onClose}>
      <p className={css.text}>{t.helpText}</p>
      <button type="button" className={css.yes} disabled={call.isPending} onClick={() => call.mutate('help')}>{t.helpYes}</button>
      <button type="button" className={css.other} disabled={call.isPending} onClick={() => call.mutate('pain')}>{t.pain}</button>
      <button type="button" className={css.other} disabled={call.isPending} onClick={() => call.mutate('toilet')}>{t.toilet}</button>
      <button type="button" className={css.other} onClick={onClose}>{t.helpNo}</button>
    </Dialog>
  )
}
