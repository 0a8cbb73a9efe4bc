package record_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// clinic is a small hospital for searches that go along references.
const clinic = `[
{"resourceType":"Organization","id":"north","name":"North Hospital"},
{"resourceType":"Organization","id":"ward","name":"Ward 3","partOf":{"reference":"Organization/north"}},
{"resourceType":"Practitioner","id":"lee","name":[{"family":"Lee","given":["Ann"]}]},
{"resourceType":"Patient","id":"sara","name":[{"family":"Okafor","given":["Sara"]}],"birthDate":"1961-04-02","gender":"female","managingOrganization":{"reference":"Organization/ward"},
 "generalPractitioner":[{"reference":"Practitioner/lee"}],
 "identifier":[{"type":{"coding":[{"system":"urn:id-types","code":"MR"}],"text":"Medical record number"},"system":"urn:mrn","value":"1"}]},
{"resourceType":"Patient","id":"kim","name":[{"family":"Kim","given":["Joon"]}],"gender":"male","managingOrganization":{"reference":"Organization/north"},
 "generalPractitioner":[{"identifier":{"system":"urn:gp","value":"77"}}]},
{"resourceType":"Encounter","id":"e1","status":"in-progress","class":{"code":"IMP"},"subject":{"reference":"Patient/sara"}},
{"resourceType":"Observation","id":"bp","status":"final","code":{"text":"Blood pressure","coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}]},"subject":{"reference":"Patient/sara"},"encounter":{"reference":"Encounter/e1"},"effectiveDateTime":"2026-03-01T10:00:00Z",
 "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
              {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]},
{"resourceType":"Observation","id":"weight","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29463-7","display":"Body weight"}]},"subject":{"reference":"Patient/sara"},"effectiveDateTime":"2026-03-02T10:00:00Z","valueQuantity":{"value":70,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}},
{"resourceType":"Observation","id":"hr","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}]},"subject":{"reference":"Patient/kim"},"performer":[{"reference":"Practitioner/lee"}],"effectiveDateTime":"2026-03-03T10:00:00Z","valueQuantity":{"value":64,"unit":"bpm","system":"http://unitsofmeasure.org","code":"/min"}},
{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/kim"},"code":{"text":"Atrial fibrillation"}},
{"resourceType":"Provenance","id":"pv","target":[{"reference":"Observation/hr"}],"recorded":"2026-03-03T10:00:00Z","agent":[{"who":{"reference":"Practitioner/lee"}}]},
{"resourceType":"List","id":"l1","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/kim"}},{"item":{"reference":"Observation/bp"}}]},
{"resourceType":"ValueSet","id":"v1","url":"http://example.org/fhir/ValueSet/colours","status":"active"},
{"resourceType":"ValueSet","id":"v2","url":"http://example.org/fhir","status":"active"},
{"resourceType":"Location","id":"berlin","position":{"latitude":52.52,"longitude":13.405}},
{"resourceType":"Location","id":"potsdam","position":{"latitude":52.39,"longitude":13.065}},
{"resourceType":"Location","id":"london","position":{"latitude":51.507,"longitude":-0.128}}
]`

func filledClinic(t testing.TB) house {
	t.Helper()
	s := open(t)
	res, err := fhir.Parse([]byte(`{"list":` + clinic + `}`))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, res.List("list")...)
	return s
}

func ids(p record.Page) []string {
	out := []string{}
	for _, r := range p.Records {
		out = append(out, r.ID)
	}
	slices.Sort(out)
	return out
}

