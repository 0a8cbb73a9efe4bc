package fhir_test

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/vigil-health/vigil/internal/fhir"
)

// examples opens a zip of the official R4 examples, or skips when the shared data is not there.
func examples(t testing.TB, name string) map[string][]byte {
	t.Helper()
	zr, err := zip.OpenReader(dataFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	out := map[string][]byte{}
	for _, f := range zr.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(rc); err != nil {
			t.Fatal(err)
		}
		rc.Close()
	}
	return out
}

func dataFile(t testing.TB, name string) string {
	t.Helper()
	if p := filepath.Join(os.Getenv("VIGIL_DATA"), name); os.Getenv("VIGIL_DATA") != "" {
		if _, err := os.Stat(p); err != nil {
			t.Skipf("VIGIL_DATA does not hold %s", name)
		}
		return p
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		for _, shared := range []string{"shared/data", "../shared/data"} {
			if p := filepath.Join(dir, shared, name); exists(p) {
				return p
			}
		}
		dir = filepath.Dir(dir)
	}
	t.Skipf("no shared data: set VIGIL_DATA to the folder that holds %s", name)
	return ""
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

// refused lists the examples that break the definitions they illustrate, with the element that does.
var refused = map[string]string{
	"MedicationRequest-medrx0301.json":                "MedicationRequest.dispenseRequest.performer.reference", // Organization only
	"Questionnaire-qs1.json":                          "Questionnaire.item[0].item[0].linkId",                  // 1..1
	"DeviceUseStatement-example.json":                 "DeviceUseStatement.reasonReference[0].reference",       // no Procedure
	"Observation-clinical-gender.json":                "Observation.performer[0].reference",                    // no Encounter
	"DeviceMetric-example.json":                       "DeviceMetric.parent.reference",                         // Device only
	"EventDefinition-example.json":                    "EventDefinition.text.div",                              // txt-2: no content
	"ActivityDefinition-heart-valve-replacement.json": "ActivityDefinition.text.div",                           // txt-2
}

func TestOfficialExamples(t *testing.T) {
	for name, b := range examples(t, "fhir/r4-examples.zip") {
		r, err := fhir.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		faults := fhir.Validate(r)
		if place := refused[name]; place != "" {
			if len(faults) == 0 || faults[0].Path != place {
				t.Errorf("%s: %v, want a fault at %s", name, faults, place)
			}
			continue
		}
		for _, f := range faults {
			t.Errorf("%s: %s: %s", name, f.Path, f.Msg)
		}
		again, err := fhir.Parse(fhir.Encode(r))
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%s changes when it is written and read: %v", name, err)
		}
		fhir.Index(r)
	}
}
