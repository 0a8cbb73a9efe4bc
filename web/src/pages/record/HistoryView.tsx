import { useMemo, useState } from 'react'
import { diff, type Change } from '../../record/diff'
import { useVersions } from '../../record/door'
import { isElement, nameOf, refOf, type Json, type Resource } from '../../record/fhir'
import { isReading } from '../../record/groups'
import { dateText, valueText } from '../../record/values'
import type { Version } from '../../record/versions'
import { record as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Chip, type Tone } from '../../ui/Chip'
import { SelectField } from '../../ui/Field'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import css from './HistoryView.module.css'

// HistoryView lists the versions with time and person, and compares two of them element by element.
export function HistoryView({ resource: r }: { resource: Resource }) {
  const stored = !isReading(refOf(r))
  const h = useVersions(r, stored)
  const [chosen, setChosen] = useState<{ older: string; newer: string }>()
  if (!stored) return <Empty title={t.noVersions} text={t.noVersionsText} />
  if (h.isError) return <ErrorPanel error={h.error} what={t.history} retry={() => void h.refetch()} />
  if (h.isPending) return <Skeleton lines={4} />
  const whole = h.versions.filter((v) => v.resource)
  const pair = chosen ?? { newer: whole[0]?.id ?? '', older: whole[1]?.id ?? '' }
  // A version is compared with the one before it, unless the reader takes another.
  const against = (v: Version) => setChosen({ newer: v.id, older: whole[whole.indexOf(v) + 1]?.id ?? v.id })
  return (
    <>
      <ol className={css.versions}>{h.versions.map((v) => (
        <li key={v.id}>
          <button type="button" className={css.version} disabled={!v.resource || whole.length < 2} aria-pressed={whole.length > 1 && v.id === pair.newer} onClick={() => against(v)}>
            <b>{t.version(v.id)}</b><span>{t.deeds[v.what]} {v.who ? t.by(v.who) : <span className={css.nobody}>· {t.nobody}</span>}</span><time>{dateText(v.at)}</time>
          </button>
        </li>
      ))}</ol>
      {h.hasNextPage && <Button size="small" busy={h.isFetchingNextPage} onClick={() => void h.fetchNextPage()}>{t.more}</Button>}
      {whole.length < 2 ? <p className={css.one}>{t.oneVersion}</p> : (
        <>
          <div className={css.pair}>
            <Choice label={t.older} versions={whole} value={pair.older} onChange={(older) => setChosen({ ...pair, older })} />
            <Choice label={t.newer} versions={whole} value={pair.newer} onChange={(newer) => setChosen({ ...pair, newer })} />
          </div>
          <Compared before={whole.find((v) => v.id === pair.older)?.resource} after={whole.find((v) => v.id === pair.newer)?.resource} />
        </>
      )}
    </>
  )
}

function Choice({ label, versions, value, onChange }: { label: string; versions: Version[]; value: string; onChange: (id: string) => void }) {
  return <SelectField label={label} value={value} onChange={(e) => onChange(e.target.value)}>{versions.map((v) => <option key={v.id} value={v.id}>{t.version(v.id)} · {dateText(v.at)}</option>)}</SelectField>
}

function Compared({ before, after }: { before?: Resource; after?: Resource }) {
  const changes = useMemo(() => (before && after ? diff(before, after) : []), [before, after])
  return (
    <section className={css.compared} aria-label={t.changes(changes.length)}>
      <h3 role="status">{changes.length === 0 ? t.same : t.changes(changes.length)}</h3>
      <ul>{changes.map((c) => <ChangeLine key={c.kind + c.path} change={c} />)}</ul>
    </section>
  )
}

const tones: Record<Change['kind'], Tone> = { added: 'good', removed: 'bad', changed: 'use' }
const signs: Record<Change['kind'], string> = { added: '+', removed: '−', changed: '→' }

function ChangeLine({ change: c }: { change: Change }) {
  return (
    <li className={css.change}>
      <div className={css.where}><Chip tone={tones[c.kind]}>{signs[c.kind]} {t.kinds[c.kind]}</Chip><b>{words(c.path)}</b><code>{c.path}</code></div>
      {c.before !== undefined && <div className={css.before}><span className="sr">{t.was} </span><del>{shown(c.before)}</del></div>}
      {c.after !== undefined && <div className={css.after}><span className="sr">{t.is} </span><ins>{shown(c.after)}</ins></div>}
    </li>
  )
}

const words = (path: string): string => path.split('.').map((part) => nameOf(part.replace(/\[\d+\]/g, ''))).join(' · ')

// shown is a value in words when these say all of it; else with its JSON, so that no difference hides behind equal words.
function shown(v: Json): string {
  const text = valueText(v)
  const said = (x: Json | undefined): boolean => (isElement(x) ? Object.values(x).every(said) : Array.isArray(x) ? x.every(said) : text.includes(String(x)))
  return said(v) ? text : [text, typeof v === 'object' ? JSON.stringify(v) : ''].filter(Boolean).join('\n')
}
