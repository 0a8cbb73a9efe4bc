package fhirapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

// charted is a hospital in which Sara has a chart.
func charted(t testing.TB) hospital {
	t.Helper()
	h := filled(t)
	for _, doc := range []string{
		`{"resourceType":"Practitioner","id":"lee","name":[{"family":"Lee"}]}`,
		`{"resourceType":"Encounter","id":"e1","status":"in-progress","class":{"code":"IMP"},"subject":{"reference":"Patient/sara"},"period":{"start":"2026-03-01T09:00:00Z"},"participant":[{"individual":{"reference":"Practitioner/lee"}}]}`,
		`{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/sara"},"period":{"start":"2020-03-01","end":"2020-03-05"}}`,
		`{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/sara"},"encounter":{"reference":"Encounter/e1"},"code":{"text":"Sepsis <suspected>"},"recordedDate":"2026-03-01"}`,
		`{"resourceType":"Condition","id":"c2","subject":{"reference":"Patient/kim"},"code":{"text":"Fracture"}}`,
		`{"resourceType":"Condition","id":"c3","subject":{"reference":"Patient/sara"},"code":{"text":"Mistake"},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"entered-in-error"}]}}`,
		`{"resourceType":"MedicationRequest","id":"m1","status":"active","intent":"order","medicationCodeableConcept":{"text":"Ceftriaxone"},"subject":{"reference":"Patient/sara"},"authoredOn":"2026-03-01"}`,
		`{"resourceType":"Composition","id":"d1","status":"final","type":{"text":"Letter"},"date":"2026-03-01","title":"Letter","author":[{"reference":"Practitioner/lee"}],"subject":{"reference":"Patient/sara"},"section":[{"title":"Problems","entry":[{"reference":"Condition/c1"},{"reference":"Condition/none"}]}]}`,
	} {
		res, err := fhir.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if w := h.do(t, "PUT", "/"+res.Ref(), doc); w.Code != http.StatusCreated {
			t.Fatalf("%s: %d %s", res.Ref(), w.Code, w.Body)
		}
	}
	return h
}

// refs follows the pages of a Bundle and returns what they hold.
func refs(t testing.TB, h hospital, path string) (out []string) {
	t.Helper()
	for n := 0; path != "" && n < 100; n++ {
		b := parse(t, h.do(t, "GET", path, ""))
		for _, e := range b.List("entry") {
			out = append(out, e.Str("resource.resourceType")+"/"+e.Str("resource.id"))
		}
		path = ""
		for _, l := range b.List("link") {
			if l.Str("relation") == "next" {
				path = strings.TrimPrefix(l.Str("url"), "http://vigil.test/fhir")
			}
		}
	}
	return out
}

