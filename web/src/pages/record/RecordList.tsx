import { Link } from '@tanstack/react-router'
import { Search } from 'lucide-react'
import { useEffect, useMemo, useRef, type KeyboardEvent, type RefObject } from 'react'
import { useGroup } from '../../record/door'
import { refOf, type Resource } from '../../record/fhir'
import { groups, type Group } from '../../record/groups'
import { matches, read, wordsOf } from '../../record/read'
import { dateText } from '../../record/values'
import { record as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import css from './RecordList.module.css'

interface Props {
  patient: string; open?: string; query: string; setQuery: (q: string) => void
  search: RefObject<HTMLInputElement | null>; list: RefObject<HTMLDivElement | null>; onSearchKey: (e: KeyboardEvent<HTMLInputElement>) => void
}

type Loaded = ReturnType<typeof useGroup>

// RecordList shows the groups in reading order. The groups are fixed, so each may ask for its own pages.
export function RecordList({ patient, open, query, setQuery, search, list, onSearchKey }: Props) {
  const loaded = groups.map((g) => useGroup(patient, g))
  const shown = useFound(loaded, query)
  const total = loaded.reduce((n, g) => n + g.resources.length, 0)
  const hits = shown.reduce((n, l) => n + l.length, 0)
  const partial = loaded.some((g) => g.hasNextPage)
  const searching = query.trim() !== ''
  return (
    <nav className={css.side} aria-label={t.entries}>
      <div className={css.find}>
        <Search size={15} aria-hidden />
        <input ref={search} type="search" className={css.input} value={query} placeholder={t.find} aria-label={t.find} aria-describedby="record-hint" onChange={(e) => setQuery(e.target.value)} onKeyDown={onSearchKey} />
        <kbd className={css.key} aria-hidden="true">/</kbd>
      </div>
      <p id="record-hint" className={searching ? css.hint : 'sr'} role="status">{searching && `${t.hits(hits)}. `}{t.findHint(total, partial)}</p>
      <div ref={list} className={css.groups}>
        {searching && hits === 0 && loaded.every((g) => !g.isPending) && <Empty title={t.noHit} text={t.noHitText} />}
        {groups.map((g, i) => (searching && shown[i]!.length === 0 ? null : <GroupSection key={g.key} group={g} loaded={loaded[i]!} shown={shown[i]!} patient={patient} open={open} />))}
      </div>
    </nav>
  )
}

// useFound keeps what the search finds of each group; the words of an entry are gathered once.
function useFound(loaded: Loaded[], query: string): Resource[][] {
  const words = useMemo(() => new WeakMap<Resource, string>(), [])
  const wordsFor = (r: Resource): string => {
    const known = words.get(r) ?? wordsOf(r)
    words.set(r, known)
    return known
  }
  const q = query.trim()
  return loaded.map((g) => (q === '' ? g.resources : g.resources.filter((r) => matches(wordsFor(r), q))))
}

function GroupSection({ group, loaded: g, shown, patient, open }: { group: Group; loaded: Loaded; shown: Resource[]; patient: string; open?: string }) {
  const title = t.groups[group.key]
  return (
    <section className={css.group} aria-labelledby={'group-' + group.key}>
      <h2 id={'group-' + group.key}>{title}{!g.isPending && !g.isError && <span className={css.count}>{t.count(g.resources.length, g.total, g.hasNextPage)}</span>}</h2>
      {g.isError ? <ErrorPanel error={g.error} what={title} retry={() => void g.refetch()} /> : g.isPending ? <Skeleton lines={2} /> : shown.length === 0 ? <p className={css.empty}>{t.empty}</p> : (
        <ul>{shown.map((r) => <Entry key={refOf(r)} resource={r} patient={patient} open={open === refOf(r)} />)}</ul>
      )}
      {g.hasNextPage && <Button size="small" data-more aria-label={`${t.more}: ${title}`} className={css.more} busy={g.isFetchingNextPage} onClick={() => void g.fetchNextPage()}>{g.isFetchingNextPage ? t.loadingMore : t.more}</Button>}
    </section>
  )
}

function Entry({ resource: r, patient, open }: { resource: Resource; patient: string; open: boolean }) {
  const { title, text, date, status } = useMemo(() => read(r), [r])
  const line = useRef<HTMLLIElement>(null)
  useEffect(() => { if (open) line.current?.scrollIntoView({ block: 'nearest' }) }, [open])
  return (
    <li ref={line} className={css.line}>
      <Link to="/patients/$id/record" params={{ id: patient }} search={{ r: refOf(r) } as never} className={css.entry} data-entry={refOf(r)} aria-current={open ? 'true' : undefined}>
        <span className={css.what}><span className={css.title}>{title}</span><span className={css.text}>{text}</span></span>
        <span className={css.when}>{date && <time>{dateText(date)}</time>}<span>{status}</span></span>
      </Link>
    </li>
  )
}
