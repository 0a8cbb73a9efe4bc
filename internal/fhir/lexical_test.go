package fhir_test

import (
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/fhir"
)

// extensionFault validates a Patient with one extension of the given value and returns the fault, "" when it is valid.
func extensionFault(t *testing.T, key, value string) string {
	t.Helper()
	r, err := fhir.Parse([]byte(`{"resourceType":"Patient","extension":[{"url":"http://example.org/x","` + key + `":` + value + `}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fhir.Validate(r) {
		return f.Msg
	}
	return ""
}

func TestPrimitives(t *testing.T) {
	for _, c := range []struct{ key, good, bad string }{
		{"valueOid", `"urn:oid:1.2.840.0.1"`, `"urn:oid:1.02"`},
		{"valueOid", `"urn:oid:2.16"`, `"1.2.3"`},
		{"valueUuid", `"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"`, `"urn:uuid:c757873d"`},
		{"valueBase64Binary", `"aGFsbG8="`, `"aGFsb!8="`},
		{"valueBase64Binary", `"aGFs bG8="`, `"aG=F"`},
		{"valueInstant", `"2026-03-01T10:00:00.123Z"`, `"2026-03-01T10:00Z"`},
		{"valueDateTime", `"2026-03"`, `"2026-03-01T10:00:00"`},
		{"valueTime", `"10:00:00"`, `"10:00"`},
		{"valueDate", `"2024-02-29"`, `"2023-02-29"`},
		{"valueInteger", `-5`, `5.0`},
		{"valuePositiveInt", `1`, `0`},
		{"valueUnsignedInt", `0`, `-1`},
		{"valueDecimal", `1.50`, `"1.50"`},
		{"valueCode", `"a b"`, `" a"`},
		{"valueId", `"a-b.1"`, `"a_b"`},
		{"valueUri", `"urn:x"`, `"a b"`},
		{"valueString", `"a\nb"`, `"a\u0007b"`},
		{"valueBoolean", `true`, `"true"`},
	} {
		if msg := extensionFault(t, c.key, c.good); msg != "" {
			t.Errorf("%s %s is refused: %s", c.key, c.good, msg)
		}
		if msg := extensionFault(t, c.key, c.bad); msg == "" {
			t.Errorf("%s %s is accepted", c.key, c.bad)
		}
	}
}

func TestNarrative(t *testing.T) {
	for in, want := range map[string]string{
		`<div xmlns="http://www.w3.org/1999/xhtml"><p style="x">a&nbsp;b <a href="#x">c</a></p></div>`: "",
		`<div xmlns="http://www.w3.org/1999/xhtml"><img src="#a"/></div>`:                              "",
		`<div> </div>`: "no content", `<p>x</p>`: "one div", `<div>a</div><div>b</div>`: "one div", `<div><script>x</script></div>`: "script", `<div onclick="x">a</div>`: "onclick",
		`<div><a href="JavaScript:x">a</a></div>`: "script", `<div><b>a</div>`: "well-formed", `<!DOCTYPE x><div>a</div>`: "declaration", `text`: "one div",
		strings.Repeat("<div>", 300) + "a" + strings.Repeat("</div>", 300): "deeper",
	} {
		if got := fhir.CheckNarrative(in); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%.60s: %q, want %q", in, got, want)
		}
	}
}

func TestRequiredBindings(t *testing.T) {
	for in, want := range map[string]string{
		`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}`: "",
		`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://example.org","code":"active"}]}}`:                                                "AllergyIntolerance.clinicalStatus",
		`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"text":"active"}}`:                                                                                           "AllergyIntolerance.clinicalStatus",
		`{"resourceType":"Patient","photo":[{"contentType":"image/png"}]}`:                                                                                                                                       "",
		`{"resourceType":"Patient","photo":[{"contentType":"picture"}]}`:                                                                                                                                         "Patient.photo[0].contentType",
		`{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[null]}]}`:                                                                                                                                "Patient.name[0].given",
		`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"x"}]}],"gender":"male"}`:                                                                                                    "",
		`{"resourceType":"Patient","gender":"man"}`:                                                                                                                                                              "Patient.gender",
	} {
		r, err := fhir.Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range fhir.Validate(r) {
			got = f.Path
		}
		if got != want {
			t.Errorf("%s: fault at %q, want %q", in, got, want)
		}
	}
}
