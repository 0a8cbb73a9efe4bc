package coding_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

func TestSeriesNames(t *testing.T) {
	for key, want := range map[vigil.Metric]string{
		"heart-rate": "vigil_heart_rate_per_minute", "spo2": "vigil_spo2_percent", "bp-systolic": "vigil_bp_systolic_mmhg", "temperature": "vigil_temperature_celsius",
		"pacing-percent": "vigil_pacing_percent", "steps": "vigil_steps", "consciousness": "vigil_consciousness", "Ward/7 own": "vigil_ward_7_own",
	} {
		if got := coding.SeriesName(key); got != want {
			t.Errorf("%s is called %s, want %s", key, got, want)
		}
	}
}

// A name is for ever: dashboards hold it. No two metrics share one, and every unit of the catalogue has its word.
func TestSeriesNamesAreValidAndUnique(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := map[string]vigil.Metric{}
	for _, m := range coding.Metrics() {
		name := coding.SeriesName(m.Key)
		if !valid.MatchString(name) || regexp.MustCompile(`__|_$`).MatchString(name) {
			t.Errorf("%s has the name %q", m.Key, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%s and %s are both called %s", m.Key, other, name)
		}
		seen[name] = m.Key
		if !coding.HasSeriesUnit(m.UCUM) {
			t.Errorf("%s: the unit %s has no word in the names of series", m.Key, m.UCUM)
		}
	}
}

func TestSeriesLabels(t *testing.T) {
	got := coding.SeriesLabels(vigil.SeriesKey{Subject: "Patient/sara", Device: "patch-031", Metric: "heart-rate"})
	want := []coding.Label{{Name: "__name__", Value: "vigil_heart_rate_per_minute"}, {Name: "device", Value: "patch-031"}, {Name: "loinc", Value: "8867-4"},
		{Name: "mdc", Value: "147842"}, {Name: "metric", Value: "heart-rate"}, {Name: "subject", Value: "Patient/sara"}, {Name: "unit", Value: "/min"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = coding.SeriesLabels(vigil.SeriesKey{Subject: "Location/icu-1", Metric: "own"})
	if len(got) != 3 || !slices.Contains(got, coding.Label{Name: "__name__", Value: "vigil_own"}) {
		t.Errorf("labels of a metric without codes: %v", got)
	}
}
