import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { ApiError } from '../api/client'
import { element, list, str, updatedOf, versionOf, type Element, type Json, type Resource } from './fhir'
import type { Group } from './groups'
import { versionsOf } from './versions'

// The FHIR door, as the viewer asks it: same session cookie, OperationOutcome as error.

const PAGE = 50
const WATCH = 30_000 // how often an open resource is asked for a newer version

const kinds: Record<number, string> = { 400: 'invalid', 401: 'denied', 403: 'denied', 404: 'not_found', 410: 'not_found', 503: 'unavailable' }

async function fhir(path: string, accept = 'application/fhir+json'): Promise<string> {
  let res: Response
  try {
    res = await fetch('/fhir' + path, { credentials: 'same-origin', headers: { Accept: accept } })
  } catch {
    throw new ApiError(0, 'unavailable', 'The server cannot be reached.')
  }
  const text = await res.text()
  if (!res.ok) throw new ApiError(res.status, kinds[res.status] ?? 'internal', outcome(text) || `The server answered ${res.status}.`)
  return text
}

function outcome(text: string): string {
  try {
    return list((JSON.parse(text) as Element).issue).map((i) => str(element(i).diagnostics)).filter(Boolean).join(' ')
  } catch {
    return ''
  }
}

interface Bundle { entries: Json[]; total?: number; next?: string }

// page reads one page of a search or a history. Of the link to the next page only the cursor is taken: the host before it may
// be another one than the browser knows.
async function page(path: string, cursor: string): Promise<Bundle> {
  const sign = path.includes('?') ? '&' : '?'
  const b = JSON.parse(await fhir(`${path}${sign}_count=${PAGE}${cursor && `&_cursor=${encodeURIComponent(cursor)}`}`)) as Element
  const next = list(b.link).map(element).find((l) => l.relation === 'next')
  const at = next && new URL(str(next.url), window.location.href).searchParams.get('_cursor')
  return { entries: list(b.entry), total: typeof b.total === 'number' ? b.total : undefined, next: at || undefined }
}

const usePages = (queryKey: unknown[], path: string, enabled = true) => useInfiniteQuery({
  queryKey, enabled, initialPageParam: '', queryFn: ({ pageParam }) => page(path, pageParam), getNextPageParam: (last) => last.next,
})

export function useGroup(patient: string, group: Group) {
  const q = usePages(['record-group', patient, group.key], group.path(patient))
  const resources = (q.data?.pages ?? []).flatMap((p) => p.entries).map((e) => element(e).resource as Resource | undefined).filter((r) => r !== undefined)
  return { ...q, resources, total: q.data?.pages[0]?.total }
}

// Stored is a resource beside its JSON as the server wrote it.
export interface Stored { resource: Resource; json: string }

// useResource reads one resource and asks again while it is on screen; what cannot change is read once.
export const useResource = (ref: string, fixed: boolean) => useQuery({
  queryKey: ['record-resource', ref], refetchInterval: fixed ? false : WATCH, refetchOnMount: 'always',
  queryFn: async (): Promise<Stored> => { const json = await fhir('/' + ref); return { json, resource: JSON.parse(json) as Resource } },
})

export const stamp = (r: Resource): string => versionOf(r) + ' ' + updatedOf(r)

export const useXML = (r: Resource) => useQuery({ queryKey: ['record-xml', r.resourceType, r.id, stamp(r)], queryFn: () => fhir(`/${r.resourceType}/${r.id}`, 'application/fhir+xml') })

// useVersions reads a resource's history. Who made a version is a help only: without it the history stands all the same.
export function useVersions(r: Resource, enabled: boolean) {
  const ref = `${r.resourceType}/${r.id}`
  const q = usePages(['record-history', ref, stamp(r)], `/${ref}/_history`, enabled)
  const sources = useQuery({ queryKey: ['record-provenance', ref, stamp(r)], enabled, retry: false, queryFn: () => page(`/Provenance?target=${encodeURIComponent(ref)}`, '') })
  const provenance = (sources.data?.entries ?? []).map((e) => element(e).resource as Resource)
  return { ...q, versions: versionsOf((q.data?.pages ?? []).flatMap((p) => p.entries), provenance) }
}
