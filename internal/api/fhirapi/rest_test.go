package fhirapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirxml"
)

// step is one request of a row of requests and what its answer must and must not hold.
type step struct {
	name               string
	method, path, body string
	header             []string
	status             int
	has, hasNot        string
}

func (h hospital) walk(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		w := h.do(t, s.method, s.path, s.body, s.header...)
		if w.Code != s.status || !strings.Contains(w.Body.String(), s.has) || s.hasNot != "" && strings.Contains(w.Body.String(), s.hasNot) {
			t.Errorf("%s: %d, want %d with %q without %q:\n%s", s.name, w.Code, s.status, s.has, s.hasNot, w.Body)
		}
	}
}

func TestXML(t *testing.T) {
	h := filled(t)
	xml := []string{"Content-Type", "application/fhir+xml", "Accept", "application/fhir+xml"}
	h.walk(t, []step{
		{"Read", "GET", "/Patient/sara", "", xml, 200, `<family value="Okafor"/>`, ""},
		{"Format", "GET", "/Patient/sara?_format=xml", "", nil, 200, `<family value="Okafor"/>`, ""},
		{"FormatWins", "GET", "/Patient/sara?_format=json", "", xml, 200, `"Okafor"`, ""},
		{"Weight", "GET", "/Patient/sara", "", []string{"Accept", "application/fhir+json;q=0.2, application/fhir+xml;q=0.9"}, 200, `<Patient xmlns=`, ""},
		{"OtherVersion", "GET", "/Patient/sara", "", []string{"Accept", "application/fhir+xml; fhirVersion=5.0"}, 406, "4.0", ""},
		{"Create", "POST", "/Patient", `<Patient xmlns="http://hl7.org/fhir"><name><family value="Adeyemi"/></name></Patient>`, xml, 201, `<family value="Adeyemi"/>`, ""},
		{"Malformed", "POST", "/Patient", `<Patient xmlns="http://hl7.org/fhir"><name>`, xml, 400, "line 1", ""},
		{"Faults", "POST", "/Patient", `<Patient xmlns="http://hl7.org/fhir"><nme/></Patient>`, xml, 400, `<expression value="Patient.nme"/>`, ""},
		{"Search", "GET", "/Patient?family=Okafor", "", xml, 200, `<fullUrl value="http://vigil.test/fhir/Patient/sara"/><resource><Patient><id value="sara"/>`, ""},
	})
	w := h.do(t, "GET", "/Patient/sara", "", xml...)
	if ct := w.Header().Get("Content-Type"); !strings.HasPrefix(ct, "application/fhir+xml") {
		t.Error(ct)
	}
	if res, err := fhirxml.Decode(w.Body.Bytes()); err != nil || res.Str("name.0.family") != "Okafor" {
		t.Errorf("%v %v", res, err)
	}
}

func TestJSONPatch(t *testing.T) {
	h := filled(t)
	p := []string{"Content-Type", "application/json-patch+json"}
	h.walk(t, []step{
		{"Replace", "PATCH", "/Patient/sara", `[{"op":"test","path":"/birthDate","value":"1961-04-02"},{"op":"replace","path":"/birthDate","value":"1961-04-03"}]`, p, 200, `"birthDate":"1961-04-03"`, ""},
		{"TestFails", "PATCH", "/Patient/sara", `[{"op":"test","path":"/birthDate","value":"1900-01-01"},{"op":"remove","path":"/name"}]`, p, 422, "does not apply", ""},
		{"NothingChanged", "GET", "/Patient/sara", "", nil, 200, "Okafor", ""},
		{"NoSuchPath", "PATCH", "/Patient/sara", `[{"op":"remove","path":"/shoe"}]`, p, 422, "shoe", ""},
		{"MakesInvalid", "PATCH", "/Patient/sara", `[{"op":"add","path":"/gender","value":"robot"}]`, p, 400, "Patient.gender", ""},
		{"ChangesID", "PATCH", "/Patient/sara", `[{"op":"replace","path":"/id","value":"kim"}]`, p, 400, "may not change", ""},
		{"NoList", "PATCH", "/Patient/sara", `{"op":"remove"}`, p, 400, "list of operations", ""},
		{"NoSuchOp", "PATCH", "/Patient/sara", `[{"op":"melt","path":"/name"}]`, p, 400, "unsupported operation", ""},
		{"Media", "PATCH", "/Patient/sara", `[]`, []string{"Content-Type", "text/plain"}, 415, "json-patch", ""},
		{"Stale", "PATCH", "/Patient/sara", `[{"op":"remove","path":"/birthDate"}]`, append(p, "If-Match", `W/"1"`), 412, "conflict", ""},
		{"Missing", "PATCH", "/Patient/none", `[]`, p, 404, "not-found", ""},
		{"ByCondition", "PATCH", "/Patient?identifier=urn:mrn|1", `[{"op":"remove","path":"/birthDate"}]`, p, 200, "Okafor", "birthDate"},
		{"ByConditionNone", "PATCH", "/Patient?identifier=urn:mrn|2", `[]`, p, 404, "", ""},
	})
}

