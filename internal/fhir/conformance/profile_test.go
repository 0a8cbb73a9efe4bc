package conformance_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/conformance"
)

func parse(t testing.TB, text string) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return r
}

const heartRate = `{"resourceType":"Observation","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/heartrate"]},"status":"final",
 "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],
 "code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01T10:00:00Z",
 "valueQuantity":{"value":72,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">72</div>"}}`

const bloodPressure = `{"resourceType":"Observation","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/bp"]},"status":"final",
 "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],
 "code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01",
 "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
  {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}],
 "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">120/80</div>"}}`

// want finds an issue by severity, expression and a part of its diagnostics, "severity|expression|part"; "" is none.
func check(t *testing.T, issues []conformance.Issue, wants ...string) {
	t.Helper()
	used := map[int]bool{}
	for _, want := range wants {
		f := strings.SplitN(want, "|", 3)
		found := false
		for i, is := range issues {
			if string(is.Severity) == f[0] && is.Expression == f[1] && strings.Contains(is.Diagnostics, f[2]) {
				found, used[i] = true, true
			}
		}
		if !found {
			t.Errorf("no issue %q in %+v", want, issues)
		}
	}
	for i, is := range issues {
		if !used[i] {
			t.Errorf("unexpected: %s|%s|%s", is.Severity, is.Expression, is.Diagnostics)
		}
	}
}

func TestVitalSigns(t *testing.T) {
	v := conformance.New(conformance.Config{})
	for name, c := range map[string]struct {
		text, old, new string
		want           []string
	}{
		"HeartRate":     {heartRate, "", "", nil},
		"BloodPressure": {bloodPressure, "", "", nil},
		"WrongUnit":     {heartRate, `"code":"/min"`, `"code":"kg"`, []string{"error|Observation.value.code|must be \"/min\""}},
		"NoSubject":     {heartRate, `"subject":{"reference":"Patient/1"},`, ``, []string{"error|Observation|subject is required 1 times"}},
		"WrongCode":     {heartRate, `"8867-4"`, `"8888-8"`, []string{"error|Observation.code|the slice HeartRateCode of coding is required"}},
		"NoCategory":    {heartRate, `"code":"vital-signs"`, `"code":"laboratory"`, []string{"error|Observation|the slice VSCat of category is required 1 times"}},
		"NoValue":       {heartRate, `"valueQuantity":{"value":72,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"},`, ``, []string{"error|Observation|vs-2"}},
		"Date":          {heartRate, `2026-03-01T10:00:00Z`, `2026-03`, []string{"error|Observation.effective|vs-1"}},
		"StringValue":   {heartRate, `"valueQuantity":{"value":72,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}`, `"valueString":"72"`, []string{"error|Observation.value|must be a Quantity, not a string"}},
		"NoDiastolic":   {bloodPressure, `"8462-4"`, `"9999-9"`, []string{"error|Observation|the slice DiastolicBP of component is required 1 times"}},
		"ComponentUnit": {bloodPressure, `"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"`, `"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"kPa"`,
			[]string{`error|Observation.component[1].value.code|must be "mm[Hg]"`, "error|Observation.component[1].value|ucum-vitals-common"}},
		"UnknownProfile": {heartRate, `StructureDefinition/heartrate"`, `StructureDefinition/heartrate","http://example.org/p"`, []string{"warning|Observation|http://example.org/p is not known"}},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, v.Validate(context.Background(), parse(t, strings.Replace(c.text, c.old, c.new, 1))), c.want...)
		})
	}
}

// definitions are profiles by URL.
type definitions map[string]fhir.Resource

func (d definitions) StructureDefinition(_ context.Context, url string) fhir.Resource { return d[url] }

func profiles(t *testing.T, texts ...string) definitions {
	d := definitions{}
	for _, s := range texts {
		r := parse(t, s)
		d[r.Str("url")] = r
	}
	return d
}

