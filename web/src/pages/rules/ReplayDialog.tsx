import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useUnits } from '../../api/queries'
import { compose, useStartReplay } from '../../rule/door'
import { refusal } from '../../rule/steps'
import type { Form } from '../../rule/types'
import { common, rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { TextField } from '../../ui/Field'
import { Segmented } from '../../ui/Segmented'
import { Toggles } from './slots'
import css from './Editor.module.css'

const usual = ['1', '7', '30', '90']

// ReplayDialog asks over which days and whose telemetry the rule is played.
export function ReplayDialog({ form, tests, onClose }: { form: Form; tests: string; onClose: () => void }) {
  const navigate = useNavigate()
  const { data: units } = useUnits()
  const [days, setDays] = useState('30')
  const [chosen, setChosen] = useState<string[]>([])
  const [note, setNote] = useState('')
  const [fault, setFault] = useState<string>()
  const [busy, setBusy] = useState(false)
  const start = useStartReplay()
  const go = async () => {
    const n = Number(days)
    if (!Number.isInteger(n) || n < 1 || n > 366) return setFault(t.daysHint)
    setBusy(true)
    try {
      const r = await start.mutateAsync({ text: await compose(form, tests), days: n, units: chosen, note: note.trim() })
      onClose()
      void navigate({ to: '/rules/replays/$id', params: { id: r.id } })
    } catch (e) {
      setFault(refusal(e, 'replay'))
      setBusy(false)
    }
  }
  return (
    <Dialog title={t.replayAsk} wide onClose={onClose} actions={<><Button onClick={onClose}>{common.cancel}</Button><Button kind="primary" busy={busy} onClick={() => void go()}>{t.start}</Button></>}>
      <p className={css.soft}>{t.replayText}</p>
      <div className={css.row}><Segmented label={t.days} options={usual.map((value) => ({ value, label: value }))} value={days} onChange={setDays} /></div>
      <TextField label={t.days} hint={t.daysHint} inputMode="numeric" value={days} fault={fault} onChange={(e) => { setDays(e.target.value); setFault(undefined) }} />
      <div><p className={css.soft}>{t.unitsLabel}{chosen.length === 0 && `: ${t.unitsAll}`}</p><Toggles label={t.unitsLabel} options={(units ?? []).map((u) => [u.id, u.name])} value={chosen} onChange={setChosen} /></div>
      <TextField label={t.replayNote} value={note} onChange={(e) => setNote(e.target.value)} />
    </Dialog>
  )
}