func TestConditional(t *testing.T) {
	h := filled(t)
	named := func(family string) string {
		return `{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"9"}],"name":[{"family":"` + family + `"}]}`
	}
	h.walk(t, []step{
		{"UpdateCreates", "PUT", "/Patient?identifier=urn:mrn|9", named("Nine"), nil, 201, "Nine", ""},
		{"UpdateFinds", "PUT", "/Patient?identifier=urn:mrn|9", named("Neun"), nil, 200, `"versionId":"2"`, "Nine"},
		{"OtherID", "PUT", "/Patient?identifier=urn:mrn|9", strings.Replace(named("x"), `"Patient",`, `"Patient","id":"zz",`, 1), nil, 400, "the condition finds", ""},
		{"NoCondition", "PUT", "/Patient", named("x"), nil, 400, "cannot be read", ""},
		{"UnknownCondition", "PUT", "/Patient?shoe=1", named("x"), nil, 400, "shoe", ""},
		{"Another", "POST", "/Patient", named("Nein"), nil, 201, "Nein", ""},
		{"UpdateMany", "PUT", "/Patient?identifier=urn:mrn|9", named("x"), nil, 412, "multiple-matches", ""},
		{"DeleteMany", "DELETE", "/Patient?identifier=urn:mrn|9", "", nil, 412, "multiple-matches", ""},
		{"DeleteOne", "DELETE", "/Patient?family=Nein", "", nil, 204, "", ""},
		{"Gone", "GET", "/Patient?family=Nein", "", nil, 200, `"total":0`, ""},
		{"DeleteNone", "DELETE", "/Patient?family=Nein", "", nil, 204, "", ""},
		{"DeleteStale", "DELETE", "/Patient/sara", "", []string{"If-Match", `W/"7"`}, 412, "conflict", ""},
		{"ModifiedSince", "GET", "/Patient/sara", "", []string{"If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT"}, 200, "Okafor", ""},
		{"NotModifiedSince", "GET", "/Patient/sara", "", []string{"If-Modified-Since", "Fri, 02 Jan 2105 15:04:05 GMT"}, 304, "", "Okafor"},
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			h.do(t, "POST", "/Organization", `{"resourceType":"Organization","identifier":[{"system":"urn:o","value":"1"}],"name":"One"}`, "If-None-Exist", "identifier=urn:o|1")
		})
	}
	wg.Wait()
	if b := parse(t, h.do(t, "GET", "/Organization?identifier=urn:o|1", "")); b.Str("total") != "1" {
		t.Errorf("%s organizations from 16 conditional creates at once", b.Str("total"))
	}
	const two = `{"resourceType":"Organization","identifier":[{"system":"urn:o","value":"2"}],"name":"Two"}`
	for i := range 16 {
		wg.Go(func() {
			if i%2 == 0 {
				h.do(t, "POST", "/Organization", two, "If-None-Exist", "identifier=urn:o|2")
				return
			}
			h.do(t, "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":`+two+`,"request":{"method":"POST","url":"Organization","ifNoneExist":"identifier=urn%3Ao%7C2"}}]}`)
		})
	}
	wg.Wait()
	if b := parse(t, h.do(t, "GET", "/Organization?identifier=urn:o|2", "")); b.Str("total") != "1" {
		t.Errorf("%s organizations from 16 conditional creates at once, half of them in transactions", b.Str("total"))
	}
}

func TestHistory(t *testing.T) {
	h := filled(t)
	for i := range 3 {
		h.do(t, "PUT", "/Patient/kim", strings.Replace(kimJSON, "Kim", fmt.Sprint("Kim", i), 1))
	}
	h.do(t, "DELETE", "/Patient/kim", "")
	count := func(path string) (n, pages int) {
		for path != "" && pages < 20 {
			b := parse(t, h.do(t, "GET", path, ""))
			n, pages, path = n+len(b.List("entry")), pages+1, ""
			for _, l := range b.List("link") {
				if l.Str("relation") == "next" {
					path = strings.TrimPrefix(l.Str("url"), "http://vigil.test/fhir")
				}
			}
			for _, f := range fhir.Validate(b) {
				t.Errorf("%s: %s", f.Path, f.Msg)
			}
		}
		return n, pages
	}
	for path, want := range map[string][2]int{
		"/Patient/kim/_history": {5, 1}, "/Patient/kim/_history?_count=2": {5, 3}, "/Patient/_history?_count=3": {6, 2}, "/_history?_count=3": {8, 3},
		"/_history?_since=2105-01-01": {0, 1}, "/Patient/kim/_history?_at=2105": {1, 1}, "/Group/_history": {0, 1},
	} {
		if n, pages := count(path); n != want[0] || pages != want[1] {
			t.Errorf("%s: %d versions on %d pages, want %v", path, n, pages, want)
		}
	}
	h.walk(t, []step{
		{"Deletion", "GET", "/Patient/kim/_history?_count=1", "", nil, 200, `"method":"DELETE"`, `"resource":`},
		{"Never", "GET", "/Patient/none/_history", "", nil, 404, "", ""},
		{"BadCount", "GET", "/_history?_count=x", "", nil, 400, "_count", ""},
		{"Unknown", "GET", "/_history?shoe=1", "", nil, 400, "shoe", ""},
	})
	sara := h.as("p1", access.Patient, "Patient/sara")
	sara.walk(t, []step{{"OwnOnly", "GET", "/_history", "", nil, 200, "Okafor", "Kim"}, {"Own", "GET", "/Patient/_history", "", nil, 200, "Okafor", "Kim"}})
	h.as("e1", access.Engineer, "").walk(t, []step{{"Engineer", "GET", "/_history", "", nil, 403, "", "Okafor"}, {"EngineerDevices", "GET", "/Device/_history", "", nil, 200, "patch-1", ""}})
}

func TestCompartment(t *testing.T) {
	h := filled(t)
	h.do(t, "PUT", "/Encounter/e1", `{"resourceType":"Encounter","id":"e1","status":"in-progress","class":{"code":"IMP"},"subject":{"reference":"Patient/sara"}}`)
	h.walk(t, []step{
		{"Type", "GET", "/Patient/sara/Encounter", "", nil, 200, `"e1"`, ""},
		{"WithTelemetry", "GET", "/Patient/sara/Observation?code=8867-4&_count=2", "", nil, 200, "8867-4", ""},
		{"OtherPatient", "GET", "/Patient/kim/Encounter", "", nil, 200, `"total":0`, `"e1"`},
		{"OtherPatientTelemetry", "GET", "/Patient/kim/Observation?patient=sara", "", nil, 200, `"searchset"`, "8867-4"},
		{"Everything", "GET", "/Patient/sara/*?_count=500", "", nil, 200, `"e1"`, "Kim"},
		{"Post", "POST", "/Patient/sara/Encounter/_search", "status=in-progress", []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, `"e1"`, ""},
		{"NoCompartment", "GET", "/Patient/sara/Organization", "", nil, 404, "in no compartment of Patient", ""},
		{"NoPatient", "GET", "/Patient/none/Encounter", "", nil, 404, "", ""},
	})
	h.as("p2", access.Patient, "Patient/kim").walk(t, []step{{"Foreign", "GET", "/Patient/sara/Encounter", "", nil, 403, "", `"e1"`}})
}

func TestOtherCompartments(t *testing.T) {
	h := filled(t)
	for path, body := range map[string]string{
		"/Encounter/e1":     `{"resourceType":"Encounter","id":"e1","status":"in-progress","class":{"code":"IMP"},"subject":{"reference":"Patient/sara"},"participant":[{"individual":{"reference":"Practitioner/lee"}}]}`,
		"/Practitioner/lee": `{"resourceType":"Practitioner","id":"lee"}`,
		"/Condition/c1":     `{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/sara"},"encounter":{"reference":"Encounter/e1"},"asserter":{"reference":"Practitioner/lee"}}`,
		"/Condition/c2":     `{"resourceType":"Condition","id":"c2","subject":{"reference":"Patient/sara"},"code":{"text":"asthma"}}`,
	} {
		if res := h.do(t, "PUT", path, body); res.Code >= 300 {
			t.Fatal(path, res.Body)
		}
	}
	h.walk(t, []step{
		{"Encounter", "GET", "/Encounter/e1/Condition", "", nil, 200, `"id":"c1"`, `"id":"c2"`},
		{"EncounterTotal", "GET", "/Encounter/e1/Condition", "", nil, 200, `"total":1`, "_filter"},
		{"AllOfEncounter", "GET", "/Encounter/e1/*", "", nil, 200, `"id":"c1"`, `"id":"c2"`},
		{"Practitioner", "GET", "/Practitioner/lee/Encounter", "", nil, 200, `"id":"e1"`, ""},
		{"OneOfTwoParameters", "GET", "/Practitioner/lee/*?_type=Condition,Encounter", "", nil, 200, `"id":"c1"`, `"id":"c2"`},
		{"WithFilter", "GET", "/Practitioner/lee/Condition?_filter=code%20pr%20true", "", nil, 200, `"total":0`, `"id":"c1"`},
		{"DeviceTelemetry", "GET", "/Device/patch-1/Observation?_count=1", "", nil, 200, `"device":{"reference":"Device/patch-1"`, ""},
		{"NeverInIt", "GET", "/Encounter/e1/Patient", "", nil, 404, "in no compartment of Encounter", ""},
		{"NoOwner", "GET", "/Location/x/Encounter", "", nil, 404, "there is no compartment", ""},
		{"NotThere", "GET", "/Encounter/none/Condition", "", nil, 404, "", ""},
		{"Capability", "GET", "/metadata", "", nil, 200, "CompartmentDefinition/relatedperson", ""},
	})
	h.as("p2", access.Patient, "Patient/kim").walk(t, []step{{"Foreign", "GET", "/Encounter/e1/Condition", "", nil, 403, "", `"c1"`}})
}

