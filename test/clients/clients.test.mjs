// FHIR clients of others against a running Vigil: capability, CRUD, search, transactions, operations, history.
// VIGIL_URL is the address of a simulated hospital; scripts/clients.sh starts one.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { Client } from 'fhir-kit-client'
import FHIR from 'fhirclient'

globalThis.WebSocket ??= class {} // Node 20 has none, and @medplum/core only names it
const { MedplumClient } = await import('@medplum/core')

const url = process.env.VIGIL_URL
const base = `${url}/fhir`
const mrn = (value) => [{ system: 'urn:clients:mrn', value }]
let token

before(async () => {
  const answer = await fetch(`${url}/api/session/visit`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"role":"physician"}' })
  assert.equal(answer.status, 200, await answer.clone().text())
  token = answer.headers.getSetCookie().find((c) => c.startsWith('vigil_session=')).match(/=([^;]+)/)[1]
})

describe('fhir-kit-client', () => {
  let client
  before(() => { client = new Client({ baseUrl: base, bearerToken: token }) })

  test('capability', async () => {
    const statement = await client.capabilityStatement()
    assert.equal(statement.fhirVersion, '4.0.1')
    assert.ok(statement.rest[0].resource.find((r) => r.type === 'Patient').searchInclude.includes('Patient:organization'))
  })

  test('create, read, update, patch, delete, history', async () => {
    const made = await client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ family: 'Kit' }], identifier: mrn('kit') } })
    assert.equal(made.meta.versionId, '1')
    const id = made.id
    const changed = await client.update({ resourceType: 'Patient', id, body: { ...made, birthDate: '1970-03-09' } })
    assert.equal(changed.meta.versionId, '2')
    const patched = await client.patch({ resourceType: 'Patient', id, jsonPatch: [{ op: 'replace', path: '/birthDate', value: '1971-03-09' }] })
    assert.equal(patched.birthDate, '1971-03-09')
    assert.equal((await client.vread({ resourceType: 'Patient', id, version: '2' })).birthDate, '1970-03-09')
    assert.equal((await client.resourceHistory({ resourceType: 'Patient', id })).entry.length, 3)
    assert.ok((await client.typeHistory({ resourceType: 'Patient' })).entry.length >= 3)
    assert.ok((await client.systemHistory()).entry.length >= 3)
    await client.delete({ resourceType: 'Patient', id })
    await assert.rejects(client.read({ resourceType: 'Patient', id }), (err) => err.response.status === 410)
  })

  test('search, next page, POST, compartment, system', async () => {
    const first = await client.search({ resourceType: 'Patient', searchParams: { _count: 3, _sort: 'family' } })
    assert.equal(first.entry.length, 3)
    const second = await client.nextPage({ bundle: first })
    assert.ok(second.entry.length > 0 && second.entry[0].resource.id !== first.entry[0].resource.id)
    const posted = await client.resourceSearch({ resourceType: 'Observation', searchParams: { patient: 'okafor', _count: 5 }, options: { postSearch: true } })
    assert.ok(posted.entry.every((e) => e.resource.subject.reference === 'Patient/okafor'))
    const chart = await client.compartmentSearch({ resourceType: 'Observation', compartment: { resourceType: 'Patient', id: 'okafor' }, searchParams: { _count: 2 } })
    assert.equal(chart.entry.length, 2)
    const all = await client.systemSearch({ searchParams: { _type: 'Patient,Device', _count: 4 } })
    assert.equal(all.entry.length, 4)
  })

  test('chains, reverse chains, includes', async () => {
    const found = await client.search({ resourceType: 'Encounter', searchParams: { 'subject:Patient.family': 'Okafor', _include: 'Encounter:subject' } })
    assert.deepEqual(new Set(found.entry.map((e) => e.resource.resourceType)), new Set(['Encounter', 'Patient']))
    const back = await client.search({ resourceType: 'Patient', searchParams: { '_has:Encounter:subject:status': 'in-progress', family: 'Okafor' } })
    assert.equal(back.entry.length, 1)
  })

  test('transaction and batch', async () => {
    const entry = [
      { fullUrl: 'urn:uuid:5e0b0b1e-0000-4000-8000-000000000001', resource: { resourceType: 'Patient', name: [{ family: 'Together' }] }, request: { method: 'POST', url: 'Patient' } },
      { resource: { resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' }, subject: { reference: 'urn:uuid:5e0b0b1e-0000-4000-8000-000000000001' } }, request: { method: 'POST', url: 'Encounter' } },
    ]
    const answer = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry } })
    assert.deepEqual(answer.entry.map((e) => e.response.status.slice(0, 3)), ['201', '201'])
    const batch = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Patient/okafor' } }, { request: { method: 'GET', url: 'Patient/nobody' } }] } })
    assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404'])
  })

  test('operations and errors', async () => {
    const outcome = await client.operation({ resourceType: 'Patient', name: '$validate', input: { resourceType: 'Patient', gender: 'robot' } })
    assert.equal(outcome.issue[0].severity, 'error')
    const meta = await client.operation({ resourceType: 'Patient', id: 'okafor', name: '$meta', method: 'get' })
    assert.equal(meta.parameter[0].name, 'return')
    await assert.rejects(client.search({ resourceType: 'Patient', searchParams: { shoe: 42 } }), (err) => err.response.status === 400 && /shoe/.test(JSON.stringify(err.response.data)))
  })
})

