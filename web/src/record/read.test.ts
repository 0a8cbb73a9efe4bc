import { describe, expect, it } from 'vitest'
import type { Json, Resource } from './fhir'
import { groups } from './groups'
import { author, matches, narrative, read, rest, strangerOf, wordsOf } from './read'
import { dateText, valueText } from './values'

const resource = (resourceType: string, elements: Record<string, Json>): Resource => ({ resourceType, id: 'x', ...elements })
const text = (s: string): Json => ({ text: s })
const fact = (r: Resource, label: string) => read(r).facts.filter((f) => f.label === label).map((f) => f.text)

const pressure = resource('Observation', {
  status: 'final', code: { coding: [{ code: '85354-9', display: 'Blood pressure panel' }], text: 'Blood pressure' }, effectiveDateTime: '2026-03-12T14:05:00Z', device: { reference: 'Device/patch-1', display: 'Patch 1' },
  component: [{ code: text('Systolic blood pressure'), valueQuantity: { value: 124, unit: 'mmHg' } }, { code: text('Diastolic blood pressure'), valueQuantity: { value: 79, unit: 'mmHg' } }],
})

describe('read', () => {
  it('an observation with components', () => {
    expect(read(pressure)).toMatchObject({ title: 'Blood pressure', text: '124/79 mmHg', status: 'final', date: '2026-03-12T14:05:00Z' })
    expect(read(pressure).facts[0]).toEqual({ label: 'Systolic blood pressure', text: '124 mmHg' })
    expect(read(pressure).facts.find((f) => f.label === 'Device')).toEqual({ label: 'Device', text: 'Patch 1', ref: 'Device/patch-1' })
  })

  it('an observation of zero, and one without a value', () => {
    expect(read(resource('Observation', { code: text('Pain'), valueInteger: 0 })).text).toBe('0')
    expect(read(resource('Observation', { code: text('Pain'), dataAbsentReason: { coding: [{ code: 'not-asked' }] } })).text).toBe('not asked')
  })

  it('other components by their names', () => {
    const r = resource('Observation', { code: text('Panel'), component: [{ code: text('Sodium'), valueQuantity: { value: 140, unit: 'mmol/L' } }, { code: text('Note'), valueString: 'clear' }] })
    expect(read(r).text).toBe('Sodium 140 mmol/L, Note clear')
  })

  it('the time of storing is not the time of happening', () => {
    expect(read(resource('Condition', { meta: { lastUpdated: '2026-11-23T01:45:00Z' }, code: text('Asthma') })).date).toBe('')
  })

  it('an allergy with its reaction', () => {
    const r = resource('AllergyIntolerance', { clinicalStatus: { coding: [{ code: 'active' }] }, code: text('Penicillin'), reaction: [{ manifestation: [text('Rash'), text('Swelling')], severity: 'severe' }] })
    expect(read(r)).toMatchObject({ title: 'Penicillin', status: 'active', text: 'Rash, Swelling' })
    expect(fact(r, 'Reaction')).toEqual(['Rash, Swelling · severe'])
  })

  it('a prescription with its timing', () => {
    const r = resource('MedicationRequest', { status: 'on-hold', medicationCodeableConcept: text('Amlodipine 5 mg'), authoredOn: '2026-10-12',
      dosageInstruction: [{ doseAndRate: [{ doseQuantity: { value: 5, unit: 'mg' } }], timing: { repeat: { frequency: 2, period: 1, periodUnit: 'd', timeOfDay: ['08:00:00', '20:00:00'] } } }] })
    expect(read(r)).toMatchObject({ title: 'Amlodipine 5 mg', status: 'on hold', date: '2026-10-12', text: '5 mg, 2 × per day, at 08:00, 20:00' })
  })

  it('an encounter names its people with their part', () => {
    const r = resource('Encounter', { status: 'in-progress', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' }, period: { start: '2026-11-21' }, participant: [{ individual: { reference: 'Practitioner/reyes' }, type: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'ATND' }] }] }] })
    expect(read(r)).toMatchObject({ title: 'Inpatient stay', status: 'in progress', date: '2026-11-21' })
    expect(read(r).facts).toContainEqual({ label: 'Participant', text: 'Practitioner/reyes (attending)', ref: 'Practitioner/reyes' })
  })

  it('a document with its text, which is never HTML', () => {
    const r = resource('DocumentReference', { description: 'Letter', content: [{ attachment: { contentType: 'text/plain', title: 'letter.txt', data: btoa('Dear <b>colleague</b>') } }] })
    expect(fact(r, 'Text')).toEqual(['Dear <b>colleague</b>'])
    expect(narrative({ text: { div: '<div xmlns="x"><p>A &amp; B</p><script>c</script></div>' } })).toBe('A & B c')
  })

  it('any type from its elements', () => {
    const r = resource('NutritionOrder', { status: 'active', dateTime: '2026-01-02', oralDiet: { type: [text('Low salt')], nutrient: [{ amount: { value: 2, unit: 'g' }, modifier: text('Sodium') }] }, orderer: { reference: 'Practitioner/reyes' },
      extension: [{ url: 'http://example.org/meal-plan', valueString: 'A' }] })
    expect(read(r).title).toBe('Nutrition order')
    expect(read(r).facts).toEqual(expect.arrayContaining([{ label: 'Oral diet · Type', text: 'Low salt' }, { label: 'Oral diet · Nutrient · Amount', text: '2 g' },
      { label: 'Orderer', text: 'Practitioner/reyes', ref: 'Practitioner/reyes' }, { label: 'Extension · Meal plan', text: 'A' }]))
  })

  it('a resource that has nothing', () => {
    expect(read(resource('Condition', {}))).toEqual({ title: 'Condition', text: '', date: '', status: '', facts: [] })
    expect(() => read(resource('Observation', { code: null, component: 'x', valueQuantity: [] }))).not.toThrow()
  })

  it('nothing is lost: what the facts leave out is in the rest', () => {
    const r = resource('Condition', { code: text('Asthma'), stage: [{ summary: text('III') }] })
    expect(rest(r)).toEqual(expect.arrayContaining([{ label: 'Stage · Summary', text: 'III' }, { label: 'Code', text: 'Asthma' }]))
  })
})

describe('values', () => {
  it.each([['2026', '2026'], ['2026-03', 'Mar 2026'], ['2026-03-02', '2 Mar 2026'], ['soon', 'soon']])('the date %s', (iso, want) => expect(dateText(iso)).toBe(want))
  it.each<[string, Json, string]>([
    ['a comparator', { comparator: '<', value: 5, unit: 'mg/L' }, '<5 mg/L'], ['a ratio', { numerator: { value: 1 }, denominator: { value: 128 } }, '1 / 128'], ['a range', { low: { value: 3.5, unit: 'mmol/L' }, high: { value: 5.1, unit: 'mmol/L' } }, '3.5 mmol/L – 5.1 mmol/L'],
    ['an open range', { high: { value: 5, unit: 'g' } }, '≤ 5 g'], ['an open period', { start: '2026-03-02' }, 'since 2 Mar 2026'], ['an address', { line: ['Main St 1'], city: 'Lund', postalCode: '223' }, 'Main St 1, 223 Lund'],
    ['an identifier', { system: 'urn:mrn', value: '4471' }, '4471'], ['a name', { family: 'Okafor', given: ['Sara', 'Ada'] }, 'Sara Ada Okafor'],
  ])('%s', (_, v, want) => expect(valueText(v)).toBe(want))
})

describe('search, authors, owners', () => {
  it('finds words anywhere, all of them', () => {
    const words = wordsOf(pressure)
    expect(matches(words, 'blood patch')).toBe(true)
    expect(matches(words, '85354-9')).toBe(true)
    expect(matches(words, 'blood glucose')).toBe(false)
  })

  it('names who stands behind a resource', () => {
    expect(author(resource('Condition', { recorder: { display: 'Dr Reyes' } }))).toBe('Dr Reyes')
    expect(author(resource('Procedure', { performer: [{ actor: { display: 'A. Lund' } }] }))).toBe('A. Lund')
    expect(author(resource('Condition', {}))).toBe('')
  })

  it('knows a resource of another patient', () => {
    expect(strangerOf(resource('Condition', { subject: { reference: 'Patient/sara' } }), 'sara')).toBeUndefined()
    expect(strangerOf(resource('Condition', { subject: { reference: 'Patient/per' } }), 'sara')).toBe('Patient/per')
    expect(strangerOf({ resourceType: 'Patient', id: 'per' }, 'sara')).toBe('Patient/per')
    expect(strangerOf(resource('Practitioner', {}), 'sara')).toBeUndefined()
  })

  it('no type stands in two groups', () => {
    const types = groups.filter((g) => g.key !== 'readings').flatMap((g) => g.types)
    expect(new Set(types).size).toBe(types.length)
  })
})