func count(list []string, prefix string) (n int) {
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

func TestEverything(t *testing.T) {
	h := charted(t)
	sara, kim, engineer := h.as("p1", access.Patient, "Patient/sara"), h.as("p2", access.Patient, "Patient/kim"), h.as("e1", access.Engineer, "")
	all := refs(t, h, "/Patient/sara/$everything")
	for _, want := range []string{"Patient/sara", "Encounter/e1", "Condition/c1", "Practitioner/lee", "Observation/o1", "Device/patch-1", "Composition/d1"} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if count(all, "Observation/t-") != 33 || slices.Contains(all, "Condition/c2") || slices.Contains(all, "Patient/kim") || all[0] != "Patient/sara" {
		t.Errorf("%v", all)
	}
	paged := refs(t, h, "/Patient/sara/$everything?_count=4")
	slices.Sort(all)
	slices.Sort(paged)
	if got := slices.Compact(paged); !slices.Equal(got, all) {
		t.Errorf("in pages of four %d, at once %d: %v", len(got), len(all), got)
	}
	if got := refs(t, h, "/Patient/sara/$everything?start=2025-01-01&_type=Encounter,Observation"); slices.Contains(got, "Encounter/e2") || !slices.Contains(got, "Encounter/e1") || count(got, "Observation/") != 34 || count(got, "Practitioner") != 0 {
		t.Errorf("since 2025: %v", got)
	}
	if got := refs(t, h, "/Patient/sara/$everything?end=2021-01-01&_type=Encounter,Observation"); !slices.Equal(got, []string{"Encounter/e2"}) {
		t.Errorf("until 2021: %v", got)
	}
	if got := refs(t, sara, "/Patient/$everything"); !slices.Contains(got, "Condition/c1") || slices.Contains(got, "Condition/c2") {
		t.Errorf("her own: %v", got)
	}
	if got := refs(t, h, "/Encounter/e1/$everything"); !slices.Contains(got, "Condition/c1") || !slices.Contains(got, "Patient/sara") || !slices.Contains(got, "Practitioner/lee") || slices.Contains(got, "Encounter/e2") || slices.Contains(got, "MedicationRequest/m1") {
		t.Errorf("of the encounter: %v", got)
	}
	run(t, []request{
		{"Kim", kim, "GET", "/Patient/sara/$everything", "", nil, 403, "forbidden", "Sepsis"},
		{"KimEncounter", kim, "GET", "/Encounter/e1/$everything", "", nil, 403, "forbidden", "Sepsis"},
		{"Engineer", engineer, "GET", "/Patient/sara/$everything", "", nil, 403, "forbidden", "Sepsis"},
		{"Nobody", hospital{Handler: h.Handler}, "GET", "/Patient/sara/$everything", "", nil, 401, "login", "Sepsis"},
		{"Missing", h, "GET", "/Patient/none/$everything", "", nil, 404, "not-found", ""},
		{"BadStart", h, "GET", "/Patient/sara/$everything?start=soon", "", nil, 400, "not a date", "Sepsis"},
		{"BadType", h, "GET", "/Patient/sara/$everything?_type=Spaceship", "", nil, 400, "Spaceship", "Sepsis"},
		{"BadCount", h, "GET", "/Patient/sara/$everything?_count=x", "", nil, 400, "_count", "Sepsis"},
		{"BadSince", h, "GET", "/Patient/sara/$everything?_since=soon", "", nil, 400, "soon", "Sepsis"},
		{"ManyPatients", h, "GET", "/Patient/$everything", "", nil, 404, "$export", "Sepsis"},
		{"Future", h, "GET", "/Patient/sara/$everything?_since=2090-01-01T00:00:00Z&_type=Condition", "", nil, 200, `"total":0`, "Sepsis"},
	})
}

func TestDocument(t *testing.T) {
	h := charted(t)
	b := parse(t, h.do(t, "GET", "/Composition/d1/$document", ""))
	if b.Str("type") != "document" || b.Str("entry.0.resource.resourceType") != "Composition" || len(b.List("entry")) != 4 || len(fhir.Validate(b)) > 0 {
		t.Errorf("%v %s", fhir.Validate(b), fhir.Encode(b))
	}
	if n := parse(t, h.do(t, "GET", "/Bundle", "")); n.Str("total") != "0" {
		t.Errorf("it was stored without persist: %s", n.Str("total"))
	}
	run(t, []request{
		{"PersistByGet", h, "GET", "/Composition/d1/$document?persist=true", "", nil, 405, "POST", ""},
		{"Persist", h, "POST", "/Composition/d1/$document?persist=true", "", nil, 201, `"versionId":"1"`, ""},
		{"Stored", h, "GET", "/Bundle?type=document", "", nil, 200, `"total":1`, ""},
		{"Missing", h, "GET", "/Composition/none/$document", "", nil, 404, "not-found", ""},
		{"Own", h.as("p1", access.Patient, "Patient/sara"), "GET", "/Composition/d1/$document", "", nil, 200, "Sepsis", `"family":"Lee"`},
		{"OwnPersist", h.as("p1", access.Patient, "Patient/sara"), "POST", "/Composition/d1/$document?persist=true", "", nil, 403, "forbidden", "Sepsis"},
		{"Kim", h.as("p2", access.Patient, "Patient/kim"), "GET", "/Composition/d1/$document", "", nil, 403, "forbidden", "Sepsis"},
		{"Engineer", h.as("e1", access.Engineer, ""), "GET", "/Composition/d1/$document", "", nil, 403, "forbidden", "Sepsis"},
	})
}

func TestSummary(t *testing.T) {
	h := charted(t)
	b := parse(t, h.do(t, "GET", "/Patient/sara/$summary", ""))
	if f := fhir.Validate(b); len(f) > 0 || b.Str("type") != "document" {
		t.Errorf("%v", f)
	}
	var titles []string
	for _, s := range b.List("entry.0.resource.section") {
		titles = append(titles, fmt.Sprintf("%s %d", s.Str("title"), len(s.List("entry"))))
		if msg := fhir.CheckNarrative(s.Str("text.div")); msg != "" {
			t.Errorf("%s: narrative %s", s.Str("title"), msg)
		}
	}
	want := []string{"Allergies and Intolerances 0", "Medication Summary 1", "Problem List 1", "Vital Signs 2"}
	if !slices.Equal(titles, want) {
		t.Errorf("%v, want %v", titles, want)
	}
	var text string
	for _, sec := range b.List("entry.0.resource.section") {
		text += sec.Str("text.div")
	}
	for _, has := range []string{"Sepsis &lt;suspected&gt;", "Ceftriaxone", "no information", "122 mmHg / 82 mmHg"} {
		if !strings.Contains(text, has) {
			t.Errorf("no %q in %.3000s", has, text)
		}
	}
	if strings.Contains(text, "Mistake") || strings.Contains(text, "Fracture") {
		t.Error("it holds what is in error or another patient's")
	}
	run(t, []request{
		{"Own", h.as("p1", access.Patient, "Patient/sara"), "GET", "/Patient/sara/$summary", "", nil, 200, "Sepsis", "Fracture"},
		{"Kim", h.as("p2", access.Patient, "Patient/kim"), "GET", "/Patient/sara/$summary", "", nil, 403, "forbidden", "Sepsis"},
		{"Engineer", h.as("e1", access.Engineer, ""), "GET", "/Patient/sara/$summary", "", nil, 403, "forbidden", "Sepsis"},
		{"Missing", h, "GET", "/Patient/none/$summary", "", nil, 404, "not-found", ""},
	})
}

func TestLastN(t *testing.T) {
	h := filled(t)
	if got := refs(t, h, "/Observation/$lastn?patient=sara"); len(got) != 3 || !slices.Contains(got, "Observation/o1") {
		t.Errorf("%v", got)
	}
	if got := refs(t, h, "/Observation/$lastn?patient=sara&max=5&category=vital-signs"); len(got) != 8 || slices.Contains(got, "Observation/o1") { // 5 heart rates, 3 pressures
		t.Errorf("%v", got)
	}
	b := parse(t, h.do(t, "GET", "/Observation/$lastn?patient=sara&code=8867-4&max=2", ""))
	if b.Str("entry.0.resource.valueQuantity.value") != "89" || b.Str("entry.1.resource.valueQuantity.value") != "88" || b.Str("total") != "2" {
		t.Errorf("%s", fhir.Encode(b))
	}
	run(t, []request{
		{"NoPatient", h, "GET", "/Observation/$lastn?code=8867-4", "", nil, 400, "is required", ""},
		{"BadMax", h, "GET", "/Observation/$lastn?patient=sara&max=x", "", nil, 400, "max", ""},
		{"UnknownParam", h, "GET", "/Observation/$lastn?patient=sara&shoe=1", "", nil, 400, "shoe", "8867-4"},
		{"Own", h.as("p1", access.Patient, "Patient/sara"), "GET", "/Observation/$lastn?patient=sara", "", nil, 200, "2524-7", ""},
		{"Kim", h.as("p2", access.Patient, "Patient/kim"), "GET", "/Observation/$lastn?patient=sara", "", nil, 200, `"total":0`, "2524-7"},
		{"Engineer", h.as("e1", access.Engineer, ""), "GET", "/Observation/$lastn?patient=sara", "", nil, 403, "forbidden", "2524-7"},
	})
}

func TestStats(t *testing.T) {
	h := filled(t)
	ask := func(more string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"subject","valueUri":"Patient/sara"},{"name":"code","valueString":"8867-4"},{"name":"period","valuePeriod":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T10:09:59Z"}}` + more + `]}`
	}
	stat := func(names ...string) string {
		var out string
		for _, n := range names {
			out += `,{"name":"statistic","valueCode":"` + n + `"}`
		}
		return out
	}
	b := parse(t, h.do(t, "POST", "/Observation/$stats", ask(stat("average", "minimum", "maximum", "count", "sum", "median", "20-percent", "80-percent", "variance"))))
	o := fhir.Resource(b.List("parameter")[0]["resource"].(map[string]any)) // 60 to 69
	var got []string
	for _, c := range o.List("component") {
		got = append(got, c.Str("valueQuantity.value"))
	}
	if want := []string{"64.5", "60", "69", "10", "645", "64.5", "61.8", "67.2", "9.166666666666666"}; !slices.Equal(got, want) || len(fhir.Validate(o)) > 0 {
		t.Errorf("%v, want %v; %v", got, want, fhir.Validate(o))
	}
	run(t, []request{
		{"Include", h, "POST", "/Observation/$stats", ask(stat("count") + `,{"name":"include","valueBoolean":true},{"name":"limit","valuePositiveInt":2}`), nil, 200, `"name":"source"`, ""},
		{"Empty", h, "GET", "/Observation/$stats?subject=Patient/kim&code=8867-4&duration=1&statistic=average", "", nil, 200, "dataAbsentReason", "valueQuantity"},
		{"UnknownStatistic", h, "POST", "/Observation/$stats", ask(stat("kurtosis")), nil, 400, "kurtosis", ""},
		{"NoStatistic", h, "POST", "/Observation/$stats", ask(""), nil, 400, "is required", ""},
		{"NoPeriod", h, "GET", "/Observation/$stats?subject=Patient/sara&code=8867-4&statistic=count", "", nil, 400, "duration or period", ""},
		{"BadDuration", h, "GET", "/Observation/$stats?subject=Patient/sara&code=8867-4&statistic=count&duration=-1", "", nil, 400, "hours", ""},
		{"UnknownCode", h, "GET", "/Observation/$stats?subject=Patient/sara&code=0-0&statistic=count&duration=1", "", nil, 400, "0-0", ""},
		{"Own", h.as("p1", access.Patient, "Patient/sara"), "POST", "/Observation/$stats", ask(stat("count")), nil, 200, `"value":10`, ""},
		{"Kim", h.as("p2", access.Patient, "Patient/kim"), "POST", "/Observation/$stats", ask(stat("count")), nil, 403, "forbidden", "component"},
		{"Engineer", h.as("e1", access.Engineer, ""), "POST", "/Observation/$stats", ask(stat("count")), nil, 403, "forbidden", "component"},
		{"Nobody", hospital{Handler: h.Handler}, "POST", "/Observation/$stats", ask(stat("count")), nil, 401, "login", "component"},
		{"NoSubject", h, "GET", "/Observation/$stats?code=8867-4&statistic=count&duration=1", "", nil, 400, "subject", ""},
	})
}
