import { Link } from '@tanstack/react-router'
import { ArrowLeft } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import { stamp, useResource, type Stored } from '../../record/door'
import { nameOf, refOf, updatedOf, versionOf } from '../../record/fhir'
import { isReading } from '../../record/groups'
import { read, strangerOf } from '../../record/read'
import { dateText } from '../../record/values'
import { record as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Chip } from '../../ui/Chip'
import { Segmented } from '../../ui/Segmented'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { HistoryView } from './HistoryView'
import { ReadView } from './ReadView'
import { JSONView, XMLView } from './SourceView'
import css from './ResourcePane.module.css'

type View = keyof typeof t.views
const views = Object.keys(t.views) as View[]
const valid = /^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/

// ResourcePane shows the entry that the address names.
export function ResourcePane({ patient, open, onClose }: { patient: string; open?: string; onClose: () => void }) {
  return (
    <section className={css.pane} aria-label={t.resource}>
      {open === undefined ? <Empty title={t.choose} text={t.chooseText} /> : valid.test(open) ? <Opened patient={patient} open={open} onClose={onClose} /> : <Empty title={t.badLink} text={t.badLinkText} action={<Back onClose={onClose} />} />}
    </section>
  )
}

const Back = ({ onClose }: { onClose: () => void }) => <Button size="small" icon={<ArrowLeft size={15} aria-hidden />} className={css.back} onClick={onClose}>{t.close}</Button>

function Opened({ patient, open, onClose }: { patient: string; open: string; onClose: () => void }) {
  const { data, isError, error, refetch } = useResource(open, isReading(open))
  if (isError && !data) return <><div className={css.bar}><Back onClose={onClose} /></div><ErrorPanel error={error} what={open} retry={() => void refetch()} /></>
  if (!data) return <Skeleton lines={6} />
  const stranger = strangerOf(data.resource, patient)
  if (stranger) {
    const id = stranger.replace('Patient/', '')
    return <Empty title={t.stranger} text={t.strangerText} action={<><Link to="/patients/$id/record" params={{ id }} search={{ r: open } as never}>{t.strangerOpen}</Link><Back onClose={onClose} /></>} />
  }
  return <Shown patient={patient} stored={data} onClose={onClose} />
}

function Shown({ patient, stored, onClose }: { patient: string; stored: Stored; onClose: () => void }) {
  const { resource: r, json } = stored
  const [view, setView] = useState<View>('read')
  const heading = useRef<HTMLHeadingElement>(null)
  const changed = useChanged(patient, stored)
  // On a phone the entry takes the place of the list: the focus follows.
  useEffect(() => { if (window.matchMedia('(max-width: 899px)').matches) heading.current?.focus() }, [])
  const { title, text, date, status } = read(r)
  const version = versionOf(r)
  return (
    <>
      <header className={css.head}>
        <Back onClose={onClose} />
        <div className={css.name}><h2 ref={heading} tabIndex={-1}>{title}</h2>{text && text !== title && <p className={css.text}>{text}</p>}</div>
        <div className={css.marks}><Chip large>{nameOf(r.resourceType)}</Chip>{status && <Chip large tone="use">{status}</Chip>}{date && <time>{dateText(date)}</time>}</div>
        <p className={css.origin}>{isReading(refOf(r)) ? t.measured : [version && t.version(version), updatedOf(r) && t.stored(dateText(updatedOf(r)))].filter(Boolean).join(' · ')} <code>{refOf(r)}</code></p>
      </header>
      <div role="status">{changed && <p className={css.changed}>{t.changed(version)} {view !== 'history' && <Button size="small" onClick={() => setView('history')}>{t.seeChanges}</Button>}</p>}</div>
      <div className={css.bar}><Segmented label={t.view} options={views.map((value) => ({ value, label: t.views[value] }))} value={view} onChange={setView} /></div>
      <div className={css.body} data-view={view}>{content(view, patient, r, json)}</div>
    </>
  )
}

function content(view: View, patient: string, r: Stored['resource'], json: string) {
  switch (view) {
    case 'json': return <JSONView json={json} />
    case 'xml': return <XMLView resource={r} />
    case 'history': return <HistoryView key={stamp(r)} resource={r} />
    case 'read': return <ReadView patient={patient} resource={r} />
  }
}

// useChanged tells that another version has arrived since the entry was opened; the lists are read again, too.
function useChanged(patient: string, { resource }: Stored): boolean {
  const client = useQueryClient()
  const now = stamp(resource)
  const last = useRef(now)
  const [changed, setChanged] = useState(false)
  useEffect(() => {
    if (last.current === now) return
    last.current = now
    setChanged(true)
    void client.invalidateQueries({ queryKey: ['record-group', patient] })
  }, [now, client, patient])
  return changed
}
