package fhirapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
)

// request is one line of a table of requests.
type request struct {
	name               string
	h                  hospital
	method, path, body string
	header             []string
	status             int
	has, hasNot        string
}

func run(t *testing.T, list []request) {
	t.Helper()
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			w := c.h.do(t, c.method, c.path, c.body, c.header...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) || c.hasNot != "" && strings.Contains(w.Body.String(), c.hasNot) {
				t.Errorf("%d, want %d with %q without %q:\n%.3000s", w.Code, c.status, c.has, c.hasNot, w.Body)
			}
			if w.Code >= 400 && !strings.Contains(w.Body.String(), `"OperationOutcome"`) {
				t.Errorf("no OperationOutcome: %s", w.Body)
			}
		})
	}
}

const (
	beastsJSON = `{"resourceType":"CodeSystem","id":"beasts","url":"urn:beasts","status":"active","content":"complete","concept":[
	 {"code":"animal","display":"Animal","concept":[{"code":"dog","display":"Dog","concept":[{"code":"pug","display":"Pug"}]},{"code":"bird","display":"Bird"}]}]}`
	petsJSON = `{"resourceType":"ValueSet","id":"pets","url":"urn:pets","status":"active","compose":{"include":[{"system":"urn:beasts","filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}}`
	mapJSON  = `{"resourceType":"ConceptMap","id":"paws","url":"urn:map","status":"active","group":[{"source":"urn:beasts","target":"urn:paws","element":[{"code":"dog","target":[{"code":"canine","equivalence":"equivalent"}]}]}]}`
)