func TestSearchEverything(t *testing.T) {
	s := filledClinic(t)
	for _, c := range []struct{ typ, query, want string }{
		// chains
		{"Observation", "subject:Patient.name=oka", "bp weight"},
		{"Observation", "subject.name=oka", "bp weight"},
		{"Observation", "patient.gender=male", "hr"},
		{"Observation", "patient.organization.name=north", "hr"},
		{"Observation", "patient.organization.partof.name=north", "bp weight"},
		{"Observation", "subject:Patient.name:exact=okafor", ""},
		{"Observation", "patient.name=oka&code=85354-9", "bp"},
		{"Observation", "performer:Practitioner.family=lee", "hr"},
		{"Observation", "patient._id=sara", "bp weight"},
		{"Observation", "patient.birthdate:missing=true", "hr"},
		// reverse chains
		{"Patient", "_has:Observation:patient:code=http://loinc.org|85354-9", "sara"},
		{"Patient", "_has:Observation:patient:code=nothing", ""},
		{"Patient", "_has:Observation:patient:code=85354-9&gender=male", ""},
		{"Practitioner", "_has:Observation:performer:patient.family=kim", "lee"},
		{"Practitioner", "_has:Patient:general-practitioner:_has:Observation:patient:code=85354-9", "lee"},
		{"Patient", "_has:Observation:patient:code=8867-4,85354-9", "kim sara"},
		{"Observation", "_has:Provenance:target:recorded=2026-03-03", "hr"},
		{"Patient", "_list=l1", "kim"},
		{"Observation", "_list=l1", "bp"},
		// composites
		{"Observation", "component-code-value-quantity=8480-6$gt100", "bp"},
		{"Observation", "component-code-value-quantity=8462-4$gt100", ""},
		{"Observation", "component-code-value-quantity=http://loinc.org|8462-4$80|http://unitsofmeasure.org|mm[Hg]", "bp"},
		{"Observation", "combo-code-value-quantity=8867-4$lt70", "hr"},
		{"Observation", "combo-code-value-quantity=8867-4$lt70,8480-6$120", "bp hr"},
		{"Observation", "code-value-quantity=29463-7$70", "weight"},
		{"Observation", "code-value-quantity=29463-7$64", ""},
		// modifiers
		{"Observation", "code:text=blood", "bp"},
		{"Observation", "code:text=rate", "hr"},
		{"Observation", "code:text=ate", ""},
		{"Observation", "code:not=8867-4", "bp weight"},
		{"Patient", "identifier:of-type=urn:id-types|MR|1", "sara"},
		{"Patient", "identifier:of-type=urn:id-types|XX|1", ""},
		{"Patient", "identifier:text=medical", "sara"},
		{"Patient", "general-practitioner:identifier=urn:gp|77", "kim"},
		{"Patient", "general-practitioner:Practitioner=lee", "sara"},
		{"ValueSet", "url:below=http://example.org/fhir", "v1 v2"},
		{"ValueSet", "url:above=http://example.org/fhir/ValueSet/colours/red", "v1 v2"},
		{"ValueSet", "url=http://example.org/fhir", "v2"},
		{"Patient", "name:contains=kaf", "sara"},
		// quantities in other units
		{"Observation", "value-quantity=70000|http://unitsofmeasure.org|g", "weight"},
		{"Observation", "value-quantity=gt100|http://unitsofmeasure.org|[lb_av]", "weight"},
		{"Observation", "value-quantity=70000|http://unitsofmeasure.org|mg", ""},
		// places
		{"Location", "near=52.52|13.40|40|km", "berlin potsdam"},
		{"Location", "near=52.52|13.40|10", "berlin"},
		{"Location", "near=52.52|13.40|10000|m", "berlin"},
		// filters
		{"Patient", `_filter=name eq "okafor"`, ""},
		{"Patient", `_filter=family eq "Okafor"`, "sara"},
		{"Patient", `_filter=name co "im" or gender eq female`, "kim sara"},
		{"Patient", `_filter=(name sw "ok" or name ew "im") and not (gender eq male)`, "sara"},
		{"Patient", `_filter=birthdate gt 1960-01-01`, "sara"},
		{"Patient", `_filter=birthdate pr false`, "kim"},
		{"Observation", `_filter=patient.name co "kaf" and date ge 2026-03-02`, "weight"},
		{"Observation", `_filter=code ne 8867-4`, "bp weight"},
		// several at once, lists of ids
		{"Patient", "_id=sara,kim&name=kim", "kim"},
		{"Patient", "_id=nobody", ""},
		{"Observation", "_lastUpdated=gt2020&status=final", "bp hr weight"},
		{"Observation", "subject=Patient/sara&_sort=-date", "bp weight"},
	} {
		params, err := url.ParseQuery(strings.ReplaceAll(c.query, " ", "+"))
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.Search(nurse(t), c.typ, params)
		if got := strings.Join(ids(page), " "); err != nil || got != c.want {
			t.Errorf("%s?%s: %q, %v, want %q", c.typ, c.query, got, err, c.want)
		}
	}
}

