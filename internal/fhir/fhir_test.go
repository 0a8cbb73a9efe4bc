package fhir_test

import (
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/fhir"
)

func TestValidateNamesEveryPlace(t *testing.T) {
	r, err := fhir.Parse([]byte(`{"resourceType":"Observation","status":"done","code":{"coding":[{"code":" x"}]},"subject":{"reference":"Encounter/1"},
	 "valueQuantity":{"value":"5"},"valueString":"x","effectiveDateTime":"2026-13-01","component":[{}],"note":{"text":"x"},"colour":1,"performer":[],"issued":"2026-03-01"}`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range fhir.Validate(r) {
		got[f.Path] = true
	}
	for _, want := range []string{"Observation.status", "Observation.code.coding[0].code", "Observation.subject.reference", "Observation.valueQuantity.value", "Observation.value[x]",
		"Observation.effectiveDateTime", "Observation.component[0]", "Observation.note", "Observation.colour", "Observation.performer", "Observation.issued"} {
		if !got[want] {
			t.Errorf("no fault at %s: %v", want, got)
		}
	}
}

func TestValidateBoundsDepth(t *testing.T) {
	deep := strings.Repeat(`{"url":"x","extension":[`, 200) + `{"url":"x","valueString":"y"}` + strings.Repeat(`]}`, 200)
	r, err := fhir.Parse([]byte(`{"resourceType":"Patient","extension":[` + deep + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	if faults := fhir.Validate(r); len(faults) != 1 || !strings.Contains(faults[0].Msg, "deeper") {
		t.Errorf("%v", faults)
	}
}

func TestDateRange(t *testing.T) {
	const second, day = int64(1e6), int64(86400e6)
	for _, c := range []struct {
		in    string
		width int64
		ok    bool
	}{
		{"2026", 365 * day, true}, {"2026-02", 28 * day, true}, {"2026-02-03", day, true}, {"2026-02-03T10:00Z", 60 * second, true}, {"2026-02-03T10:00:00+02:00", second, true},
		{"2026-02-03T10:00:00.1Z", second / 10, true}, {"2026-02-03T10:00:00.123456Z", 1, true}, {"2026-02-03T10:00:00.123456789Z", 1, true},
		{"2026-02-30", 0, false}, {"26", 0, false}, {"", 0, false}, {"2026-02-03T25:00:00Z", 0, false}, {"yesterday", 0, false},
	} {
		low, high, ok := fhir.DateRange(c.in)
		if ok != c.ok || high-low != c.width {
			t.Errorf("%q: %d wide, %v", c.in, high-low, ok)
		}
	}
}

func TestReferences(t *testing.T) {
	for in, want := range map[string]fhir.Reference{
		"Patient/1": {Type: "Patient", ID: "1"}, "Patient/1/_history/2": {Type: "Patient", ID: "1", Version: "2"}, "urn:uuid:x": {ID: "urn:uuid:x"},
		"http://x/Patient/1": {ID: "http://x/Patient/1"}, "#a": {}, "": {}, "1": {ID: "1"},
	} {
		if got := fhir.ParseReference(in); got != want {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestEveryParameterHasAPath(t *testing.T) {
	n := 0
	for _, typ := range fhir.ResourceTypes() {
		for _, p := range fhir.SearchParams(typ) {
			n++
			p.Values(fhir.New(typ, "x"))
		}
		for _, owner := range fhir.CompartmentOwners() {
			for _, name := range fhir.CompartmentOf(owner, typ) {
				if p, ok := fhir.SearchParam(typ, name); !ok || p.Kind != fhir.ParamReference {
					t.Errorf("%s.%s puts into a compartment of %s but is no reference parameter", typ, name, owner)
				}
			}
		}
	}
	if len(fhir.ResourceTypes()) != 145 && len(fhir.ResourceTypes()) != 146 || n < 1300 {
		t.Errorf("%d types, %d parameters", len(fhir.ResourceTypes()), n)
	}
}