func TestFullText(t *testing.T) {
	h := filled(t)
	h.do(t, "PUT", "/Condition/c1", `{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/sara"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Chronic<br/>Asthma, naïve to steroids &amp; stable</p></div>"},"note":[{"text":"seen by Dr Kowalski"}]}`)
	h.do(t, "PUT", "/Condition/c2", `{"resourceType":"Condition","id":"c2","subject":{"reference":"Patient/sara"},"code":{"text":"asthma"}}`)
	h.walk(t, []step{
		{"Narrative", "GET", "/Condition?_text=asthma", "", nil, 200, `"id":"c1"`, `"id":"c2"`},
		{"EveryWord", "GET", "/Condition?_text=steroid%20CHRON", "", nil, 200, `"id":"c1"`, ""},
		{"OneIsMissing", "GET", "/Condition?_text=asthma%20acute", "", nil, 200, `"total":0`, ""},
		{"TagsPartWords", "GET", "/Condition?_text=chronicasthma", "", nil, 200, `"total":0`, ""},
		{"NoAttributes", "GET", "/Condition?_text=xhtml", "", nil, 200, `"total":0`, ""},
		{"Accents", "GET", "/Condition?_text=naive", "", nil, 200, `"id":"c1"`, ""},
		{"WithOthers", "GET", "/Condition?_text=asthma&patient=kim", "", nil, 200, `"total":0`, ""},
		{"Content", "GET", "/Condition?_content=kowalski%20chronic", "", nil, 200, `"id":"c1"`, `"id":"c2"`},
		{"ContentOfBoth", "GET", "/Condition?_content=asthma", "", nil, 200, `"id":"c2"`, ""},
		{"NoWords", "GET", "/Condition?_text=%20-", "", nil, 400, "1 to ", ""},
		{"Capability", "GET", "/metadata", "", nil, 200, `"_content"`, ""},
	})
}

