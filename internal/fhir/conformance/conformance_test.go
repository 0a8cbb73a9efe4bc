package conformance_test

import (
	"archive/zip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/conformance"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// TestEveryInvariantCompiles holds the rules of R4: each is read, and names only elements that are there.
func TestEveryInvariantCompiles(t *testing.T) {
	keys := map[string]bool{}
	check := func(r fhir.Rule, types ...*fhir.Type) {
		keys[r.Key] = true
		e, err := fhirpath.CompileRule(r.Expression)
		if err != nil {
			t.Errorf("%s: %v", r.Key, err)
			return
		}
		for _, typ := range types { // one form of a choice is enough
			if err = e.Check(typ); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s on %s: %v: %s", r.Key, types[0].Name(), err, r.Expression)
		}
		if r.Human == "" {
			t.Errorf("%s says nothing", r.Key)
		}
	}
	for typ := range fhir.TypeNames {
		for _, r := range typ.Rules() {
			check(r, typ)
		}
		for m := range typ.Members {
			var types []*fhir.Type
			for _, f := range m.Forms {
				types = append(types, f.Type)
			}
			for _, r := range m.Rules {
				check(r, types...)
			}
		}
	}
	if len(keys) != 233 {
		t.Errorf("%d rules, want 233", len(keys))
	}
}

func examples(t testing.TB) map[string]fhir.Resource {
	t.Helper()
	zr, err := zip.OpenReader(dataFile(t, "fhir/r4-examples.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	out := map[string]fhir.Resource{}
	for _, f := range zr.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		rc.Close()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = fhir.Parse(b); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	return out
}

func dataFile(t testing.TB, name string) string {
	t.Helper()
	dirs := []string{os.Getenv("VIGIL_DATA")}
	if dirs[0] == "" {
		for dir, _ := os.Getwd(); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			dirs = append(dirs, filepath.Join(dir, "shared/data"))
		}
	}
	for _, dir := range dirs {
		if p := filepath.Join(dir, name); dir != "" {
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	t.Skipf("no shared data: set VIGIL_DATA to the folder that holds %s", name)
	return ""
}

// refused lists the examples of R4 that break R4, each with the place and the reason.
var refused = map[string]string{
	"MedicationRequest-medrx0301.json":                "MedicationRequest.dispenseRequest.performer.reference: may not refer to a Practitioner",
	"Questionnaire-qs1.json":                          "Questionnaire.item[0].item[0].linkId: is required",
	"DeviceUseStatement-example.json":                 "DeviceUseStatement.reasonReference[0].reference: may not refer to a Procedure",
	"Observation-clinical-gender.json":                "Observation.performer[0].reference: may not refer to a Encounter",
	"DeviceMetric-example.json":                       "DeviceMetric.parent.reference: may not refer to a DeviceDefinition",
	"EventDefinition-example.json":                    "EventDefinition.text.div: has no content",
	"ActivityDefinition-heart-valve-replacement.json": "ActivityDefinition.text.div: has no content",
}

func TestOfficialExamples(t *testing.T) {
	v := conformance.New(conformance.Config{})
	seen := 0
	for name, r := range examples(t) {
		var first string
		for _, i := range v.Validate(context.Background(), r) {
			if i.Severity == conformance.Error && first == "" {
				first = i.Expression + ": " + i.Diagnostics
			}
		}
		want := refused[name]
		if want != "" {
			seen++
		}
		if (want == "") != (first == "") || !strings.HasPrefix(first, want) {
			t.Errorf("%s: %q, want %q", name, first, want)
		}
		if faults := conformance.Check(r); (len(faults) == 0) != (first == "") {
			t.Errorf("%s: Check and Validate differ: %v, %q", name, faults, first)
		}
	}
	if seen != len(refused) {
		t.Errorf("%d of the %d refused examples are there", seen, len(refused))
	}
}

func BenchmarkValidate(b *testing.B) {
	ex := examples(b)
	v := conformance.New(conformance.Config{})
	for _, name := range []string{"Observation-f003.json", "Observation-respiratory-rate.json", "Observation-blood-pressure.json"} {
		r := ex[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Validate(context.Background(), r)
			}
		})
		b.Run("Check/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				conformance.Check(r)
			}
		})
		b.Run("Structure/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fhir.Validate(r)
			}
		})
	}
}
