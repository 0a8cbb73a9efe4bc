import { useState } from 'react'
import type { Patient } from '../../api/types'
import { clock, date, time } from '../../lib/format'
import { useVitals } from '../../live/hooks'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { AreaField } from '../../ui/Field'
import { Empty } from '../../ui/State'
import { blocks } from '../central/readings'
import { pressure, value } from '../central/TileNumbers'
import { useThread, useWrite } from './queries'
import css from './NotesTab.module.css'

// NotesTab: short notes; the vitals of the moment are put in with one press, so that nobody copies numbers by hand.
export function NotesTab({ patient }: { patient: Patient }) {
  const { data = [] } = useThread(patient.id)
  const write = useWrite(patient.id)
  const [text, setText] = useState('')
  const b = blocks(useVitals(patient.id, undefined))
  const now = [`HR ${value(b.hr)}`, `${b.source} ${pressure(b.sys, b.dia)}`, `SpO₂ ${value(b.spo2)} %`, `RR ${value(b.rr)}`, `T ${value(b.temp)} °C`].join(', ')
  const notes = data.filter((m) => m.kind === 'note').reverse()
  return (
    <div className={css.columns}>
      <Card title={t.newNote}>
        <div className={css.form}>
          <AreaField label={t.newNote} rows={6} value={text} onChange={(e) => setText(e.target.value)} hint={now} />
          <div className={css.actions}>
            <Button onClick={() => setText((x) => (x ? x + '\n' : '') + now)}>{t.vitalsIn}</Button>
            <Button kind="primary" disabled={!text.trim()} busy={write.isPending} onClick={() => write.mutate({ text, kind: 'note' }, { onSuccess: () => setText('') })}>{t.saveNote}</Button>
          </div>
        </div>
      </Card>
      <Card title={t.notes}>
        {notes.length === 0 ? <Empty title={t.noNotes} text={t.noNotesText} /> : <ul className={css.list}>{notes.map((n) => <li key={n.id}><b>{n.by}</b> <time>{date(n.at)} {clock(time(n.at))}</time><p>{n.text}</p></li>)}</ul>}
      </Card>
    </div>
  )
}