describe('fhirclient', () => {
  let client
  before(() => { client = FHIR(new Request_(), new Response_()).client({ serverUrl: base, tokenResponse: { access_token: token } }) })

  test('create, request, update, patch, delete', async () => {
    const made = await client.create({ resourceType: 'Patient', name: [{ family: 'Smart' }] })
    assert.equal((await client.request(`Patient/${made.id}`)).name[0].family, 'Smart')
    assert.equal((await client.update({ ...made, gender: 'other' })).meta.versionId, '2')
    const patched = await client.patch(`Patient/${made.id}`, [{ op: 'replace', path: '/gender', value: 'female' }])
    assert.equal(patched.gender, 'female')
    await client.delete(`Patient/${made.id}`)
  })

  test('pages and references', async () => {
    const pages = await client.request('Patient?_count=5', { pageLimit: 3, flat: true })
    assert.ok(pages.length > 10)
    const encounters = await client.request('Encounter?_count=3&status=in-progress', { resolveReferences: 'subject', flat: true })
    assert.equal(encounters[0].subject.resourceType, 'Patient')
  })
})

describe('@medplum/core', () => {
  let client
  before(() => { client = new MedplumClient({ baseUrl: url, fhirUrlPath: 'fhir', accessToken: token, fetch }) })

  test('create, read, update, patch, delete, history', async () => {
    const made = await client.createResource({ resourceType: 'Patient', name: [{ family: 'Plum' }], identifier: mrn('plum') })
    const again = await client.createResourceIfNoneExist({ resourceType: 'Patient', name: [{ family: 'Plum' }], identifier: mrn('plum') }, 'identifier=urn:clients:mrn|plum')
    assert.equal(again.id, made.id)
    assert.equal((await client.updateResource({ ...made, gender: 'male' })).meta.versionId, '2')
    const patched = await client.patchResource('Patient', made.id, [{ op: 'replace', path: '/gender', value: 'female' }])
    assert.equal(patched.gender, 'female')
    assert.equal((await client.readHistory('Patient', made.id)).entry.length, 3)
    assert.equal((await client.readVersion('Patient', made.id, '1')).gender, undefined)
    await client.deleteResource('Patient', made.id)
  })

  test('search and batch', async () => {
    assert.equal((await client.searchOne('Patient', { family: 'Okafor' })).name[0].family, 'Okafor')
    const found = await client.searchResources('Observation', { patient: 'Patient/okafor', _count: '5', _sort: '-date' })
    assert.equal(found.length, 5)
    const answer = await client.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Patient?family=Okafor' } }] })
    assert.equal(answer.entry[0].resource.type, 'searchset')
    const upserted = await client.upsertResource({ resourceType: 'Organization', name: 'One', identifier: mrn('org') }, { identifier: 'urn:clients:mrn|org' })
    assert.equal((await client.upsertResource({ ...upserted, name: 'Two' }, { identifier: 'urn:clients:mrn|org' })).name, 'Two')
    const outcome = await client.validateResource({ resourceType: 'Patient', name: [{ family: 'Fine' }] })
    assert.ok(!outcome.issue.some((i) => i.severity === 'error'))
  })
})

// fhirclient wants a request and an answer of a server; it only looks for a session here.
class Request_ { headers = {}; session = {}; url = '/' }
class Response_ { writeHead() {} end() {} }
