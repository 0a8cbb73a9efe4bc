// What the viewer knows of FHIR R4: plain JSON, read defensively, because a stored resource may leave out anything.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined }
export type Element = { [key: string]: Json | undefined }
export type Resource = Element & { resourceType: string; id: string }

// Fact is one line of a reading. ref is "Type/id" when the line names another resource of this server.
export interface Fact { label: string; text: string; ref?: string }

export const isElement = (v: Json | undefined): v is Element => typeof v === 'object' && v !== null && !Array.isArray(v)
export const element = (v: Json | undefined): Element => (isElement(v) ? v : {})
export const list = (v: Json | undefined): Json[] => (Array.isArray(v) ? v : v === undefined || v === null ? [] : [v])
export const str = (v: Json | undefined): string => (typeof v === 'string' ? v : typeof v === 'number' || typeof v === 'boolean' ? String(v) : '')

export const refOf = (r: Resource): string => `${r.resourceType}/${r.id}`
export const versionOf = (r: Resource): string => str(element(r.meta).versionId)
export const updatedOf = (r: Resource): string => str(element(r.meta).lastUpdated)

const local = /^(?:https?:\/\/[^ ]+\/)?([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/[^/]+)?$/

// target is "Type/id" of a literal reference, or undefined for contained, logical and foreign ones.
export function target(v: Json | undefined): string | undefined {
  const raw = str(element(v).reference)
  return raw.includes('://') ? undefined : local.exec(raw)?.[1]
}

const words = (s: string): string => s.replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/[-_]/g, ' ').toLowerCase()
const capital = (s: string): string => s.charAt(0).toUpperCase() + s.slice(1)

// nameOf gives the words of an element or a type: "clinicalStatus" is "Clinical status".
export const nameOf = (key: string): string => capital(words(key))
// codeWords gives the words of a code: "entered-in-error" is "entered in error".
export const codeWords = (code: string): string => (/^[a-z][a-z-]*$/.test(code) ? code.replace(/-/g, ' ') : code)