func TestSystemSearch(t *testing.T) {
	h := filled(t)
	h.walk(t, []step{
		{"Types", "GET", "/?_type=Patient,Device", "", nil, 200, "patch-1", "2524-7"},
		{"Common", "GET", "/?_id=sara", "", nil, 200, "Okafor", "Kim"},
		{"Post", "POST", "/_search", "_type=Device&_lastUpdated=gt2020", []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, "patch-1", "Okafor"},
		{"UnknownType", "GET", "/?_type=Shoe", "", nil, 400, "Shoe", ""},
		{"NotCommon", "GET", "/?_type=Patient,Device&family=x", "", nil, 400, "family", ""},
	})
	seen := map[string]bool{}
	path := "/?_type=Patient,Device,Observation&_count=1"
	for n := 0; path != "" && n < 60; n++ {
		b := parse(t, h.do(t, "GET", path, ""))
		for _, e := range b.List("entry") {
			seen[e.Str("fullUrl")] = true
		}
		path = ""
		for _, l := range b.List("link") {
			if l.Str("relation") == "next" {
				path = strings.TrimPrefix(l.Str("url"), "http://vigil.test/fhir")
			}
		}
	}
	if len(seen) != 4+33 { // and what telemetry holds
		t.Errorf("paging found %v", seen)
	}
}

