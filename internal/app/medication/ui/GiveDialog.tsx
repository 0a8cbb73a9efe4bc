import { Button, clock, Dialog } from '@vigil/ui'
import type { Dose } from './api'
import { text as t } from './text'

// GiveDialog is the last look before a dose is recorded as given.
export function GiveDialog({ dose, busy, onGive, onClose }: { dose: Dose; busy: boolean; onGive: () => void; onClose: () => void }) {
  return (
    <Dialog title={t.giveTitle(`${dose.medication} ${dose.dose}`)} onClose={onClose} actions={<><Button onClick={onClose}>{t.cancel}</Button><Button kind="primary" busy={busy} onClick={onGive} autoFocus>{t.give}</Button></>}>
      <p>{t.due} {clock(dose.due_ms)}. {t.giveText}</p>
    </Dialog>
  )
}
