package fhirapi_test

import "testing"

const bedProfile = `{"resourceType":"StructureDefinition","id":"bed","url":"http://example.org/bed-patient","name":"BedPatient","status":"active","kind":"resource","abstract":false,"type":"Patient",
 "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient","path":"Patient"},{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}]}}`

func TestValidate(t *testing.T) {
	h := filled(t)
	if w := h.do(t, "PUT", "/StructureDefinition/bed", bedProfile); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wrapped := `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + kimJSON + `},{"name":"profile","valueUri":"http://example.org/bed-patient"},{"name":"mode","valueCode":"update"}]}`
	h.walk(t, []step{
		{name: "Good", method: "POST", path: "/Observation/$validate", body: obsJSON, status: 200, has: `"severity":"warning"`, hasNot: `"severity":"error"`},
		{name: "EveryFault", method: "POST", path: "/Observation/$validate", body: `{"resourceType":"Observation","status":"done","code":{"text":"x"},"valueString":"a","dataAbsentReason":{"text":"b"}}`, status: 200, has: `obs-6`},
		{name: "Place", method: "POST", path: "/Patient/$validate", body: `{"resourceType":"Patient","contact":[{"gender":"x"}]}`, status: 200, has: `"expression":["Patient.contact[0].gender"],"location":["/contact/0/gender"]`},
		{name: "OtherType", method: "POST", path: "/Patient/$validate", body: obsJSON, status: 200, has: `the path says Patient`},
		{name: "Profile", method: "POST", path: "/Patient/$validate?profile=http://example.org/bed-patient", body: kimJSON, status: 200, has: `birthDate is required`},
		{name: "ProfileMet", method: "POST", path: "/Patient/$validate?profile=http://example.org/bed-patient", body: saraJSON, status: 200, has: `OperationOutcome`, hasNot: `"severity":"error"`},
		{name: "UnknownProfile", method: "POST", path: "/Patient/$validate?profile=http://example.org/none", body: saraJSON, status: 200, has: `http://example.org/none is not known`},
		{name: "Parameters", method: "POST", path: "/Patient/$validate", body: wrapped, status: 200, has: `birthDate is required`},
		{name: "Stored", method: "GET", path: "/Patient/kim/$validate?profile=http://example.org/bed-patient", status: 200, has: `birthDate is required`},
		{name: "Update", method: "POST", path: "/Patient/sara/$validate?mode=update", body: kimJSON, status: 200, has: `is not the id of the path`},
		{name: "Delete", method: "POST", path: "/Patient/sara/$validate?mode=delete", status: 200, has: `No issues`},
		{name: "Mode", method: "POST", path: "/Patient/sara/$validate?mode=dance", body: saraJSON, status: 400, has: `none of create`},
		{name: "Nothing", method: "POST", path: "/Patient/$validate", status: 400, has: `resource`},
		{name: "Missing", method: "GET", path: "/Patient/none/$validate", status: 404, has: `no Patient/none`},
		{name: "Capability", method: "GET", path: "/metadata", status: 200, has: `"name":"validate"`},
	})
	if w := (hospital{Handler: h.Handler}).do(t, "POST", "/Patient/$validate", saraJSON); w.Code != 401 {
		t.Errorf("a stranger gets %d", w.Code)
	}
}
