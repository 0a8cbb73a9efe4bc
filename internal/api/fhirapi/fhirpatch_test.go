package fhirapi_test

import (
	"strings"
	"testing"
)

func TestFHIRPathPatch(t *testing.T) {
	h := filled(t)
	gender := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"gender"},{"name":"value","valueCode":"female"}]}]}`
	broken := strings.Replace(gender, `"gender"`, `"colour"`, 1)
	wrong := strings.Replace(gender, `"female"`, `"red"`, 1)
	xml := `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/><part><name value="type"/><valueCode value="replace"/></part><part><name value="path"/><valueString value="Patient.gender"/></part><part><name value="value"/><valueCode value="other"/></part></parameter></Parameters>`
	h.walk(t, []step{
		{name: "Unknown", method: "PATCH", path: "/Patient/sara", body: broken, header: []string{"Content-Type", "application/fhir+json"}, status: 400, has: `operation 0: Patient has no element`},
		{name: "Invalid", method: "PATCH", path: "/Patient/sara", body: wrong, header: []string{"Content-Type", "application/fhir+json"}, status: 400, has: `Patient.gender`},
		{name: "NoPatch", method: "PATCH", path: "/Patient/sara", body: saraJSON, header: []string{"Content-Type", "application/fhir+json"}, status: 400, has: `is a Parameters resource`},
		{name: "Untouched", method: "GET", path: "/Patient/sara", status: 200, has: `"versionId":"1"`, hasNot: `gender`},
		{name: "JSON", method: "PATCH", path: "/Patient/sara", body: gender, header: []string{"Content-Type", "application/fhir+json"}, status: 200, has: `"gender":"female"`},
		{name: "XML", method: "PATCH", path: "/Patient/sara", body: xml, header: []string{"Content-Type", "application/fhir+xml", "Accept", "application/fhir+json"}, status: 200, has: `"gender":"other"`},
		{name: "Transaction", method: "POST", path: "", body: `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + gender + `,"request":{"method":"PATCH","url":"Patient/kim"}}]}`, status: 200, has: `200 OK`},
		{name: "Kim", method: "GET", path: "/Patient/kim", status: 200, has: `"gender":"female"`},
	})
}