func TestSearchRefusesWithReason(t *testing.T) {
	s := filledClinic(t)
	for _, c := range []struct{ typ, query, says string }{
		{"Observation", "subject:Spaceship.name=x", "not a resource type"},
		{"Observation", "code.name=x", "only references can be followed"},
		{"Observation", "subject:Patient.shoe=x", "shoe"},
		{"Patient", "_has:Observation:code:x=1", "not a reference parameter"},
		{"Patient", "_has:Observation:patient", "_has:Type"},
		{"Observation", "component-code-value-quantity=8480-6", "2 parts"},
		{"Location", "near=here", "latitude"},
		{"Location", "near=91|0", "no place on earth"},
		{"Location", "near=1|1|1|ly", "unit of distance"},
		{"Patient", "_filter=name", "parameter operation value"},
		{"Patient", "_filter=(name eq x", "parenthesis"},
		{"Patient", `_filter=name eq "x`, "quote"},
		{"Patient", "_filter=name is x", "not an operation"},
		{"Patient", "_filter=" + strings.Repeat("(", 50) + "name eq x", "deeper"},
		{"Patient", "_filter=name gt x", "does not go with"},
		{"Patient", strings.Repeat("general-practitioner:Patient.", 12) + "name=x", "references"},
		{"Patient", "_include=Observation:subject", "another type"},
		{"Patient", "_include:twice=Patient:organization", "only :iterate"},
		{"Patient", "identifier:of-type=MR|1", "type code"},
		{"Patient", "_sort=near", "not a search parameter"},
		{"Location", "_sort=near", "no order"},
	} {
		params, err := url.ParseQuery(strings.ReplaceAll(c.query, " ", "+"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Search(nurse(t), c.typ, params)
		if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s?%.80s: %v, want one that says %q", c.typ, c.query, err, c.says)
		}
	}
}

func TestIncludes(t *testing.T) {
	s := filledClinic(t)
	for _, c := range []struct {
		typ, query string
		want       []string
	}{
		{"Observation", "_id=hr&_include=Observation:patient&_include=Observation:performer", []string{"Patient/kim", "Practitioner/lee"}},
		{"Observation", "_id=bp&_include=*", []string{"Encounter/e1", "Patient/sara"}},
		{"Observation", "_id=bp&_include=Observation:*", []string{"Encounter/e1", "Patient/sara"}},
		{"Observation", "_id=bp&_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof", []string{"Organization/north", "Organization/ward", "Patient/sara"}},
		{"Observation", "_id=bp&_include=Observation:patient&_include=Patient:organization", nil},
		{"Patient", "_id=sara&_revinclude=Observation:subject", []string{"Observation/bp", "Observation/weight"}},
		{"Patient", "_id=kim&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target", []string{"Observation/hr", "Provenance/pv"}},
		{"Patient", "_id=kim&_revinclude=Observation:patient:Group", nil},
		{"Patient", "_id=kim&_revinclude=Condition:*", []string{"Condition/c1"}},
	} {
		params, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.Search(nurse(t), c.typ, params)
		var got []string
		for _, r := range page.Included {
			got = append(got, r.Ref())
		}
		slices.Sort(got)
		if c.want == nil {
			if len(got) > 0 || err == nil && strings.Contains(c.query, "Patient:organization") {
				t.Errorf("%s: %v, %v, want nothing", c.query, got, err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.query, got, err, c.want)
		}
	}
}

// A patient learns nothing about others by way of references.
func TestChainsStayInTheCompartment(t *testing.T) {
	s := filledClinic(t)
	for query, want := range map[string]string{
		"subject:Patient.name=oka": "bp weight", "subject:Patient.name=kim": "", "performer:Practitioner.family=lee": "",
	} {
		params, _ := url.ParseQuery(query)
		page, err := s.Search(sara(t), "Observation", params)
		if got := strings.Join(ids(page), " "); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", query, got, err, want)
		}
	}
	params := url.Values{"_revinclude": {"Observation:performer"}}
	if page, err := s.Search(engineer(t), "Practitioner", params); err != nil || len(page.Included) > 0 {
		t.Errorf("an engineer reaches charts by _revinclude: %v, %v", refs(page), err)
	}
	params = url.Values{"_has:Observation:performer:code": {"8867-4"}}
	if page, err := s.Search(engineer(t), "Practitioner", params); vigil.KindOf(err) != vigil.Denied && vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("an engineer asks charts by _has: %v, %v", refs(page), err)
	}
}

// Sorting by any parameter pages through everything once, in order of the parameter.
func TestSortByAnyParameter(t *testing.T) {
	s := open(t)
	for i := range 12 {
		o := observation(fmt.Sprintf("o%02d", i), "sara", []string{"8867-4", "9279-1", "2708-6"}[i%3], float64(i*7%12), fmt.Sprintf("2026-03-%02dT10:00:00Z", 1+i*5%12))
		put(t, s, o.With("performer", []fhir.Resource{fhir.Ref(fmt.Sprintf("Practitioner/p%d", i*5%7), "")}))
	}
	for key, path := range map[string]string{"date": "effectiveDateTime", "code": "code.coding.0.code", "value-quantity": "valueQuantity.value", "performer": "performer.0.reference", "_id": "id"} {
		for _, dir := range []string{"", "-"} {
			var values []string
			params := url.Values{"_sort": {dir + key}, "_count": {"5"}, "subject": {"Patient/sara"}}
			for params != nil {
				page, err := s.Search(nurse(t), "Observation", params)
				if err != nil {
					t.Fatalf("%s%s: %v", dir, key, err)
				}
				for _, r := range page.Records {
					res, err := r.Resource()
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, fmt.Sprintf("%12s", res.Str(path)))
				}
				params = page.Next
			}
			if dir == "-" {
				slices.Reverse(values)
			}
			if len(values) != 12 || !slices.IsSorted(values) {
				t.Errorf("%s%s: %d values, %v", dir, key, len(values), values)
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`name eq "x"`, `(name co "im" or gender eq female) and not (birthdate pr false)`, `patient.name co "a"`, `a b`, `((`, `"`} {
		f.Add(s)
	}
	s := filledClinic(f)
	f.Fuzz(func(t *testing.T, q string) {
		if _, err := s.Search(nurse(t), "Patient", url.Values{"_filter": {q}}); err != nil && vigil.KindOf(err) != vigil.Invalid {
			t.Error(err)
		}
	})
}
