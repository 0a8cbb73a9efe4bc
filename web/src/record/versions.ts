import { element, list, refOf, str, updatedOf, versionOf, type Json, type Resource } from './fhir'
import { agents, author } from './read'

// Version is one entry of a resource's history. A deleted version has no resource; who is "" when nothing names a person.
export interface Version { id: string; at: string; what: 'created' | 'changed' | 'deleted'; who: string; resource?: Resource }

const verbs: Record<string, Version['what']> = { POST: 'created', DELETE: 'deleted' }

// versionsOf reads the entries of history bundles, newest first. Who made a version is told by a Provenance that targets it, or
// else by the entry itself, or at last by whom its own elements name as author.
export function versionsOf(entries: Json[], provenance: Resource[]): Version[] {
  return entries.map((e) => {
    const { request, response, resource } = element(e)
    const r = resource as Resource | undefined
    const id = /"([^"]+)"/.exec(str(element(response).etag))?.[1] ?? (r ? versionOf(r) : '')
    const what = verbs[str(element(request).method)] ?? (id === '1' ? 'created' : 'changed')
    const source = provenance.find((p) => list(p.target).some((t) => r && str(element(t).reference) === `${refOf(r)}/_history/${id}`))
    const written = list(element(response).extension).map(element).find((x) => x.url === 'urn:vigil:author')
    const writer = written ? str(element(written.valueReference).display) : ''
    return { id, what, at: str(element(response).lastModified) || (r ? updatedOf(r) : ''), who: source ? agents(source) : writer || (r ? author(r) : ''), resource: r }
  })
}
