import { describe, expect, it } from 'vitest'
import { diff, type Change } from './diff'
import type { Json, Resource } from './fhir'

const patient = (rest: Record<string, Json>): Resource => ({ resourceType: 'Patient', id: 'sara', ...rest })

const cases: { name: string; before: Record<string, Json>; after: Record<string, Json>; want: Change[] }[] = [
  { name: 'equal, in another order', before: { gender: 'female', active: true }, after: { active: true, gender: 'female' }, want: [] },
  { name: 'the bookkeeping of a version', before: { meta: { versionId: '1', lastUpdated: '2026-01-01T00:00:00Z' } }, after: { meta: { versionId: '2', lastUpdated: '2026-01-02T00:00:00Z' } }, want: [] },
  { name: 'a tag beside it', before: { meta: { versionId: '1' } }, after: { meta: { versionId: '2', tag: [{ code: 'x' }] } }, want: [{ kind: 'added', path: 'meta', after: { tag: [{ code: 'x' }] } }] },
  { name: 'a primitive', before: { birthDate: '1972-03-12' }, after: { birthDate: '1972-03-21' }, want: [{ kind: 'changed', path: 'birthDate', before: '1972-03-12', after: '1972-03-21' }] },
  { name: 'another type of value', before: { deceasedBoolean: false }, after: { deceasedDateTime: '2026' }, want: [{ kind: 'removed', path: 'deceasedBoolean', before: false }, { kind: 'added', path: 'deceasedDateTime', after: '2026' }] },
  { name: 'false is a value', before: { active: true }, after: { active: false }, want: [{ kind: 'changed', path: 'active', before: true, after: false }] },
  { name: 'deep inside', before: { name: [{ family: 'Okafor', given: ['Sara'] }] }, after: { name: [{ family: 'Okafor', given: ['Sara', 'Ada'] }] }, want: [{ kind: 'added', path: 'name[0].given[1]', after: 'Ada' }] },
  { name: 'put in front', before: { x: ['b', 'c'] }, after: { x: ['a', 'b', 'c'] }, want: [{ kind: 'added', path: 'x[0]', after: 'a' }] },
  { name: 'taken from the middle', before: { x: ['a', 'b', 'c'] }, after: { x: ['a', 'c'] }, want: [{ kind: 'removed', path: 'x[1]', before: 'b' }] },
  { name: 'changed and grown', before: { x: ['a', 'b', 'z'] }, after: { x: ['a', 'B', 'C', 'z'] }, want: [{ kind: 'changed', path: 'x[1]', before: 'b', after: 'B' }, { kind: 'added', path: 'x[2]', after: 'C' }] },
  { name: 'changed and shrunk', before: { x: ['b', 'c', 'z'] }, after: { x: ['B', 'z', 'y'] }, want: [{ kind: 'changed', path: 'x[0]', before: 'b', after: 'B' }, { kind: 'removed', path: 'x[1]', before: 'c' }, { kind: 'added', path: 'x[2]', after: 'y' }] },
  { name: 'a list in place of a value', before: { x: 'a' }, after: { x: ['a'] }, want: [{ kind: 'changed', path: 'x', before: 'a', after: ['a'] }] },
]

describe('diff', () => {
  it.each(cases)('$name', ({ before, after, want }) => expect(diff(patient(before), patient(after))).toEqual(want))

  it('long lists are compared place by place', () => {
    const long = Array.from({ length: 1000 }, (_, i) => i)
    const other = long.with(500, -1)
    expect(diff(patient({ x: long }), patient({ x: other }))).toEqual([{ kind: 'changed', path: 'x[500]', before: 500, after: -1 }])
  })

  it('turned round, what was added is removed', () => {
    for (const { before, after } of cases) {
      const turn = { added: 'removed', removed: 'added', changed: 'changed' } as const
      const kinds = (l: Change[]) => l.map((c) => c.kind).sort()
      expect(kinds(diff(patient(after), patient(before)))).toEqual(kinds(diff(patient(before), patient(after)).map((c) => ({ ...c, kind: turn[c.kind] }))))
    }
  })
})
