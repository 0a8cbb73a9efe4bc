import { isElement, type Json, type Resource } from './fhir'

// Change is one element that differs between two versions. path is as FHIRPath writes it, "name[0].given[1]", by the place in
// the newer version, and for what was removed by the place in the older.
export interface Change { kind: 'added' | 'removed' | 'changed'; path: string; before?: Json; after?: Json }

// Lists longer than this are compared place by place: the alignment costs the product of both lengths.
const ALIGN = 400

// diff names what changed from one version to another, element by element. The items of a list are aligned, so that one put in
// front does not make all behind it look changed. The bookkeeping of versions (meta.versionId, meta.lastUpdated) is left out.
export function diff(before: Resource, after: Resource): Change[] {
  return changes('', bare(before), bare(after))
}

function bare(r: Resource): Json {
  if (!isElement(r.meta)) return r
  const { versionId: _v, lastUpdated: _l, ...meta } = r.meta
  const { meta: _m, ...rest } = r
  return Object.keys(meta).length > 0 ? { ...rest, meta } : rest
}

function changes(path: string, a: Json | undefined, b: Json | undefined): Change[] {
  if (same(a, b)) return []
  if (a === undefined) return [{ kind: 'added', path, after: b }]
  if (b === undefined) return [{ kind: 'removed', path, before: a }]
  if (Array.isArray(a) && Array.isArray(b)) return listChanges(path, a, b)
  if (!isElement(a) || !isElement(b)) return [{ kind: 'changed', path, before: a, after: b }]
  const keys = [...Object.keys(a), ...Object.keys(b).filter((k) => !(k in a))]
  return keys.flatMap((k) => changes(path === '' ? k : `${path}.${k}`, a[k], b[k]))
}

// listChanges pairs equal items in order; what lies between two pairs is changed item by item, and the surplus added or removed.
function listChanges(path: string, a: Json[], b: Json[]): Change[] {
  const out: Change[] = []
  let [i, j] = [0, 0]
  for (const [x, y] of [...pairs(a, b), [a.length, b.length] as const]) {
    for (; i < x || j < y; i++, j++) {
      // A surplus stands still on its own side, so that the places of the other side stay right.
      if (i < x && j < y) out.push(...changes(`${path}[${j}]`, a[i], b[j]))
      else if (i < x) { out.push({ kind: 'removed', path: `${path}[${i}]`, before: a[i] }); j-- } else { out.push({ kind: 'added', path: `${path}[${j}]`, after: b[j] }); i-- }
    }
    i = x + 1
    j = y + 1
  }
  return out
}

// pairs is the longest run of equal items in the same order, as places in a and b.
function pairs(a: Json[], b: Json[]): [number, number][] {
  if (a.length > ALIGN || b.length > ALIGN) return a.flatMap((x, i): [number, number][] => (i < b.length && same(x, b[i]) ? [[i, i]] : []))
  const best = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) best[i]![j] = same(a[i], b[j]) ? best[i + 1]![j + 1]! + 1 : Math.max(best[i + 1]![j]!, best[i]![j + 1]!)
  }
  const out: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (same(a[i], b[j])) out.push([i++, j++])
    else if (best[i + 1]![j]! >= best[i]![j + 1]!) i++
    else j++
  }
  return out
}

// same compares by value; the order of an object's elements means nothing in JSON.
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((x, i) => same(x, b[i]))
  if (!isElement(a) || !isElement(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((k) => k in b && same(a[k], b[k]))
}