func taught(t testing.TB) hospital {
	t.Helper()
	h := filled(t)
	for path, body := range map[string]string{"/CodeSystem/beasts": beastsJSON, "/ValueSet/pets": petsJSON, "/ConceptMap/paws": mapJSON} {
		if w := h.do(t, "PUT", path, body); w.Code != http.StatusCreated {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	return h
}

func TestTerminology(t *testing.T) {
	h := taught(t)
	nobody, sara, engineer := hospital{Handler: h.Handler}, h.as("p1", access.Patient, "Patient/sara"), h.as("e1", access.Engineer, "")
	run(t, []request{
		{"Expand", h, "GET", "/ValueSet/$expand?url=urn:pets", "", nil, 200, `"code":"pug"`, "bird"},
		{"ExpandInstance", h, "GET", "/ValueSet/pets/$expand", "", nil, 200, `"total":2`, "compose"},
		{"ExpandPage", h, "GET", "/ValueSet/$expand?url=urn:pets&count=1&offset=1", "", nil, 200, `"code":"pug"`, `"code":"dog"`},
		{"ExpandFilter", h, "GET", "/ValueSet/$expand?url=urn:pets&filter=pu", "", nil, 200, `"total":1`, `"code":"dog"`},
		{"ExpandBuiltIn", sara, "GET", "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender", "", nil, 200, `"display":"Female"`, ""},
		{"ExpandSent", engineer, "POST", "/ValueSet/$expand", strings.Replace(petsJSON, `"value":"dog"`, `"value":"bird"`, 1), nil, 200, `"code":"bird"`, `"code":"dog"`},
		{"ExpandUnknown", h, "GET", "/ValueSet/$expand?url=urn:none", "", nil, 404, "does not hold the ValueSet", ""},
		{"ExpandWithout", h, "GET", "/ValueSet/$expand", "", nil, 400, "is required", ""},
		{"ExpandBadCount", h, "GET", "/ValueSet/$expand?url=urn:pets&count=x", "", nil, 400, "count", ""},
		{"ExpandNobody", nobody, "GET", "/ValueSet/$expand?url=urn:pets", "", nil, 401, "login", "pug"},
		{"ExpandMissing", h, "GET", "/ValueSet/none/$expand", "", nil, 404, "not-found", ""},
		{"Lookup", engineer, "GET", "/CodeSystem/$lookup?system=http://loinc.org&code=8867-4", "", nil, 200, `"valueString":"Heart rate"`, ""},
		{"LookupCoding", h, "POST", "/CodeSystem/$lookup", `{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"urn:beasts","code":"dog"}},{"name":"property","valueCode":"child"}]}`, nil, 200, `"valueCode":"pug"`, `"parent"`},
		{"LookupUnknown", h, "GET", "/CodeSystem/$lookup?system=urn:beasts&code=unicorn", "", nil, 404, "unicorn", ""},
		{"LookupWithout", h, "GET", "/CodeSystem/$lookup", "", nil, 400, "is required", ""},
		{"LookupNobody", nobody, "GET", "/CodeSystem/$lookup?system=urn:beasts&code=dog", "", nil, 401, "login", "Dog"},
		{"InSet", sara, "GET", "/ValueSet/$validate-code?url=urn:pets&system=urn:beasts&code=pug", "", nil, 200, `"valueBoolean":true`, "message"},
		{"NotInSet", h, "GET", "/ValueSet/pets/$validate-code?system=urn:beasts&code=bird", "", nil, 200, `"valueBoolean":false`, "true"},
		{"WrongDisplay", h, "GET", "/ValueSet/$validate-code?url=urn:pets&system=urn:beasts&code=pug&display=Poodle", "", nil, 200, "not \\\"Poodle\\\"", "true"},
		{"Concept", h, "POST", "/ValueSet/$validate-code?url=urn:pets", `{"resourceType":"Parameters","parameter":[{"name":"codeableConcept","valueCodeableConcept":{"coding":[{"system":"x","code":"y"},{"system":"urn:beasts","code":"pug"}]}}]}`, nil, 200, `"valueBoolean":true`, ""},
		{"InSystem", h, "GET", "/CodeSystem/$validate-code?url=urn:beasts&code=pug", "", nil, 200, `"valueBoolean":true`, ""},
		{"InSystemInstance", h, "GET", "/CodeSystem/beasts/$validate-code?code=cat", "", nil, 200, `"valueBoolean":false`, ""},
		{"ValidateWithout", h, "GET", "/ValueSet/$validate-code?url=urn:pets", "", nil, 400, "is required", ""},
		{"Subsumes", sara, "GET", "/CodeSystem/$subsumes?system=urn:beasts&codeA=animal&codeB=pug", "", nil, 200, `"valueCode":"subsumes"`, ""},
		{"SubsumesUnknown", h, "GET", "/CodeSystem/$subsumes?system=urn:beasts&codeA=animal&codeB=cat", "", nil, 404, "cat", ""},
		{"SubsumesWithout", h, "GET", "/CodeSystem/$subsumes?system=urn:beasts&codeA=animal", "", nil, 400, "codeA and codeB", ""},
		{"Translate", engineer, "GET", "/ConceptMap/$translate?system=urn:beasts&code=dog&targetsystem=urn:paws", "", nil, 200, `"code":"canine"`, ""},
		{"TranslateInstance", h, "GET", "/ConceptMap/paws/$translate?system=urn:paws&code=canine&reverse=true", "", nil, 200, `"code":"dog"`, ""},
		{"TranslateMetric", h, "GET", "/ConceptMap/$translate?url=urn:vigil:ConceptMap:metric-mdc&system=http://loinc.org&code=8867-4", "", nil, 200, "147842", ""},
		{"TranslateNone", h, "GET", "/ConceptMap/$translate?system=urn:beasts&code=pug", "", nil, 200, `"valueBoolean":false`, "true"},
		{"TranslateWithout", h, "GET", "/ConceptMap/$translate", "", nil, 400, "is required", ""},
		{"WrongType", h, "GET", "/Patient/$expand?url=urn:pets", "", nil, 404, "no operation", ""},
		{"Listed", nobody, "GET", "/metadata", "", nil, 200, "ConceptMap-translate", ""},
	})
}

// Codes of a search may be named by a value set or by what they are kinds of, in the store and in telemetry.
func TestSearchByTerminology(t *testing.T) {
	h := taught(t)
	for id, code := range map[string]string{"c1": "pug", "c2": "bird", "c3": "animal"} {
		if w := h.do(t, "PUT", "/Condition/"+id, `{"resourceType":"Condition","id":"`+id+`","subject":{"reference":"Patient/sara"},"code":{"coding":[{"system":"urn:beasts","code":"`+code+`"}]}}`); w.Code != 201 {
			t.Fatal(w.Body)
		}
	}
	sara := h.as("p2", access.Patient, "Patient/kim")
	run(t, []request{
		{"In", h, "GET", "/Condition?code:in=urn:pets", "", nil, 200, `"c1"`, `"c2"`},
		{"InByID", h, "GET", "/Condition?code:in=ValueSet/pets", "", nil, 200, `"c1"`, `"c3"`},
		{"NotIn", h, "GET", "/Condition?code:not-in=urn:pets", "", nil, 200, `"c2"`, `"c1"`},
		{"Below", h, "GET", "/Condition?code:below=urn:beasts|dog", "", nil, 200, `"c1"`, `"c3"`},
		{"Above", h, "GET", "/Condition?code:above=urn:beasts|pug", "", nil, 200, `"c3"`, `"c2"`},
		{"Chained", h, "GET", "/Patient?_has:Condition:subject:code:below=urn:beasts|dog", "", nil, 200, "Okafor", `"Kim"`},
		{"PlainCode", h, "GET", "/Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "", nil, 200, `"total":0`, "Okafor"},
		{"UnknownSet", h, "GET", "/Condition?code:in=urn:none", "", nil, 400, "urn:none", `"c1"`},
		{"UnknownCode", h, "GET", "/Condition?code:below=urn:beasts|cat", "", nil, 400, "cat", `"c1"`},
		{"NoSystem", h, "GET", "/Condition?code:below=dog", "", nil, 400, "system|code", `"c1"`},
		{"Telemetry", h, "GET", "/Observation?patient=sara&_count=100&code:in=urn:vigil:ValueSet:metric", "", nil, 200, "8867-4", "none"},
		{"OtherPatient", sara, "GET", "/Condition?code:in=urn:pets", "", nil, 200, `"total":0`, `"c1"`},
	})
	// a value set that is written again counts at once
	if w := h.do(t, "PUT", "/ValueSet/pets", strings.Replace(petsJSON, `"value":"dog"`, `"value":"bird"`, 1)); w.Code != 200 {
		t.Fatal(w.Body)
	}
	if w := h.do(t, "GET", "/Condition?code:in=urn:pets", ""); !strings.Contains(w.Body.String(), `"c2"`) || strings.Contains(w.Body.String(), `"c1"`) {
		t.Errorf("the value set of before: %s", w.Body)
	}
}

// memberOf of a profile's invariant asks the stored value sets.
func TestProfileAsksTerminology(t *testing.T) {
	h := taught(t)
	profile := `{"resourceType":"StructureDefinition","id":"petcon","url":"urn:petcon","name":"PetCon","status":"active","kind":"resource","abstract":false,"type":"Condition","derivation":"constraint",
	 "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Condition","differential":{"element":[{"id":"Condition","path":"Condition","constraint":[
	 {"key":"pet-1","severity":"error","human":"is about a pet","expression":"code.memberOf('urn:pets')"}]}]}}`
	if w := h.do(t, "PUT", "/StructureDefinition/petcon", profile); w.Code != 201 {
		t.Fatal(w.Body)
	}
	about := func(code string) string {
		return `{"resourceType":"Condition","subject":{"reference":"Patient/sara"},"code":{"coding":[{"system":"urn:beasts","code":"` + code + `"}]}}`
	}
	run(t, []request{
		{"Pet", h, "POST", "/Condition/$validate?profile=urn:petcon", about("pug"), nil, 200, "OperationOutcome", "pet-1"},
		{"NoPet", h, "POST", "/Condition/$validate?profile=urn:petcon", about("bird"), nil, 200, "pet-1", ""},
	})
}
