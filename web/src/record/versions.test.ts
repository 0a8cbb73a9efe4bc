import { expect, it } from 'vitest'
import type { Json, Resource } from './fhir'
import { versionsOf } from './versions'

const entry = (method: string, version: string, resource?: Json): Json => ({ request: { method, url: 'Condition/c' }, response: { etag: `W/"${version}"`, lastModified: `2026-01-0${version}T00:00:00Z` }, ...(resource ? { resource } : {}) })
const condition = (version: string, by?: string): Json => ({ resourceType: 'Condition', id: 'c', meta: { versionId: version }, ...(by ? { recorder: { display: by } } : {}) })

it('names version, time, deed and person', () => {
  const provenance: Resource = { resourceType: 'Provenance', id: 'p', target: [{ reference: 'Condition/c/_history/2' }], agent: [{ who: { display: 'Dr Lund' } }] }
  expect(versionsOf([entry('DELETE', '3'), entry('PUT', '2', condition('2', 'Dr Reyes')), entry('POST', '1', condition('1', 'Dr Reyes'))], [provenance]).map(({ resource: _, ...v }) => v)).toEqual([
    { id: '3', at: '2026-01-03T00:00:00Z', what: 'deleted', who: '' },
    { id: '2', at: '2026-01-02T00:00:00Z', what: 'changed', who: 'Dr Lund' },
    { id: '1', at: '2026-01-01T00:00:00Z', what: 'created', who: 'Dr Reyes' },
  ])
})

it('takes the writer that the entry names', () => {
  const e = { ...(entry('PUT', '1', condition('1', 'Dr Reyes')) as object), response: { etag: 'W/"1"', extension: [{ url: 'urn:vigil:author', valueReference: { display: 'Dr Kim' } }] } } as Json
  expect(versionsOf([e], [])[0]).toMatchObject({ who: 'Dr Kim' })
})

it('does not credit one version with the author of another', () => {
  const provenance: Resource = { resourceType: 'Provenance', id: 'p', target: [{ reference: 'Condition/c/_history/12' }], agent: [{ who: { display: 'Dr Lund' } }] }
  expect(versionsOf([entry('PUT', '1', condition('1'))], [provenance])[0]).toMatchObject({ what: 'created', who: '' })
})