const ward = `{"resourceType":"StructureDefinition","url":"http://example.org/ward-patient","name":"WardPatient","type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
 "differential":{"element":[
 {"id":"Patient","path":"Patient","constraint":[{"key":"ward-1","severity":"error","human":"A name has a family","expression":"name.all(family.exists())"}]},
 {"id":"Patient.extension","path":"Patient.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
 {"id":"Patient.extension:bed","path":"Patient.extension","sliceName":"bed","min":1,"max":"1","type":[{"code":"Extension","profile":["http://example.org/bed"]}]},
 {"id":"Patient.identifier","path":"Patient.identifier","min":1,"slicing":{"discriminator":[{"type":"pattern","path":"type"}],"rules":"closed"}},
 {"id":"Patient.identifier:mr","path":"Patient.identifier","sliceName":"mr","min":1,"max":"1"},
 {"id":"Patient.identifier:mr.type","path":"Patient.identifier.type","patternCodeableConcept":{"coding":[{"code":"MR"}]}},
 {"id":"Patient.identifier:mr.value","path":"Patient.identifier.value","min":1,"maxLength":5},
 {"id":"Patient.telecom","path":"Patient.telecom","slicing":{"discriminator":[{"type":"exists","path":"period"}],"rules":"open"}},
 {"id":"Patient.telecom:old","path":"Patient.telecom","sliceName":"old","max":"0"},
 {"id":"Patient.telecom:old.period","path":"Patient.telecom.period","min":1},
 {"id":"Patient.active","path":"Patient.active","min":1,"fixedBoolean":true},
 {"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://example.org/marital"}},
 {"id":"Patient.multipleBirth[x]","path":"Patient.multipleBirth[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"open"}},
 {"id":"Patient.multipleBirth[x]:multipleBirthInteger","path":"Patient.multipleBirth[x]","sliceName":"multipleBirthInteger","max":"0","type":[{"code":"integer"}]},
 {"id":"Patient.generalPractitioner","path":"Patient.generalPractitioner","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Practitioner"]}]},
 {"id":"Patient.birthDate","path":"Patient.birthDate","minValueDate":"1900-01-01","maxValueDate":"2026-12-31"},
 {"id":"Patient.contained","path":"Patient.contained","slicing":{"discriminator":[{"type":"profile","path":"$this"}],"rules":"open"}},
 {"id":"Patient.contained:hr","path":"Patient.contained","sliceName":"hr","max":"1","type":[{"code":"Observation","profile":["http://hl7.org/fhir/StructureDefinition/heartrate"]}]}]}}`

const bed = `{"resourceType":"StructureDefinition","url":"http://example.org/bed","name":"Bed","type":"Extension","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","derivation":"constraint",
 "differential":{"element":[{"id":"Extension","path":"Extension"},{"id":"Extension.url","path":"Extension.url","fixedUri":"http://example.org/bed"},{"id":"Extension.value[x]","path":"Extension.value[x]","min":1,"type":[{"code":"string"}]}]}}`

const child = `{"resourceType":"StructureDefinition","url":"http://example.org/child","name":"Child","type":"Patient","baseDefinition":"http://example.org/ward-patient","derivation":"constraint",
 "differential":{"element":[{"id":"Patient.birthDate","path":"Patient.birthDate","min":1},{"id":"Patient.identifier:mr.system","path":"Patient.identifier.system","min":1}]}}`

const wardPatient = `{"resourceType":"Patient","active":true,"extension":[{"url":"http://example.org/bed","valueString":"3A"}],"identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"12345"}],
 "name":[{"family":"Sara"}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Sara</div>"}}`

type marital struct{}

func (marital) Holds(_ context.Context, set, system, code string) (in, known bool) {
	return system == "urn:m" && code == "M", set == "http://example.org/marital"
}

