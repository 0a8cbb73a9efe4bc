import { useAlarmAction } from '../api/queries'
import type { Alarm } from '../api/types'
import { central as t, common } from '../text/en'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { headline } from './model'

// EscalateDialog asks once before the next step of the chain is paged early.
export function EscalateDialog({ alarm, onClose }: { alarm: Alarm; onClose: () => void }) {
  const act = useAlarmAction()
  const go = () => act.mutate({ alarm: alarm.id, action: 'escalate' }, { onSettled: onClose })
  return (
    <Dialog title={t.escalateTitle} onClose={onClose} actions={<><Button onClick={onClose}>{common.cancel}</Button><Button kind="primary" busy={act.isPending} onClick={go} autoFocus>{t.escalateDo}</Button></>}>
      <p>{alarm.patient?.name} · {headline(alarm)}</p>
      <p>{t.escalateText(alarm.next?.text ?? '–')}</p>
    </Dialog>
  )
}