func TestProjection(t *testing.T) {
	h := filled(t)
	h.do(t, "PUT", "/Patient/lee", `{"resourceType":"Patient","id":"lee","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Lee</div>"},"name":[{"family":"Lee"}],"photo":[{"url":"http://example.org/p"}],"deceasedBoolean":false}`)
	h.walk(t, []step{
		{"Elements", "GET", "/Patient/lee?_elements=name,deceased", "", nil, 200, `"SUBSETTED"`, "photo"},
		{"ChoiceByName", "GET", "/Patient/lee?_elements=deceased", "", nil, 200, `"deceasedBoolean":false`, `"family"`},
		{"Summary", "GET", "/Patient/lee?_summary=true", "", nil, 200, `"family":"Lee"`, "photo"},
		{"Text", "GET", "/Patient/lee?_summary=text", "", nil, 200, "xhtml", `"family"`},
		{"Data", "GET", "/Patient/lee?_summary=data", "", nil, 200, "photo", "xhtml"},
		{"InSearch", "GET", "/Patient?family=Lee&_elements=name", "", nil, 200, "SUBSETTED", "photo"},
		{"RequiredStay", "GET", "/Observation/o1?_elements=subject", "", nil, 200, `"status":"final"`, "valueQuantity"},
		{"Both", "GET", "/Patient/lee?_elements=name&_summary=true", "", nil, 400, "not both", ""},
		{"Unknown", "GET", "/Patient/lee?_summary=short", "", nil, 400, "short", ""},
	})
}

func TestLenient(t *testing.T) {
	h := filled(t)
	h.walk(t, []step{
		{"Strict", "GET", "/Patient?family=Okafor&shoe=42", "", []string{"Prefer", "handling=strict"}, 400, "shoe", ""},
		{"Lenient", "GET", "/Patient?family=Okafor&shoe=42", "", []string{"Prefer", "return=minimal, handling=lenient"}, 200, `\"shoe\" is not supported and was ignored`, "Kim"},
		{"BadValueStaysBad", "GET", "/Patient?birthdate=soon", "", []string{"Prefer", "handling=lenient"}, 400, "soon", ""},
		{"Minimal", "PUT", "/Patient/kim", kimJSON, []string{"Prefer", "handling=strict; return=minimal"}, 200, "", "Kim"},
	})
}

func TestBinary(t *testing.T) {
	h := filled(t)
	w := h.do(t, "POST", "/Binary", "%PDF-1.4", "Content-Type", "application/pdf")
	if w.Code != http.StatusCreated {
		t.Fatal(w.Code, w.Body)
	}
	id := parse(t, w).ID()
	raw := h.do(t, "GET", "/Binary/"+id, "", "Accept", "application/pdf")
	if raw.Body.String() != "%PDF-1.4" || raw.Header().Get("Content-Type") != "application/pdf" || raw.Header().Get("Content-Disposition") != "attachment" {
		t.Errorf("%v %s", raw.Header(), raw.Body)
	}
	h.walk(t, []step{{"AsResource", "GET", "/Binary/" + id, "", nil, 200, `"data":"` + base64.StdEncoding.EncodeToString([]byte("%PDF-1.4")), ""}})
}