func TestUploadedProfile(t *testing.T) {
	v := conformance.New(conformance.Config{Profiles: profiles(t, ward, bed, child), Terminology: marital{}})
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"OK":            {"", "", nil},
		"Invariant":     {`{"family":"Sara"}`, `{"given":["Sara"]}`, []string{"error|Patient|ward-1: A name has a family"}},
		"NoExtension":   {`"extension":[{"url":"http://example.org/bed","valueString":"3A"}],`, ``, []string{"error|Patient|the slice bed of extension is required"}},
		"ExtensionType": {`"valueString":"3A"`, `"valueInteger":3`, []string{"error|Patient.extension[0].value|must be a string, not a integer"}},
		"Closed":        {`"value":"12345"}`, `"value":"12345"},{"value":"x"}`, []string{"error|Patient.identifier[1]|belongs to no slice"}},
		"Twice":         {`"value":"12345"}`, `"value":"12345"},{"type":{"coding":[{"system":"urn:x","code":"MR"}]},"value":"2"}`, []string{"error|Patient|the slice mr of identifier may be there 1 times at most, there are 2"}},
		"TooLong":       {`"12345"`, `"123456"`, []string{"error|Patient.identifier[0].value|5 characters"}},
		"Fixed":         {`"active":true`, `"active":false`, []string{"error|Patient.active|must be true"}},
		"Exists":        {`"active":true`, `"active":true,"telecom":[{"value":"1","system":"phone"},{"value":"2","system":"phone","period":{"start":"2020"}}]`, []string{"error|Patient|the slice old of telecom may not be there"}},
		"Binding":       {`"active":true`, `"active":true,"maritalStatus":{"coding":[{"system":"urn:m","code":"X"}]}`, []string{"error|Patient.maritalStatus|http://example.org/marital"}},
		"Bound":         {`"active":true`, `"active":true,"maritalStatus":{"coding":[{"system":"urn:m","code":"M"}]}`, nil},
		"Type":          {`"active":true`, `"active":true,"multipleBirthInteger":2`, []string{"error|Patient|the slice multipleBirthInteger of multipleBirth may not be there"}},
		"OtherType":     {`"active":true`, `"active":true,"multipleBirthBoolean":true`, nil},
		"TooEarly":      {`"active":true`, `"active":true,"birthDate":"1899"`, []string{"error|Patient.birthDate|is less than 1900-01-01"}},
		"TooLate":       {`"active":true`, `"active":true,"birthDate":"2027-01-01"`, []string{"error|Patient.birthDate|is more than 2026-12-31"}},
		"InTime":        {`"active":true`, `"active":true,"birthDate":"1900"`, nil},
		"Target":        {`"active":true`, `"active":true,"generalPractitioner":[{"reference":"Organization/1"}]`, []string{"error|Patient.generalPractitioner[0]|may not refer to a Organization"}},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, v.Validate(context.Background(), parse(t, strings.Replace(wardPatient, c.old, c.new, 1)), "http://example.org/ward-patient"), c.want...)
		})
	}
	check(t, v.Validate(context.Background(), parse(t, wardPatient), "http://example.org/child"),
		"error|Patient|birthDate is required", "error|Patient.identifier[0]|system is required")
	check(t, v.Validate(context.Background(), parse(t, wardPatient), "http://example.org/none"), "error|Patient|http://example.org/none is not known")
	check(t, v.Validate(context.Background(), parse(t, wardPatient), "http://hl7.org/fhir/StructureDefinition/Observation"), "error|Patient|is a Patient and cannot conform")
}

