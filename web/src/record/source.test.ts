import { expect, it } from 'vitest'
import { prettyJSON, prettyXML } from './source'

it('sets JSON out and keeps decimals and strings as they were', () => {
  expect(prettyJSON('{"a":1.50,"b":[],"c":{},"d":[{"e":"x, {y}: \\"z\\""},null]}')).toBe('{\n  "a": 1.50,\n  "b": [],\n  "c": {},\n  "d": [\n    {\n      "e": "x, {y}: \\"z\\""\n    },\n    null\n  ]\n}')
})

it('agrees with JSON.stringify', () => {
  const value = { resourceType: 'Patient', name: [{ given: ['Ş', '\\', '\u2028'] }], n: -1e-7, t: true, deep: [[1, 2], [[]]] }
  expect(prettyJSON(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2))
  expect(prettyJSON(JSON.stringify(value, null, 7))).toBe(JSON.stringify(value, null, 2))
})

it('sets XML out and leaves the narrative alone', () => {
  expect(prettyXML('<?xml version="1.0"?>\n<Patient xmlns="x"><id value="a"/><name><family value="&lt;b"/></name><text><div xmlns="y"><p>A <b>b</b> c</p><div> d</div></div></text></Patient>'))
    .toBe('<?xml version="1.0"?>\n<Patient xmlns="x">\n  <id value="a"/>\n  <name>\n    <family value="&lt;b"/>\n  </name>\n  <text>\n    <div xmlns="y"><p>A <b>b</b> c</p><div> d</div></div>\n  </text>\n</Patient>')
})