func TestMeta(t *testing.T) {
	h := filled(t)
	tag := func(code string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"system":"urn:t","code":"` + code + `"}]}}]}`
	}
	h.walk(t, []step{
		{"Add", "POST", "/Patient/sara/$meta-add", tag("a"), nil, 200, `"code":"a"`, ""},
		{"AddOnce", "POST", "/Patient/sara/$meta-add", tag("a"), nil, 200, `"tag":[{"code":"a","system":"urn:t"}]`, ""},
		{"OfOne", "GET", "/Patient/sara/$meta", "", nil, 200, `"valueMeta"`, ""},
		{"OfType", "GET", "/Patient/$meta", "", nil, 200, `"code":"a"`, ""},
		{"OfAll", "GET", "/$meta", "", nil, 200, `"code":"a"`, ""},
		{"Delete", "POST", "/Patient/sara/$meta-delete", tag("a"), nil, 200, "versionId", `"code":"a"`},
		{"ByGet", "GET", "/Patient/sara/$meta-add", "", nil, 405, "POST", ""},
		{"NoMeta", "POST", "/Patient/sara/$meta-add", `{"resourceType":"Parameters"}`, nil, 400, "required", ""},
		{"Unknown", "POST", "/Patient/sara/$melt", "", nil, 404, "$melt", ""},
	})
	h.as("p1", access.Patient, "Patient/sara").walk(t, []step{{"PatientMayNot", "POST", "/Patient/sara/$meta-add", tag("b"), nil, 403, "", ""}})
}

func TestTransactionConditions(t *testing.T) {
	h := filled(t)
	patch := base64.StdEncoding.EncodeToString([]byte(`[{"op":"replace","path":"/birthDate","value":"1999-01-01"}]`))
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[
	 {"fullUrl":"urn:uuid:a","resource":{"resourceType":"Organization","identifier":[{"system":"urn:o","value":"7"}],"name":"Seven"},"request":{"method":"PUT","url":"Organization?identifier=urn:o|7"}},
	 {"resource":{"resourceType":"Encounter","status":"planned","class":{"code":"AMB"},"serviceProvider":{"reference":"urn:uuid:a"}},"request":{"method":"POST","url":"Encounter"}},
	 {"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"` + patch + `"},"request":{"method":"PATCH","url":"Patient/sara"}},
	 {"request":{"method":"DELETE","url":"Patient?family=Kim"}},
	 {"request":{"method":"DELETE","url":"Patient?family=Nobody"}}]}`
	b := parse(t, h.do(t, "POST", "", bundle))
	var got []string
	for _, e := range b.List("entry") {
		got = append(got, e.Str("response.status")[:3])
	}
	if fmt.Sprint(got) != "[201 201 200 204 204]" {
		t.Fatalf("%v", got)
	}
	org := parse(t, h.do(t, "GET", "/Organization?identifier=urn:o|7", "")).Str("entry.0.resource.id")
	h.walk(t, []step{
		{"Reference", "GET", "/Encounter", "", nil, 200, `"reference":"Organization/` + org + `"`, ""},
		{"Patched", "GET", "/Patient/sara", "", nil, 200, "1999-01-01", ""},
		{"Deleted", "GET", "/Patient/kim", "", nil, 410, "", ""},
		{"Again", "POST", "", strings.Replace(bundle, "Seven", "Eight", 1), nil, 200, `"200 OK"`, ""},
		{"Updated", "GET", "/Organization/" + org, "", nil, 200, "Eight", ""},
		{"Overlap", "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/sara"}},{"resource":` + saraJSON + `,"request":{"method":"PUT","url":"Patient/sara"}}]}`, nil, 400, "twice", ""},
		{"NoType", "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Shoe/1"}}]}`, nil, 400, "Bundle.entry[0]", ""},
	})
	h.walk(t, []step{{"BatchPatch", "POST", "", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"` + patch + `"},"request":{"method":"PATCH","url":"Patient/sara"}}]}`, nil, 200, "200 OK", ""}})
}

func TestReindex(t *testing.T) {
	h := filled(t)
	admin := h.as("a1", access.Admin, "")
	param := `{"resourceType":"SearchParameter","id":"born","url":"http://example.org/born","name":"Born","status":"active","description":"year","code":"born-in","base":["Patient"],"type":"date","expression":"Patient.birthDate"}`
	h.walk(t, []step{
		{"Before", "GET", "/Patient?born-in=1961", "", nil, 400, "born-in", ""},
		{"Define", "PUT", "/SearchParameter/born", param, nil, 201, "", ""},
		{"NotYet", "GET", "/Patient?born-in=1961", "", nil, 200, `"total":0`, ""},
		{"NurseMayNot", "POST", "/$reindex", "", nil, 403, "administrator", ""},
		{"InCapability", "GET", "/metadata", "", nil, 200, `"born-in"`, ""},
	})
	admin.walk(t, []step{
		{"Reindex", "POST", "/SearchParameter/born/$reindex", "", nil, 200, `"valueString":"2"`, ""},
		{"WrongPlace", "POST", "/Patient/sara/$reindex", "", nil, 400, "SearchParameter", ""},
	})
	h.walk(t, []step{
		{"After", "GET", "/Patient?born-in=1961", "", nil, 200, "Okafor", "Kim"},
		{"Lenient", "GET", "/Patient?born-in=1961&shoe=42", "", []string{"Prefer", "handling=lenient"}, 200, "Okafor", "Kim"},
	})
}