func TestProfilesInACircle(t *testing.T) {
	a := `{"resourceType":"StructureDefinition","url":"http://example.org/a","type":"Patient","baseDefinition":"http://example.org/b","differential":{"element":[{"id":"Patient.active","path":"Patient.active","min":1}]}}`
	b := strings.NewReplacer("/a", "/b", "/b", "/a").Replace(a)
	v := conformance.New(conformance.Config{Profiles: profiles(t, a, b)})
	if issues := v.Validate(context.Background(), parse(t, wardPatient), "http://example.org/a"); !conformance.OK(issues) {
		t.Errorf("%+v", issues)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	r := parse(t, `{"resourceType":"Observation","status":"done","code":{"text":"x"},"valueString":"a","dataAbsentReason":{"text":"b"},"subject":{"reference":"#p"},"colour":1,
	 "effectivePeriod":{"start":"2026-03","end":"2026-01"},"referenceRange":[{"age":{"low":{"value":1,"code":"a"}}}],"contained":[{"resourceType":"Patient","id":"q","meta":{"versionId":"1"}}]}`)
	check(t, conformance.New(conformance.Config{}).Validate(context.Background(), r),
		`error|Observation.status|code "done"`, "error|Observation.colour|is not an element", "error|Observation|obs-6", "error|Observation.subject|ref-1", "error|Observation.effective|per-1",
		"error|Observation.referenceRange[0]|obs-3", "error|Observation.referenceRange[0].age.low|qty-3", "error|Observation|dom-3", "error|Observation|dom-4", "warning|Observation|dom-6", "warning|Observation.contained[0]|dom-6")
	for _, i := range conformance.New(conformance.Config{}).Validate(context.Background(), r) {
		if strings.Contains(i.Diagnostics, "qty-3") && i.Pointer != "/referenceRange/0/age/low" || strings.Contains(i.Diagnostics, "per-1") && i.Pointer != "/effectivePeriod" {
			t.Errorf("%+v", i)
		}
	}
}

func FuzzProfile(f *testing.F) {
	f.Add([]byte(ward), []byte(wardPatient))
	f.Add([]byte(bed), []byte(heartRate))
	f.Add([]byte(child), []byte(bloodPressure))
	f.Fuzz(func(t *testing.T, definition, resource []byte) {
		d, err := fhir.Parse(definition)
		if err != nil {
			return
		}
		r, err := fhir.Parse(resource)
		if err != nil {
			return
		}
		d["url"] = "http://example.org/fuzz"
		v := conformance.New(conformance.Config{Profiles: definitions{"http://example.org/fuzz": d}})
		conformance.Outcome(v.Validate(context.Background(), r, "http://example.org/fuzz"))
	})
}

func TestExtensionDefinitions(t *testing.T) {
	v := conformance.New(conformance.Config{})
	const place = `{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"x"}}],"name":[{"family":"x"}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}`
	check(t, v.Validate(context.Background(), parse(t, place)))
	check(t, v.Validate(context.Background(), parse(t, strings.Replace(place, `"valueAddress":{"city":"x"}`, `"valueString":"x"`, 1))), "error|Patient.extension[0].value|must be a Address, not a string")
	check(t, v.Validate(context.Background(), parse(t, strings.Replace(place, `patient-birthPlace`, `unheard-of`, 1))))
}

func TestReferencesInABundle(t *testing.T) {
	team := `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://x/Practitioner/1","resource":{"resourceType":"Practitioner","id":"1"}},{"fullUrl":"http://x/Organization/2","resource":{"resourceType":"Organization","id":"2","name":"o"}},
	 {"fullUrl":"http://x/CareTeam/3","resource":{"resourceType":"CareTeam","id":"3","participant":[{"member":{"reference":"Practitioner/1"},"onBehalfOf":{"reference":"Organization/2"}}]}}]}`
	v := conformance.New(conformance.Config{})
	if issues := v.Validate(context.Background(), parse(t, team)); !conformance.OK(issues) {
		t.Errorf("%+v", issues)
	}
	wrong := strings.Replace(team, `"member":{"reference":"Practitioner/1"}`, `"member":{"reference":"Organization/2"}`, 1)
	found := false
	for _, i := range v.Validate(context.Background(), parse(t, wrong)) {
		found = found || strings.HasPrefix(i.Diagnostics, "ctm-1") && i.Expression == "Bundle.entry[2].resource.participant[0]"
	}
	if !found {
		t.Error("ctm-1 did not look into the Bundle")
	}
}

func TestContainedReferences(t *testing.T) {
	const obs = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"contained":[{"resourceType":"Encounter","id":"e","status":"planned","class":{"code":"AMB"}}],"subject":{"reference":"#e"}}`
	for _, f := range conformance.Check(parse(t, obs)) {
		if f.Path == "Observation.subject.reference" && strings.Contains(f.Msg, "may not refer to a Encounter") {
			return
		}
	}
	t.Error("a contained Encounter passes as a subject")
}

// TestProfilesAreBounded holds a profile whose invariants would take for ever.
func TestProfilesAreBounded(t *testing.T) {
	rule := `{"key":"k%","severity":"error","human":"h","expression":"descendants().select(%resource.descendants()).select(%resource.descendants()).select(%resource.descendants()).count() > 1"}`
	var rules []string
	for range 200 {
		rules = append(rules, rule)
	}
	sd := `{"resourceType":"StructureDefinition","url":"http://example.org/slow","type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","differential":{"element":[{"id":"Patient","path":"Patient","constraint":[` + strings.Join(rules, ",") + `]}]}}`
	v := conformance.New(conformance.Config{Profiles: profiles(t, sd), MaxSteps: 100_000})
	issues := v.Validate(context.Background(), parse(t, wardPatient), "http://example.org/slow")
	if len(issues) == 0 || issues[len(issues)-1].Code != "too-costly" {
		t.Errorf("%+v", issues)
	}
}

func TestWarningsDoNotHideErrors(t *testing.T) {
	var entries []string
	for range 300 {
		entries = append(entries, `{"resource":{"resourceType":"Patient","active":true}}`)
	}
	entries = append(entries, `{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"a","dataAbsentReason":{"text":"b"}}}`)
	issues := conformance.New(conformance.Config{}).Validate(context.Background(), parse(t, `{"resourceType":"Bundle","type":"collection","entry":[`+strings.Join(entries, ",")+`]}`))
	last := issues[len(issues)-1]
	if conformance.OK(issues) || last.Severity != conformance.Information || !strings.Contains(last.Diagnostics, "more issues") {
		t.Errorf("%d issues, the last %+v", len(issues), last)
	}
}

func TestConcurrentUse(t *testing.T) {
	v := conformance.New(conformance.Config{Profiles: profiles(t, ward, bed, child), Terminology: marital{}})
	r, bp := parse(t, wardPatient), parse(t, bloodPressure)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if issues := v.Validate(context.Background(), r, "http://example.org/child"); len(issues) != 2 {
					t.Errorf("%+v", issues)
				}
				if issues := v.Validate(context.Background(), bp); len(issues) != 0 {
					t.Errorf("%+v", issues)
				}
			}
		})
	}
	wg.Wait()
}
